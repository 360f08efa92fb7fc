#include <map>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/twin/acknowledgement.h"
#include "gateway/twin/shard_set.h"
#include "tests/support/effort.h"
#include "tests/twin/lab.h"

// Raises and clears that come from messages, timers and people at the same millisecond, on the
// threads that a gateway has.
namespace gemel::twin {
namespace {

constexpr size_t kRacers = 250;
constexpr size_t kRaces = support::Rounds(400, 40);
static_assert(support::kIsSanitized || kRacers * kRaces == 100'000, "as many races");

// What a broker and its readers make of the effects: which alerts are active, and what is retained.
class Witness final : public effects::Sink {
 public:
  void Append(const effects::Effect& effect) override {
    if (effect.kind != effects::EffectKind::kAlert) return;
    const std::lock_guard lock(mutex_);
    const std::string twin(effect.twin);
    if (effect.is_retained) {
      if (effect.payload.empty()) {
        retained_[twin].erase(std::string(effect.topic));
      } else {
        retained_[twin].insert(std::string(effect.topic));
      }
    }
    if (effect.payload.empty()) return;
    const auto alert = nlohmann::json::parse(effect.payload);
    const std::string id = alert["id"];
    const std::string status = alert["status"];
    std::set<std::string>& active = active_[twin];
    if (status.starts_with("active")) {
      active.insert(id);
      if (active.size() > 1) wrong_.push_back(twin + ": two are active");
    } else if (active.erase(id) == 0 && status == "cleared_unacked") {
      wrong_.push_back(twin + ": cleared and not active: " + id);
    }
    last_[twin] = id;
  }
  void Flush() noexcept override {}

  // What was never to be; and, between rounds, what is.
  std::vector<std::string> wrong() {
    const std::lock_guard lock(mutex_);
    return wrong_;
  }
  std::string LastOf(const std::string& twin) {
    const std::lock_guard lock(mutex_);
    return last_[twin];
  }
  bool IsActive(const std::string& twin) {
    const std::lock_guard lock(mutex_);
    return !active_[twin].empty();
  }
  size_t RetainedOf(const std::string& twin) {
    const std::lock_guard lock(mutex_);
    return retained_[twin].size();
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::set<std::string>> active_;    // ids by twin
  std::map<std::string, std::set<std::string>> retained_;  // topics by twin
  std::map<std::string, std::string> last_;                // the alert that was last spoken of
  std::vector<std::string> wrong_;
};

class AlertRaceTest : public ::testing::Test {
 protected:
  AlertRaceTest() {
    sequencer_.emplace(1, clock_, shards_.inboxes());
    shards_.Start(*sequencer_);
    shards_.SetTiming(true);
  }
  void TearDown() override {
    shards_.SetTiming(false);
    shards_.DrainAndStop();
  }

  static std::string NameOf(size_t twin) { return "device-" + std::to_string(twin); }
  void Append(journal::Record record) {
    while (sequencer_->Append({&record, 1}) == journal::Sequencer::Outcome::kFull)
      sequencer_->WaitForRoom(std::chrono::milliseconds(1));
  }
  void Order(size_t twin, std::string_view words) {
    const std::string id = NameOf(twin);
    const std::string json = fmt::format(R"({{"order": "{}"}})", words);
    Append({.key_hash = HashKey("probe", id), .id = id, .payload = json});
    ++ordered_;
  }
  // As a person does who has read what was sent last.
  void Acknowledge(size_t twin) {
    const auto alert = ParseEffectId('a', witness_.LastOf(NameOf(twin)));
    const auto owner = alert ? shards_.FindAlert(*alert) : std::nullopt;
    if (!owner) return;
    const std::string payload = EncodeAck({*alert, {"anna", ""}});
    Append({.kind = journal::RecordKind::kAlertAcknowledged,
            .key_hash = owner->key_hash,
            .id = owner->id,
            .payload = payload});
  }
  void AwaitAll(uint64_t timers) {
    const auto sum = [&](auto counter) {
      uint64_t all = 0;
      for (size_t i = 0; i < shards_.size(); ++i)
        all += (shards_[i].engine().stats(0).*counter).value();
      return all;
    };
    while (sum(&ModelStats::applied) < ordered_ || sum(&ModelStats::timers_fired) < timers)
      std::this_thread::yield();
    // Asked of the shards' threads, so answered once they are done with the last record.
    shards_.Scan(0, [](uint32_t, Engine&, Twin&) {});
  }

  ProbeWorld probes_;
  Witness witness_;
  ManualClock clock_{kStart};
  // Holds a round: timers that found it full would be due a millisecond later, and this clock
  // stands.
  ShardSet shards_{probes_.world, witness_, 2, 4 * 1'024 * 1'024};
  std::optional<journal::Sequencer> sequencer_;
  uint64_t ordered_ = 0;
};

TEST_F(AlertRaceTest, NeverAreTwoActiveNorOneThatCannotBeCleared) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  constexpr const char* kTimers[] = {"at_once", "hush"};
  constexpr const char* kMessages[] = {"raise", "clear", "minor", "clear raise", "raise clear"};
  uint64_t timers = 0;
  size_t raised_by_timer_first = 0;  // and cleared by the message behind it
  size_t cleared_by_message_first = 0;
  for (size_t round = 0; round < kRaces; ++round) {
    std::vector<bool> is_told(kRacers);
    for (size_t twin = 0; twin < kRacers; ++twin) {
      const char* const timer = kTimers[random() % std::size(kTimers)];
      Order(twin, timer);
      is_told[twin] = std::string_view(timer) == "at_once";
    }
    AwaitAll(timers);
    timers += kRacers;
    // From here on all timers are due, and every message has the same millisecond.
    clock_.Advance(std::chrono::milliseconds(1));
    for (size_t twin = 0; twin < kRacers; ++twin) {
      const char* const message = kMessages[random() % std::size(kMessages)];
      is_told[twin] = is_told[twin] && std::string_view(message) == "clear";
      Order(twin, message);
      if (random() % 4 == 0) Acknowledge(twin);
    }
    AwaitAll(timers);
    for (size_t twin = 0; twin < kRacers; ++twin) {
      const bool is_active = witness_.IsActive(NameOf(twin));
      ASSERT_EQ(witness_.RetainedOf(NameOf(twin)), is_active ? 1u : 0u) << NameOf(twin);
      if (is_told[twin]) ++(is_active ? cleared_by_message_first : raised_by_timer_first);
    }
    ASSERT_EQ(witness_.wrong(), std::vector<std::string>());
  }
  EXPECT_GT(raised_by_timer_first, 0u) << "no race was lost by the message";
  EXPECT_GT(cleared_by_message_first, 0u) << "nor won by it";
  for (size_t twin = 0; twin < kRacers; ++twin) Order(twin, "clear");
  AwaitAll(timers);
  for (size_t twin = 0; twin < kRacers; ++twin) {
    const auto copy = shards_.Get(0, NameOf(twin));
    ASSERT_TRUE(copy);
    for (const Alert& alert : copy->alerts) EXPECT_FALSE(alert.is_active()) << NameOf(twin);
    EXPECT_EQ(witness_.RetainedOf(NameOf(twin)), 0u) << NameOf(twin);
    EXPECT_LE(copy->alerts.size(), 1u) << NameOf(twin);
  }
  EXPECT_EQ(witness_.wrong(), std::vector<std::string>());
}

}  // namespace
}  // namespace gemel::twin
