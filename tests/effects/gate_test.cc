#include "gateway/effects/gate.h"

#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gemel::effects {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr Time kDecided{seconds{1'000}};

// What came through the gate, as "lsn.ordinal topic payload".
class Through final : public Sink {
 public:
  void Append(const Effect& effect) override {
    effects.push_back(std::to_string(effect.id.lsn) + "." + std::to_string(effect.id.ordinal) +
                      " " + std::string(effect.topic) + " " + std::string(effect.payload));
    lifetimes.push_back(effect.lifetime);
    last = effect;
  }
  void Flush() noexcept override { ++flushes; }

  std::vector<std::string> effects;
  std::vector<Duration> lifetimes;
  Effect last;
  int flushes = 0;
};

class GateTest : public ::testing::Test {
 protected:
  void Append(Lsn lsn, uint32_t ordinal = 0, Duration lifetime = Duration{0}) {
    gate_.Append({.id = {lsn, ordinal},
                  .decided = kDecided,
                  .lifetime = lifetime,
                  .topic = "t",
                  .payload = "p"});
  }
  // Of an effect of two messages the first one, or the second.
  void AppendHalf(Lsn lsn, bool is_first) {
    gate_.Append({.id = {lsn, 0},
                  .kind = EffectKind::kAlert,
                  .has_more = is_first,
                  .decided = kDecided,
                  .topic = is_first ? "first" : "second",
                  .payload = "p"});
  }

  Through through_;
  Gate gate_{through_};
};

TEST_F(GateTest, ClosedItHoldsEverythingBack) {
  Append(1);
  gate_.Flush();
  EXPECT_THAT(through_.effects, IsEmpty());
  EXPECT_EQ(through_.flushes, 0);
}

TEST_F(GateTest, WhatIsForTheHistoryIsNeverHeld) {
  gate_.Append(
      {.id = {4, 0}, .decided = kDecided, .topic = "h", .payload = "p", .webhook = kHistorySink});
  EXPECT_THAT(through_.effects, ElementsAre("4.0 h p"));
  EXPECT_EQ(gate_.Open(kDecided), 0u);
  EXPECT_EQ(through_.effects.size(), 1u);
}

TEST_F(GateTest, OpenedItLetsThroughWhatItHeldInTheOrderOfTheRecords) {
  Append(7);
  Append(2, 0);
  Append(9);
  Append(2, 1);
  Append(MakeLsn(1, 1));
  EXPECT_EQ(gate_.Open(kDecided), 5u);
  EXPECT_THAT(through_.effects, ElementsAre("2.0 t p", "2.1 t p", "7.0 t p", "9.0 t p",
                                            std::to_string(MakeLsn(1, 1)) + ".0 t p"));
  EXPECT_EQ(through_.flushes, 1);
}

// As a command that is sent again, which comes before what its record has decided.
TEST_F(GateTest, OfOneRecordTheOrderIsThatOfTheirComing) {
  Append(2);
  Append(1, 65'536);
  Append(1, 0);
  gate_.Open(kDecided);
  EXPECT_THAT(through_.effects, ElementsAre("1.65536 t p", "1.0 t p", "2.0 t p"));
}

TEST_F(GateTest, WhatIsHeldIsACopy) {
  std::string topic = "topic";
  std::string payload = "payload";
  gate_.Append({.id = {1, 2},
                .kind = EffectKind::kAlert,
                .model = 4,
                .is_retained = true,
                .decided = kDecided,
                .topic = topic,
                .payload = payload});
  topic = payload = "something else";
  gate_.Open(kDecided + hours(1));
  EXPECT_THAT(through_.effects, ElementsAre("1.2 topic payload"));
  EXPECT_EQ(through_.last.kind, EffectKind::kAlert);
  EXPECT_EQ(through_.last.model, 4);
  EXPECT_TRUE(through_.last.is_retained);
  EXPECT_EQ(through_.last.decided, kDecided);
}

TEST_F(GateTest, WhatIsDoneIsDroppedWhetherItComesBeforeOrAfter) {
  Append(1);
  Append(1, 1);
  gate_.MarkDone({1, 0});
  gate_.MarkDone({2, 1});
  Append(2, 0);
  Append(2, 1);
  gate_.MarkDone({99, 0});  // and never comes
  EXPECT_EQ(gate_.Open(kDecided), 2u);
  EXPECT_THAT(through_.effects, ElementsAre("1.1 t p", "2.0 t p"));
}

TEST_F(GateTest, AnEffectOfTwoMessagesIsOne) {
  AppendHalf(1, true);
  AppendHalf(1, false);
  EXPECT_EQ(gate_.Open(kDecided), 1u);
  EXPECT_THAT(through_.effects, ElementsAre("1.0 first p", "1.0 second p"));
}

TEST_F(GateTest, BothMessagesOfWhatIsDoneAreDroppedWheneverItIsSaid) {
  gate_.MarkDone({1, 0});
  AppendHalf(1, true);
  AppendHalf(1, false);
  AppendHalf(2, true);
  gate_.MarkDone({2, 0});
  AppendHalf(2, false);
  AppendHalf(3, true);
  AppendHalf(3, false);
  gate_.MarkDone({3, 0});
  EXPECT_EQ(gate_.Open(kDecided), 0u);
  EXPECT_THAT(through_.effects, IsEmpty());
}

TEST_F(GateTest, EachSinkIsDoneWithAnEffectForItself) {
  const auto append = [this](std::string_view webhook) {
    gate_.Append({.id = {1, 0}, .topic = "t", .payload = webhook, .webhook = webhook});
  };
  gate_.MarkDone({1, 0}, "chat");
  for (const char* webhook : {"", "chat", "pager"}) append(webhook);
  gate_.MarkDone({1, 0});
  gate_.MarkDone({2, 0}, "pager");
  gate_.Restore({.id = {2, 0}, .topic = "t", .payload = "chat", .webhook = "chat"});
  EXPECT_EQ(gate_.Open(kDecided), 2u);
  EXPECT_THAT(through_.effects, ElementsAre("1.0 t pager", "2.0 t chat"));
}

// Saved for one sink, an effect is still decided anew for another.
TEST_F(GateTest, WhatWasRestoredForOneSinkIsNotDecidedTwiceForThatOneOnly) {
  gate_.Restore({.id = {1, 0}, .topic = "t", .payload = "saved", .webhook = "pager"});
  gate_.Append({.id = {1, 0}, .topic = "t", .payload = "decided", .webhook = "pager"});
  gate_.Append({.id = {1, 0}, .topic = "t", .payload = "decided"});
  EXPECT_EQ(gate_.Open(kDecided), 2u);
  EXPECT_THAT(through_.effects, ElementsAre("1.0 t saved", "1.0 t decided"));
}

TEST_F(GateTest, SaidTwiceItIsDoneOnce) {
  Append(1);
  gate_.MarkDone({1, 0});
  gate_.MarkDone({1, 0});
  Append(2);
  EXPECT_EQ(gate_.Open(kDecided), 1u);
}

TEST_F(GateTest, ADeadLetterIsDroppedWhileItIsClosed) {
  const Effect letter{
      .id = {1, 0}, .kind = EffectKind::kDeadLetter, .topic = "dead", .payload = ""};
  gate_.Append(letter);
  EXPECT_EQ(gate_.Open(kDecided), 0u);
  EXPECT_THAT(through_.effects, IsEmpty());
  gate_.Append(letter);
  EXPECT_THAT(through_.effects, ElementsAre("1.0 dead "));
}

TEST_F(GateTest, ALifetimeIsShorterByTheTimeThatHasPassed) {
  Append(1, 0, seconds(30));
  Append(2, 0, seconds(10));
  Append(3, 0, seconds(5));
  Append(4, 0, Duration{0});
  gate_.Open(kDecided + seconds(10));
  EXPECT_THAT(through_.lifetimes, ElementsAre(seconds(20), Duration{1}, Duration{1}, Duration{0}))
      << "what has expired is left to the sender to count; zero is for ever";
}

// Each start restores what the one before had saved of it.
TEST_F(GateTest, ALifetimeIsTheSameHoweverOftenItIsSavedAndRestored) {
  Append(1, 0, seconds(100));
  gate_.Open(kDecided + seconds(30));
  for (const Duration since : {seconds(50), seconds(60)}) {
    Gate next(through_);
    next.Restore({.id = {1, 0},
                  .decided = through_.last.decided,
                  .lifetime = through_.last.lifetime,
                  .topic = "t",
                  .payload = "p"});
    next.Open(kDecided + since);
  }
  EXPECT_THAT(through_.lifetimes, ElementsAre(seconds(70), seconds(50), seconds(40)));
}

TEST_F(GateTest, OnceOpenEverythingPassesAtOnceAndAsItIs) {
  EXPECT_EQ(gate_.Open(kDecided + hours(1)), 0u);
  Append(9, 0, seconds(5));
  Append(3);
  EXPECT_THAT(through_.effects, ElementsAre("9.0 t p", "3.0 t p"));
  EXPECT_THAT(through_.lifetimes, ElementsAre(seconds(5), Duration{0}));
  gate_.Flush();
  EXPECT_EQ(through_.flushes, 2);
}

TEST_F(GateTest, SeveralThreadsAppendWhileAnotherOneSaysWhatIsDone) {
  constexpr uint32_t kEach = 2'000;
  {
    std::vector<std::jthread> threads;
    for (Lsn thread = 1; thread <= 3; ++thread) {
      threads.emplace_back([&, thread] {
        for (uint32_t i = 0; i < kEach; ++i) Append(thread, i);
      });
    }
    threads.emplace_back([&] {
      for (uint32_t i = 0; i < kEach; ++i) {
        for (Lsn thread = 1; thread <= 3; ++thread) {
          if (i % 7 != 0) gate_.MarkDone({thread, i});
        }
      }
    });
  }
  std::vector<std::string> wanted;
  for (Lsn thread = 1; thread <= 3; ++thread) {
    for (uint32_t i = 0; i < kEach; i += 7)
      wanted.push_back(std::to_string(thread) + "." + std::to_string(i) + " t p");
  }
  EXPECT_EQ(gate_.Open(kDecided), wanted.size());
  EXPECT_EQ(through_.effects, wanted);
}

}  // namespace
}  // namespace gemel::effects
