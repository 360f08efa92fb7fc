#pragma once

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "gateway/effects/sender.h"
#include "gateway/mqtt/fake.h"

namespace gemel::effects {

inline constexpr std::chrono::milliseconds kPatience{20'000};

// With the parameter those who append send by themselves where they may.
class SenderTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) outbox_.SetDirect(&sender_);
    sender_.SetStatus(R"({"state":"online"})");
  }
  void Append(const std::string& topic, Duration lifetime = Duration{0}) {
    outbox_.Append({.id = {++lsn_, 0},
                    .kind = EffectKind::kCommand,
                    .lifetime = lifetime,
                    .topic = topic,
                    .payload = "{}"});
    outbox_.Flush();
  }
  // Topics that were published, without the status.
  std::vector<std::string> Published() const {
    std::vector<std::string> topics;
    for (const mqtt::Outbound& message : publisher_.published()) {
      if (message.topic != "status") topics.push_back(message.topic);
    }
    return topics;
  }
  std::vector<std::string> Statuses() const {
    std::vector<std::string> payloads;
    for (const mqtt::Outbound& message : publisher_.published()) {
      if (message.topic == "status") payloads.push_back(message.payload);
    }
    return payloads;
  }
  // Until the effects thread has what was appended.
  bool AwaitTaken() {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (!outbox_.is_empty() && std::chrono::steady_clock::now() < until) {
      std::this_thread::yield();
    }
    return outbox_.is_empty();
  }
  bool Await(size_t count) { return publisher_.AwaitPublished(count, kPatience); }

  ManualClock clock_{Time{std::chrono::seconds{1'000}}};
  Parker parker_;
  Outbox outbox_{1 << 20, parker_};
  mqtt::FakePublisher publisher_;
  Sender sender_{outbox_, parker_, publisher_, clock_,
                 SenderOptions{.status_topic = "status",
                               .offline_status = "offline",
                               .models = 1,
                               .reconnect_min = std::chrono::milliseconds(1),
                               .reconnect_max = std::chrono::milliseconds(5)}};
  Lsn lsn_ = 0;
};

}  // namespace gemel::effects
