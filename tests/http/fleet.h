#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/base/clock.h"
#include "gateway/base/parker.h"
#include "gateway/base/symbols.h"
#include "gateway/effects/outbox.h"
#include "gateway/http/api.h"
#include "gateway/journal/sequencer.h"
#include "gateway/twin/shard_set.h"

namespace gemel::http {

// A gateway's inside with one small model, `fridge`, on two shards, fed without a broker.
class Fleet : public ::testing::Test {
 public:
  ~Fleet() override;

 protected:
  static constexpr size_t kOutboxBytes = 65'536;

  Fleet();

  // Applies one message of telemetry. On return the twin has it.
  void Feed(std::string_view id, std::string_view payload);
  Sources sources();
  // The response of the API to GET of this path.
  Response Get(std::string_view target);
  // And to POST.
  Response Post(std::string_view target, std::string_view body,
                std::string_view type = "application/json");

  // And to PATCH.
  Response Patch(std::string_view target, std::string_view body,
                 std::string_view type = "application/json");

  // Applies it, as the gateway does; the twin's id. Of who is called slow it is not applied yet,
  // and of who is called late it does nothing.
  Result<AckAnswer> Acknowledge(EffectId alert, const twin::AckText& ack);
  // Tells the device of a twin that the shards have: its id is c-1-0 whatever it is.
  Result<std::string> SendCommand(const Addressee& to, const twin::Order& order);

  // Applies it, as the gateway does.
  Result<bool> SetProfile(const Addressee& to, const nlohmann::json& fields, bool creates);

  // Commands that went to a twin.
  std::vector<twin::Order> orders() const;

  ManualClock clock_{Time{std::chrono::seconds(1'000)}};
  Symbols symbols_;
  twin::World world_;
  Parker parker_;
  effects::Outbox outbox_{kOutboxBytes, parker_};
  effects::SenderStats sender_;
  Readiness readiness_;
  IntakeCounts intake_;
  std::unique_ptr<twin::ShardSet> shards_;
  std::unique_ptr<journal::Sequencer> sequencer_;

 private:
  // On return the twin has it.
  void Apply(journal::Record& record);
  Response Change(std::string_view method, std::string_view target, std::string_view body,
                  std::string_view type);

  mutable std::mutex orders_mutex_;  // a server answers on threads of its own
  std::vector<twin::Order> orders_;
};

}  // namespace gemel::http
