#include "gateway/twin/shard.h"

#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <latch>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "gateway/journal/journal.h"
#include "tests/support/temp_dir.h"
#include "tests/twin/lab.h"

namespace gemel::twin {
namespace {

class ShardTest : public ::testing::Test {
 public:
  ~ShardTest() override { shard_.DrainAndStop(); }  // before the sequencer goes

 protected:
  void Start() { shard_.Start(sequencer_); }
  void Append(std::string_view id, std::string_view json) {
    journal::Record record{.key_hash = HashKey("probe", id), .id = id, .payload = json};
    while (sequencer_.Append({&record, 1}) == journal::Sequencer::Outcome::kFull) {
      sequencer_.WaitForRoom(std::chrono::milliseconds(10));
    }
  }
  uint64_t applied() const { return shard_.engine().stats(0).applied.value(); }

  ProbeWorld probes_;
  KeptSink sink_;
  ManualClock clock_{kStart};
  Shard shard_{0, probes_.world, sink_, 4'096};
  journal::Sequencer sequencer_{1, clock_, {shard_.inbox()}};
};

TEST_F(ShardTest, WhatIsInTheMailboxIsAppliedBeforeItEnds) {
  for (int i = 0; i < 10; ++i) Append("x", "{}");
  EXPECT_EQ(applied(), 0u) << "it was not started";
  Start();
  shard_.DrainAndStop();
  EXPECT_EQ(applied(), 10u);
}

TEST_F(ShardTest, ASmallMailboxGivesItsSpaceBack) {
  Start();
  for (int i = 0; i < 2'000; ++i) Append("x", R"({"a": 1, "b": 2})");
  shard_.DrainAndStop();
  EXPECT_EQ(applied(), 2'000u);
  EXPECT_EQ(shard_.bytes_waiting(), 0u);
}

TEST_F(ShardTest, RequestsAreAnsweredInTheirOrder) {
  std::vector<int> order;
  std::latch done(10);
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(shard_.Ask([&, i](Engine&) {
      order.push_back(i);
      done.count_down();
      return true;
    }));
  }
  Start();
  done.wait();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

TEST_F(ShardTest, MessagesAreAppliedBetweenTheSlicesOfARequest) {
  Start();
  std::latch began(1);
  std::latch ended(1);
  bool has_begun = false;
  // Ends only because the message is applied while it is under way.
  shard_.Ask([&](Engine& engine) {
    if (!has_begun) began.count_down();
    has_begun = true;
    if (engine.stats(0).applied.value() == 0) return false;
    ended.count_down();
    return true;
  });
  began.wait();
  Append("x", "{}");
  ended.wait();
  EXPECT_EQ(applied(), 1u);
}

TEST_F(ShardTest, ARequestUnderWayIsFinishedBeforeTheShardEnds) {
  int slices = 0;
  shard_.Ask([&](Engine&) { return ++slices == 1'000; });
  Start();
  shard_.DrainAndStop();
  EXPECT_EQ(slices, 1'000);
}

TEST_F(ShardTest, AfterItHasEndedItTakesNoRequest) {
  Start();
  shard_.DrainAndStop();
  EXPECT_FALSE(shard_.Ask([](Engine&) { return true; }));
}

// Asks the shard until it says so: each look is a turn of it.
bool Becomes(Shard& shard, const std::function<bool(const Engine&)>& is_so) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  bool is_found = false;
  while (!is_found && std::chrono::steady_clock::now() < end) {
    std::latch done(1);
    shard.Ask([&](const Engine& engine) {
      is_found = is_so(engine);
      done.count_down();
      return true;
    });
    done.wait();
  }
  return is_found;
}

TEST_F(ShardTest, TimersFireByTheClockOnceTheyMay) {
  Start();
  Append("x", R"({"order": "alarm tick"})");
  clock_.Advance(std::chrono::minutes(1));
  const auto fired = [](uint64_t times) {
    return [times](const Engine& engine) { return engine.stats(0).timers_fired.value() == times; };
  };
  ASSERT_TRUE(Becomes(shard_, [](const Engine& engine) { return engine.timers().size() == 2; }));
  EXPECT_TRUE(Becomes(shard_, fired(0))) << "a replay has its own";
  shard_.SetTiming(true);
  EXPECT_TRUE(Becomes(shard_, fired(2)));
  clock_.Advance(std::chrono::seconds(5));
  EXPECT_TRUE(Becomes(shard_, fired(3)));
  shard_.SetTiming(false);
  clock_.Advance(std::chrono::seconds(5));
  EXPECT_TRUE(Becomes(shard_, fired(3)));
}

// Goes on whenever it is looked at.
class RunningClock final : public Clock {
 public:
  Time Now() const override {
    now_us_ += 500;
    return kStart + Duration(now_us_.load());
  }
  std::chrono::nanoseconds Steady() const override { return Now() - kStart; }

 private:
  mutable std::atomic<int64_t> now_us_{0};
};

TEST(ShardTimerTest, ATimerThatIsArmedWhileTheShardSleepsWakesIt) {
  ProbeWorld probes;
  KeptSink sink;
  const RunningClock clock;
  Shard shard(0, probes.world, sink, 4'096);
  journal::Sequencer sequencer(1, clock, {shard.inbox()});
  shard.Start(sequencer);
  shard.SetTiming(true);
  for (uint64_t i = 1; i <= 50; ++i) {
    // Applied by this thread while the shard's sleeps, for there is nothing due.
    const std::string json = R"({"order": "at_once"})";
    journal::Record record{.key_hash = HashKey("probe", "x"), .id = "x", .payload = json};
    ASSERT_EQ(sequencer.Append({&record, 1}, journal::Sequencer::By::kCaller),
              journal::Sequencer::Outcome::kAppended);
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    const Counter& fired = shard.engine().stats(0).timers_fired;
    while (fired.value() < i && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    ASSERT_EQ(fired.value(), i);
  }
  shard.SetTiming(false);
  shard.DrainAndStop();
}

// Tells which thread decided each effect, a dead letter, and may take its time over it.
class WatchedSink final : public effects::Sink {
 public:
  void Append(const effects::Effect&) override {
    const auto until = std::chrono::steady_clock::now() + slowness;
    ++(std::this_thread::get_id() == appender ? by_appender : by_shard);
    ++guarded_by_turn;
    while (std::chrono::steady_clock::now() < until) continue;
  }
  void Flush() noexcept override {}
  uint64_t all() const { return by_appender + by_shard; }

  const std::thread::id appender = std::this_thread::get_id();
  std::chrono::microseconds slowness{0};
  std::atomic<uint64_t> by_appender{0};
  std::atomic<uint64_t> by_shard{0};
  uint64_t guarded_by_turn = 0;  // with nothing else, so that two turns at a time would show
};

class TurnTest : public ::testing::Test {
 public:
  ~TurnTest() override { shard_.DrainAndStop(); }

 protected:
  void AppendOne(std::string_view id) {
    journal::Record record{
        .key_hash = HashKey("probe", id), .id = id, .payload = R"({"order": "throw"})"};
    while (sequencer_.Append({&record, 1}, journal::Sequencer::By::kCaller) ==
           journal::Sequencer::Outcome::kFull)
      sequencer_.WaitForRoom(std::chrono::milliseconds(10));
  }

  ProbeWorld probes_;
  WatchedSink sink_;
  ManualClock clock_{kStart};
  Shard shard_{0, probes_.world, sink_, 4'096};
  journal::Sequencer sequencer_{1, clock_, {shard_.inbox()}};
};

TEST_F(TurnTest, ARecordForAShardThatSleepsIsAppliedByWhoAppendsIt) {
  shard_.Start(sequencer_);
  // The shard's thread takes some while to lie down.
  uint64_t appended = 0;
  while (sink_.by_appender == 0) {
    AppendOne("x");
    ++appended;
    while (sink_.all() < appended) std::this_thread::yield();
  }
  shard_.DrainAndStop();
  EXPECT_EQ(sink_.all(), appended);
}

TEST_F(TurnTest, SlowTurnsAreLeftToTheShard) {
  sink_.slowness = std::chrono::microseconds(400);
  shard_.Start(sequencer_);
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 200; ++i) AppendOne("x");
  const auto took = std::chrono::steady_clock::now() - began;
  shard_.DrainAndStop();
  EXPECT_EQ(sink_.all(), 200u);
  // Of each turn 200 us count. An eighth of the time is fair, the first turn is free, and six are
  // borrowed before there are none for 100 ms.
  const auto fair = static_cast<uint64_t>(took / 8 / std::chrono::microseconds(200));
  const auto pauses = static_cast<uint64_t>(took / std::chrono::milliseconds(100));
  EXPECT_LE(sink_.by_appender, fair + (pauses + 1) * 8);
}

TEST_F(TurnTest, TurnsOfSeveralThreadsAndRequestsNeverMeet) {
  shard_.Start(sequencer_);
  constexpr uint64_t kEach = 5'000;
  std::atomic<int> at_work{3};
  std::vector<std::thread> appenders;
  for (const char* id : {"x", "y", "z"}) {
    appenders.emplace_back([this, id, &at_work] {
      for (uint64_t i = 0; i < kEach; ++i) AppendOne(id);
      --at_work;
    });
  }
  uint64_t slices = 0;
  while (at_work > 0) {
    std::latch ended(1);
    shard_.Ask([&](Engine&) {
      ++sink_.guarded_by_turn;
      ended.count_down();
      return true;
    });
    ended.wait();
    ++slices;
  }
  for (std::thread& appender : appenders) appender.join();
  shard_.DrainAndStop();
  EXPECT_EQ(sink_.all(), 3 * kEach);
  EXPECT_EQ(sink_.guarded_by_turn, 3 * kEach + slices);
}

// A shard with a small mailbox behind a journal.
class JournaledShardTest : public ShardTest {
 public:
  ~JournaledShardTest() override { shard_.DrainAndStop(); }  // before the journal goes

 protected:
  void Open(uint64_t segment_bytes = 64 * 1'024) {
    Result<std::unique_ptr<journal::Journal>> journal = journal::Journal::Open(
        {.folder = folder_.path(), .segment_bytes = segment_bytes, .sync_every = {}}, {});
    ASSERT_TRUE(journal.ok()) << journal.status().message();
    journal_ = *std::move(journal);
    journal::Catalog catalog{
        .models = {{.name = "probe", .fields = {}}}, .routes = {}, .symbols = &probes_.symbols};
    for (const Route& route : probes_.world.routes) catalog.routes.push_back(route.name);
    sequencer_.Attach(*journal_, std::move(catalog), kNoTime);
  }
  // Messages that each raise an alert of their own twin, so that the effects tell their order.
  void Append(int first, int last, size_t padding = 0) {
    for (int i = first; i <= last; ++i) {
      ShardTest::Append("x" + std::to_string(i),
                        R"({"order": "raise"})" + std::string(padding, ' '));
      was_behind_ = was_behind_ || sequencer_.IsBehind(0);
    }
  }
  // That the first `count` records were applied, each once and in order.
  void ExpectApplied(uint64_t count) {
    EXPECT_EQ(applied(), count);
    const std::vector<Kept> kept = sink_.Take();
    ASSERT_EQ(kept.size(), count);
    for (uint64_t i = 0; i < count; ++i) ASSERT_EQ(kept[i].id, (EffectId{MakeLsn(1, i + 1), 0}));
    EXPECT_EQ(sequencer_.lag(), 0u);
  }

  support::TempDir folder_;
  std::unique_ptr<journal::Journal> journal_;
  bool was_behind_ = false;
};

TEST_F(JournaledShardTest, WhatTheMailboxHasNoRoomForIsReadFromTheJournal) {
  Open();
  Append(1, 1'000);  // through several segments
  EXPECT_TRUE(was_behind_);
  Start();
  shard_.DrainAndStop();
  ExpectApplied(1'000);
  EXPECT_FALSE(sequencer_.IsBehind(0));
}

TEST_F(JournaledShardTest, FallingBehindAndCatchingUpWhileRecordsComeItAppliesEachOnceAndInOrder) {
  Open();
  Append(1, 200);
  Start();
  Append(201, 10'000);
  shard_.DrainAndStop();
  EXPECT_TRUE(was_behind_);
  ExpectApplied(10'000);
}

TEST_F(JournaledShardTest, ItFallsBehindAgainAndAgain) {
  Open();
  Start();
  int appended = 0;
  std::deque<std::latch> latches;  // they outlive the slices
  for (int round = 0; round < 50; ++round) {
    // Held while it is fed, so that its mailbox is full, then waited for.
    std::latch& held = latches.emplace_back(1);
    std::latch& fed = latches.emplace_back(1);
    shard_.Ask([&](Engine&) {
      held.count_down();
      fed.wait();
      return true;
    });
    held.wait();
    was_behind_ = false;
    Append(appended + 1, appended + 60);
    appended += 60;
    EXPECT_TRUE(was_behind_);
    fed.count_down();
    while (sequencer_.lag() > 0 || sequencer_.IsBehind(0)) std::this_thread::yield();
  }
  shard_.DrainAndStop();
  ExpectApplied(3'000);
}

TEST_F(JournaledShardTest, ARecordThatNoMailboxCanHoldIsAppliedInItsTurn) {
  Open();
  Start();
  for (int i = 1; i <= 300; ++i) Append(i, i, i % 10 == 0 ? 10'000 : 0);
  shard_.DrainAndStop();
  EXPECT_TRUE(was_behind_);
  ExpectApplied(300);
}

TEST_F(JournaledShardTest, MessagesOfSeveralReadingsKeepTheirOrder) {
  Open();
  Start();
  constexpr int kItems = 7;
  for (int i = 0; i < 3'000; i += kItems) {
    std::array<std::string, kItems> ids;
    std::array<journal::Record, kItems> records;
    for (size_t item = 0; item < kItems; ++item) {
      ids[item] = "x" + std::to_string(i) + "-" + std::to_string(item);
      records[item] = {.key_hash = HashKey("probe", ids[item]),
                       .id = ids[item],
                       .payload = R"({"order": "raise"})"};
    }
    while (sequencer_.Append(records) == journal::Sequencer::Outcome::kFull) {
      sequencer_.WaitForRoom(std::chrono::milliseconds(10));
    }
  }
  shard_.DrainAndStop();
  ExpectApplied(3'003);
}

TEST_F(JournaledShardTest, RequestsAreAnsweredWhileItIsBehind) {
  Open();
  Append(1, 1'000);
  std::vector<uint64_t> seen;
  shard_.Ask([&](Engine& engine) {
    seen.push_back(engine.stats(0).applied.value());
    return seen.back() == 1'000;
  });
  Start();
  shard_.DrainAndStop();
  ASSERT_GT(seen.size(), 10u) << "a slice between every few frames";
  EXPECT_LT(seen.front(), 100u);
}

TEST_F(JournaledShardTest, OtherShardsRecordsAreNotItsToApply) {
  Shard other(1, probes_.world, sink_, 4'096);
  Shard one(0, probes_.world, sink_, 4'096);
  journal::Sequencer sequencer(1, clock_, {one.inbox(), other.inbox()});
  Open();
  journal::Catalog catalog{
      .models = {{.name = "probe", .fields = {}}}, .routes = {"lab"}, .symbols = &probes_.symbols};
  sequencer.Attach(*journal_, std::move(catalog), kNoTime);
  uint64_t of_one = 0;
  for (int i = 0; i < 1'000; ++i) {
    const std::string id = "x" + std::to_string(i);
    journal::Record record{.key_hash = HashKey("probe", id), .id = id, .payload = "{}"};
    of_one += sequencer.ShardOf(record.key_hash) == 0 ? 1U : 0U;
    while (sequencer.Append({&record, 1}) == journal::Sequencer::Outcome::kFull) {
      sequencer.WaitForRoom(std::chrono::milliseconds(10));
    }
  }
  EXPECT_TRUE(sequencer.IsBehind(0) && sequencer.IsBehind(1));
  one.Start(sequencer);
  other.Start(sequencer);
  one.DrainAndStop();
  other.DrainAndStop();
  EXPECT_EQ(one.engine().stats(0).applied.value(), of_one);
  EXPECT_EQ(other.engine().stats(0).applied.value(), 1'000 - of_one);
  EXPECT_EQ(sequencer.lag(), 0u);
}

}  // namespace
}  // namespace gemel::twin
