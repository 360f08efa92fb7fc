#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "gateway/base/lsn.h"
#include "gateway/base/status.h"
#include "gateway/config/config.h"
#include "gateway/journal/record_stream.h"
#include "gateway/route/router.h"
#include "gateway/twin/world.h"

namespace gemel::playback {

// One message of a recording, as devices would send it again.
struct RecordedMessage {
  Time at = kNoTime;        // event time; that of the first reading where there are several
  Time received = kNoTime;  // when the gateway had it
  std::string topic;
  std::string payload;
};

// Makes messages out of a recording's telemetry, for a gateway that has the same routes. A record
// holds its payload as it came, and of the topic what the route's template names: what "+" or "#"
// matched comes out as "-". Readings that came in one array go in one again, with what the route
// reads beside them; there a message id or sequence is another one than it was, and tells repeats
// all the same. One thread.
class MessageReader {
 public:
  // How messages of these topics become records; all outlive the reader. config.routes[i] and
  // world.routes[i] belong together.
  struct Routes {
    const config::Config& config;
    const twin::World& world;
    const route::Router& router;
  };
  // Of the records after `after`. As RecordStream::Open.
  static Result<MessageReader> Open(const std::filesystem::path& journal, std::optional<Lsn> after,
                                    const Routes& routes);

  // Nothing at the end; as RecordStream.
  Result<std::optional<RecordedMessage>> Next();
  // Messages that can't be made again: the symbol table was full when they came, another route
  // takes their topic, or what the route reads stands in each other's place.
  uint64_t left_out() const { return left_out_; }

 private:
  // A message whose readings may not all have been read yet.
  struct Draft {
    uint16_t route = 0;
    RecordedMessage message;
    nlohmann::ordered_json document;  // where there are items
    nlohmann::ordered_json items = nlohmann::ordered_json::array();
  };

  MessageReader(std::unique_ptr<journal::Catalog> catalog, journal::RecordStream stream, Lsn after,
                const Routes& routes)
      : catalog_(std::move(catalog)), stream_(std::move(stream)), after_(after), routes_(routes) {}
  void Begin(const journal::RecordView& record);
  void PutEnvelope(const journal::RecordView& record, nlohmann::ordered_json& document) const;
  void PutSymbols(const journal::RecordView& record, nlohmann::ordered_json& document) const;
  std::optional<RecordedMessage> TakeDraft();

  std::unique_ptr<journal::Catalog> catalog_;  // which the stream refers to
  journal::RecordStream stream_;
  Lsn after_;
  Routes routes_;
  Lsn frame_ = kNoLsn;          // of the message that is being made, or was left out
  std::optional<Draft> draft_;  // that message
  uint64_t left_out_ = 0;
};

}  // namespace gemel::playback
