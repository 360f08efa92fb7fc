#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include <nlohmann/json.hpp>

#include "gateway/base/lsn.h"
#include "gateway/base/status.h"
#include "gateway/config/config.h"
#include "gateway/ingest/intake.h"
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

// Makes messages out of a recording's telemetry. A record holds its payload as it came, and of the
// topic what the route's template names, so a level that the template leaves open ("+") comes out
// as "-", and what "#" matched is gone. Readings that came in one array go in one again, with what
// the route reads beside them: the message id of the whole message is another text, which tells
// repeats all the same. One thread.
class MessageReader {
 public:
  // How messages of these topics become records; all outlive the reader. plans[i], config.routes[i]
  // and world.routes[i] belong together.
  struct Routes {
    const config::Config& config;
    const twin::World& world;
    std::span<const ingest::Plan> plans;
    const route::Router& router;
  };
  // Of the records after `after`. As RecordStream::Open.
  static Result<MessageReader> Open(const std::filesystem::path& journal, std::optional<Lsn> after,
                                    const Routes& routes);

  // Nothing at the end; as RecordStream.
  Result<std::optional<RecordedMessage>> Next();
  // Messages that no topic or payload could be made for, because the symbol table was full when
  // they came, another route takes the topic, or the route's pointers exclude each other.
  uint64_t left_out() const { return left_out_; }

 private:
  // A message whose readings may not all have been read yet.
  struct Draft {
    uint16_t route = 0;
    uint32_t item = 0;
    bool is_whole = false;
    RecordedMessage message;
    nlohmann::ordered_json document;  // where there are items
  };

  MessageReader(std::unique_ptr<journal::Catalog> catalog, journal::RecordStream stream, Lsn after,
                const Routes& routes)
      : catalog_(std::move(catalog)), stream_(std::move(stream)), after_(after), routes_(routes) {}
  void Begin(const journal::RecordView& record);
  bool MakeTopic(const journal::RecordView& record, std::string& topic) const;
  // The text that a segment of the topic had; nothing if it is not known any more.
  std::optional<std::string> CaptureOf(const journal::RecordView& record, const ingest::Plan& plan,
                                       const ingest::Capture& capture) const;
  void PutEnvelope(const journal::RecordView& record);
  void AddItem(const journal::RecordView& record);
  std::optional<RecordedMessage> TakeDraft();

  std::unique_ptr<journal::Catalog> catalog_;  // which the stream refers to
  journal::RecordStream stream_;
  Lsn after_;
  Routes routes_;
  std::optional<Draft> draft_;
  uint64_t left_out_ = 0;
};

}  // namespace gemel::playback
