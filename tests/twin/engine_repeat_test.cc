#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "tests/twin/lab.h"

namespace gemel::twin {
namespace {

using journal::RepeatKey;

// A message with something by which a repeat is recognised.
struct Keyed {
  uint64_t key = 0;
  std::string_view json = "{}";
  RepeatKey repeat = RepeatKey::kMessageId;
  uint32_t item = 0;
  uint16_t route = kNewest;
  std::string_view id = "x";
  std::optional<int> at;  // none: as the record
};

class EngineRepeatTest : public ::testing::Test {
 protected:
  EngineRepeatTest() {
    for (Route& route : lab_.probes.world.routes) route.repeat_window = kWindow;
  }

  void Say(const Keyed& said) {
    journal::Record record{.lsn = MakeLsn(1, static_cast<uint64_t>(++lab_.records)),
                           .route = said.route,
                           .repeat = said.repeat,
                           .item = said.item,
                           .key_hash = HashKey("probe", said.id),
                           .record_time = lab_.now(),
                           .repeat_key = said.key,
                           .id = said.id,
                           .payload = said.json};
    if (said.at) record.event_time = kStart + std::chrono::seconds(*said.at);
    const std::vector<uint64_t> bytes = Encoded(record);
    lab_.engine.Apply(journal::RecordView(std::as_bytes(std::span(bytes))));
  }
  uint64_t applied() const { return lab_.stats().applied.value(); }
  uint64_t repeated() const { return lab_.stats().repeated.value(); }

  static constexpr uint32_t kWindow = 4;
  Lab lab_;
};

TEST_F(EngineRepeatTest, ARepeatIsCountedAndChangesAndSendsNothing) {
  for (const RepeatKey repeat : {RepeatKey::kMessageId, RepeatKey::kSequence}) {
    const uint16_t route = repeat == RepeatKey::kSequence ? kMute : kNewest;
    Say({.key = 7, .json = R"({"a": 1, "order": "raise"})", .repeat = repeat, .route = route});
    const std::string calls = lab_.Field("x", "calls");
    const Time last = lab_.Find("x")->last_telemetry;
    lab_.Take();
    const uint64_t before = repeated();
    Say({.key = 7,
         .json = R"({"a": 2, "order": "minor clear"})",
         .repeat = repeat,
         .route = route});
    EXPECT_EQ(repeated(), before + 1);
    EXPECT_EQ(lab_.Field("x", "a"), "1");
    EXPECT_EQ(lab_.Field("x", "calls"), calls) << "the model is not called";
    EXPECT_EQ(lab_.Find("x")->last_telemetry, last);
    EXPECT_EQ(lab_.Find("x")->side()->alerts.size(), 1u);
    EXPECT_TRUE(lab_.Take().empty());
  }
  EXPECT_EQ(applied(), 2u);
}

TEST_F(EngineRepeatTest, ARepeatIsWithinTwinAndRoute) {
  Say({.key = 7});
  Say({.key = 7, .route = kMute});
  Say({.key = 7, .id = "y"});
  EXPECT_EQ(repeated(), 0u);
  Say({.key = 7, .route = kMute});
  Say({.key = 7, .id = "y"});
  Say({.key = 7});
  EXPECT_EQ(repeated(), 3u);
  EXPECT_EQ(applied(), 3u);
}

TEST_F(EngineRepeatTest, ItemsOfOneMessageAreDifferentAndEachIsARepeatByItself) {
  for (uint32_t item = 0; item < kWindow; ++item) Say({.key = 7, .item = item});
  EXPECT_EQ(repeated(), 0u);
  for (uint32_t item = 0; item < kWindow; ++item) Say({.key = 7, .item = item});
  EXPECT_EQ(repeated(), uint64_t{kWindow});
}

TEST_F(EngineRepeatTest, AMessageIdIsForgottenOnceTheWindowHasPassed) {
  for (uint64_t key = 0; key <= kWindow; ++key) Say({.key = key});
  Say({.key = 1});
  EXPECT_EQ(repeated(), 1u);
  Say({.key = 0});
  EXPECT_EQ(repeated(), 1u);
  EXPECT_EQ(applied(), uint64_t{kWindow} + 2);
}

TEST_F(EngineRepeatTest, ASequenceThatBeginsAnewIsNoRepeat) {
  for (uint64_t number = 1'000; number < 1'010; ++number)
    Say({.key = number, .repeat = RepeatKey::kSequence});
  for (uint64_t number = 1; number < 10; ++number)
    Say({.key = number, .repeat = RepeatKey::kSequence});
  EXPECT_EQ(repeated(), 0u);
  Say({.key = 9, .repeat = RepeatKey::kSequence});
  EXPECT_EQ(repeated(), 1u);
}

TEST_F(EngineRepeatTest, WithoutAKeyOrAWindowNothingIsARepeat) {
  Say({.key = 7, .repeat = RepeatKey::kNone});
  Say({.key = 7, .repeat = RepeatKey::kNone});
  lab_.probes.world.routes[kNewest].repeat_window = 0;
  Say({.key = 7});
  Say({.key = 7});
  EXPECT_EQ(repeated(), 0u);
  EXPECT_EQ(applied(), 4u);
  EXPECT_EQ(lab_.Find("x")->side(), nullptr) << "nothing is kept for it";
}

// A model that failed would fail again; the dead letter says so once.
TEST_F(EngineRepeatTest, WhatAModelFailedOnIsARepeatTheSecondTime) {
  Say({.key = 1});
  Say({.key = 2, .json = R"({"order": "throw"})"});
  EXPECT_EQ(lab_.Take().size(), 1u);
  Say({.key = 2, .json = R"({"order": "throw"})"});
  EXPECT_TRUE(lab_.Take().empty());
  EXPECT_EQ(lab_.stats().failed.value(), 1u);
  EXPECT_EQ(repeated(), 1u);
}

TEST_F(EngineRepeatTest, AFirstMessageThatFailedLeavesNothingToRepeat) {
  Say({.key = 1, .json = R"({"order": "throw"})"});
  Say({.key = 1});
  EXPECT_EQ(repeated(), 0u) << "there is no twin that could know it";
  EXPECT_EQ(lab_.Field("x", "calls"), "1");
}

TEST_F(EngineRepeatTest, WhatCantBeReadIsRefusedEachTime) {
  Say({.key = 1, .json = "{"});
  Say({.key = 1, .json = "{"});
  Say({.key = 1});
  EXPECT_EQ(lab_.refused(Refusal::kPayloadInvalid), 2u);
  EXPECT_EQ(repeated(), 0u) << "what was refused was not seen";
}

TEST_F(EngineRepeatTest, ALateMessageThatWasDroppedIsARepeatAndCountedOnce) {
  Say({.key = 1, .route = kDropping, .at = 9});
  Say({.key = 2, .route = kDropping, .at = 5});
  Say({.key = 2, .route = kDropping, .at = 5});
  EXPECT_EQ(lab_.stats().late.value(), 1u);
  EXPECT_EQ(repeated(), 1u);
}

TEST_F(EngineRepeatTest, ADeletedTwinKnowsNothingAnyMore) {
  Say({.key = 1});
  lab_.Delete("x");
  Say({.key = 1});
  EXPECT_EQ(repeated(), 0u);
  EXPECT_EQ(applied(), 2u);
}

}  // namespace
}  // namespace gemel::twin
