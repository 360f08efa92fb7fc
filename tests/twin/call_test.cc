#include "gateway/twin/call.h"

#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "gateway/base/limits.h"
#include "gateway/sdk/arguments.hpp"
#include "tests/twin/lab.h"

namespace gemel::twin {
namespace {

class CallTest : public ::testing::Test {
 protected:
  CallTest() { Begin(); }
  void Begin() { call_.Begin(subject_); }
  const gemel_host& host() { return *call_.context().host; }
  gemel_context* context() { return &call_.context(); }
  int Raise(std::string_view code, uint32_t severity = GEMEL_MAJOR,
            std::string_view message = "hot") {
    return host().raise(context(), severity, ToText(code), ToText(message), nullptr, 0);
  }
  int Clear(std::string_view code) { return host().clear(context(), ToText(code)); }
  int Reply(std::string_view name, int64_t expires_us = 0) {
    return host().reply(context(), ToText(name), nullptr, 0, expires_us);
  }
  bool IsActive(std::string_view code) { return host().is_active(context(), ToText(code)) != 0; }
  std::vector<Intent> Intents() { return {call_.begin(), call_.end()}; }

  ProbeWorld probes_;
  Symbols& symbols_ = probes_.symbols;
  Twin twin_{HashKey("truck", "42"), "42", 0};
  Timers timers_;
  Side& side_ = twin_.MakeSide();
  Call::Subject subject_{.model = &probes_.model(),
                         .twin = &twin_,
                         .timers = &timers_,
                         .lsn = MakeLsn(1, 1),
                         .now = Time{Duration{99}},
                         .can_reply = true};
  Call call_{probes_.world};
};

TEST_F(CallTest, TheModelSeesRecordTimeAndId) {
  EXPECT_EQ(context()->now_us, 99);
  EXPECT_EQ(ToView(context()->id), "42");
  EXPECT_EQ(host().abi_version, GEMEL_ABI_VERSION);
  EXPECT_TRUE(call_.is_empty());
}

TEST_F(CallTest, IntentsAreKeptInOrder) {
  const gemel_argument arguments[] = {Argument("minutes", 30)};
  EXPECT_EQ(host().reply(context(), ToText("rest"), arguments, 1, 5), 0);
  EXPECT_EQ(Raise("hot"), 0);
  EXPECT_EQ(Clear("hot"), 0);
  const auto intents = Intents();
  ASSERT_EQ(intents.size(), 3u);
  EXPECT_EQ(intents[0].kind, Intent::Kind::kReply);
  EXPECT_EQ(intents[0].name, "rest");
  EXPECT_EQ(intents[0].arguments, R"({"minutes":30})");
  EXPECT_EQ(intents[0].after, Duration(5));
  EXPECT_EQ(intents[1].kind, Intent::Kind::kRaise);
  EXPECT_EQ(intents[1].severity, uint32_t{GEMEL_MAJOR});
  EXPECT_EQ(intents[1].message, "hot");
  EXPECT_EQ(intents[2].kind, Intent::Kind::kClear);
}

TEST_F(CallTest, TheNextCallKnowsNothingOfTheLast) {
  Raise("hot");
  host().fail(context(), ToText("no"));
  Begin();
  EXPECT_TRUE(call_.is_empty());
  EXPECT_EQ(call_.failure(), "");
  EXPECT_FALSE(IsActive("hot"));
  Raise("cold", GEMEL_INFO, "");
  EXPECT_EQ(Intents()[0].message, "");
}

TEST_F(CallTest, ActiveIsWhatTheTwinHasAndWhatThisCallChanged) {
  side_.alerts.push_back({.code = "stall"});
  EXPECT_TRUE(IsActive("stall"));
  EXPECT_FALSE(IsActive("hot"));
  Clear("stall");
  EXPECT_FALSE(IsActive("stall"));
  Raise("hot");
  EXPECT_TRUE(IsActive("hot"));
  Clear("hot");
  Raise("hot");
  EXPECT_TRUE(IsActive("hot"));
}

TEST_F(CallTest, ClearingWhatIsNotActiveIsNoIntent) {
  EXPECT_EQ(Clear("hot"), 0);
  EXPECT_EQ(Clear("No Code At All"), 0);
  EXPECT_TRUE(call_.is_empty());
}

TEST_F(CallTest, ACommandOfTheSameNameIsNoAlert) {
  Reply("hot");
  EXPECT_FALSE(IsActive("hot"));
}

TEST_F(CallTest, NamesThatCantBeATopicLevelAreRefused) {
  for (const char* name : {"", "Hot", "a/b", "a b", "+", "#", "h\xc3\xb6t", "a-b"}) {
    Begin();
    EXPECT_NE(Raise(name), 0) << name;
    EXPECT_NE(call_.failure().find("must match [a-z0-9_]+"), std::string::npos) << name;
    Begin();
    EXPECT_NE(Reply(name), 0) << name;
  }
  Begin();
  EXPECT_NE(Raise(std::string(kFieldNameBytesMax + 1, 'a')), 0);
}

TEST_F(CallTest, WhatTheHostCantDoIsRefusedWithTheReason) {
  EXPECT_NE(Raise("hot", 0), 0);
  EXPECT_EQ(call_.failure(), "raise: severity 0 does not exist");
  Begin();
  EXPECT_NE(Raise("hot", 6), 0);
  Begin();
  EXPECT_NE(Reply("rest", -1), 0);
  EXPECT_EQ(call_.failure(), "reply: a command can't expire before it is sent");
}

TEST_F(CallTest, AReplyWithoutACommandTopicIsCountedAndNoFailure) {
  subject_.can_reply = false;
  Begin();
  EXPECT_EQ(Reply("rest"), 0);
  EXPECT_EQ(call_.failure(), "");
  EXPECT_TRUE(call_.is_empty());
  EXPECT_EQ(call_.unroutable_replies(), 1u);
  Begin();
  EXPECT_EQ(call_.unroutable_replies(), 0u);
}

TEST_F(CallTest, TheFirstReasonIsTheOneThatIsTold) {
  host().fail(context(), ToText("first"));
  host().fail(context(), ToText("second"));
  EXPECT_EQ(call_.failure(), "first");
}

TEST_F(CallTest, ArgumentsBeyondTheBoundAreRefused) {
  const std::string text(kCommandBytesMax, 'x');
  const gemel_argument arguments[] = {Argument("text", std::string_view(text))};
  EXPECT_NE(host().reply(context(), ToText("rest"), arguments, 1, 0), 0);
  EXPECT_NE(call_.failure().find("65536 bytes of arguments"), std::string::npos);
  Begin();
  EXPECT_NE(host().raise(context(), GEMEL_INFO, ToText("hot"), ToText("x"), arguments, 1), 0);
}

TEST_F(CallTest, EffectsOfOneRecordAreBounded) {
  for (size_t i = 0; i < kEffectsPerRecordMax; ++i) EXPECT_EQ(Reply("rest"), 0);
  EXPECT_NE(Reply("rest"), 0);
  EXPECT_EQ(call_.failure(), "more than 64 effects of one record");
}

TEST_F(CallTest, AnAlertsMessageIsCutAtACharacter) {
  std::string text = "x";
  while (text.size() < 2 * kAlertMessageBytesMax) text += "\u20ac";
  Raise("hot", GEMEL_INFO, text);
  const std::string message = Intents()[0].message;
  EXPECT_EQ(message, text.substr(0, 1 + 3 * ((kAlertMessageBytesMax - 1) / 3)));
  host().fail(context(), ToText(text));
  EXPECT_EQ(call_.failure(), message);
}

TEST_F(CallTest, RandomnessIsTheSameForTheSameTwinAndRecord) {
  const auto draw = [&](std::string_view id, uint64_t counter) {
    const Twin twin(HashKey("truck", id), id, 0);
    subject_.twin = &twin;
    subject_.lsn = MakeLsn(1, counter);
    Begin();
    std::vector<uint64_t> numbers(4);
    for (uint64_t& number : numbers) number = host().random(context());
    return numbers;
  };
  const auto first = draw("42", 1);
  EXPECT_EQ(std::set<uint64_t>(first.begin(), first.end()).size(), 4u);
  EXPECT_EQ(draw("42", 1), first);
  std::set<uint64_t> all;
  for (uint64_t counter = 1; counter <= 100; ++counter) {
    for (const char* id : {"42", "43", "44"}) {
      for (const uint64_t number : draw(id, counter)) all.insert(number);
    }
  }
  EXPECT_EQ(all.size(), 1'200u);
}

TEST_F(CallTest, TextsOfSymbols) {
  const Symbol van = *symbols_.Intern("van");
  EXPECT_EQ(ToView(host().symbol_text(context(), van.number)), "van");
  EXPECT_EQ(ToView(host().symbol_text(context(), 0)), "");
  EXPECT_EQ(ToView(host().symbol_text(context(), 99)), "");
}

}  // namespace
}  // namespace gemel::twin
