#include "gateway/twin/command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/base/limits.h"

namespace gemel::twin {
namespace {

using testing::HasSubstr;

std::string Refusal(std::string_view json) {
  const auto reply = ReadCommandReply(json);
  return reply.ok() ? "" : reply.status().message();
}

TEST(CommandReplyTest, IsReadAsTheContractHasIt) {
  const auto done = ReadCommandReply(R"({"id":"c-1a2b-3","status":"successful","battery":0.7})");
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(done->command, (EffectId{0x1a2b, 3}));
  EXPECT_TRUE(done->is_successful);
  const auto failed = ReadCommandReply(R"({"id":"c-1-0","status":"failed","reason":"jam"})");
  ASSERT_TRUE(failed.ok());
  EXPECT_FALSE(failed->is_successful);
  EXPECT_EQ(failed->reason, "jam");
}

TEST(CommandReplyTest, SaysWhatIsWrong) {
  EXPECT_THAT(Refusal("x"), HasSubstr("no JSON object"));
  EXPECT_THAT(Refusal("[]"), HasSubstr("no JSON object"));
  EXPECT_THAT(Refusal(R"({"status":"failed"})"), HasSubstr("id: no text"));
  EXPECT_THAT(Refusal(R"({"id":7,"status":"failed"})"), HasSubstr("id: no text"));
  EXPECT_THAT(Refusal(R"({"id":"a-1-0","status":"failed"})"), HasSubstr("no command's id"));
  EXPECT_THAT(Refusal(R"({"id":"c-1-0"})"), HasSubstr("status: no text"));
  EXPECT_THAT(Refusal(R"({"id":"c-1-0","status":["failed"]})"), HasSubstr("status: no text"));
  EXPECT_THAT(Refusal(R"({"id":"c-1-0","status":"done"})"), HasSubstr("done"));
  EXPECT_THAT(Refusal(R"({"id":"c-1-0","status":"failed","reason":5})"),
              HasSubstr("reason: no text"));
}

// Whoever copies or writes it goes down by recursion.
TEST(CommandReplyTest, WhatIsNestedForEverIsRefused) {
  const std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  EXPECT_THAT(Refusal(R"({"id":"c-1-0","status":)" + deep + "}"), HasSubstr("levels"));
  EXPECT_THAT(Refusal(R"({"id":"c-1-0","status":"failed","more":)" + deep + "}"),
              HasSubstr("levels"));
  EXPECT_THAT(ReadOrder(R"({"name":"rest","args":{"a":)" + deep + "}}").status().message(),
              HasSubstr("levels"));
  EXPECT_TRUE(ReadOrder(R"({"name":"rest","args":{"a":[[[1]]]}})").ok());
}

TEST(CommandReplyTest, ALongReasonIsCutBetweenCharacters) {
  std::string reason(kCommandReasonBytesMax - 1, 'x');
  const auto reply =
      ReadCommandReply(R"({"id":"c-1-0","status":"failed","reason":")" + reason + "\u20ac\"}");
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(reply->reason, reason);
}

TEST(CommandReplyTest, IsWrittenAsItIsRead) {
  const CommandReply reply{{0xabc, 7}, false, "a \"quoted\"\nreason"};
  const auto read = ReadCommandReply(EncodeCommandReply(reply));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->command, reply.command);
  EXPECT_EQ(read->is_successful, reply.is_successful);
  EXPECT_EQ(read->reason, reply.reason);
}

TEST(CommandStatusTest, IsNamedBothWays) {
  for (size_t i = 0; i < kCommandStatuses; ++i) {
    const auto status = static_cast<CommandStatus>(i);
    EXPECT_EQ(CommandStatusNamed(CommandStatusName(status)), status);
  }
  EXPECT_EQ(CommandStatusNamed("done"), std::nullopt);
}

}  // namespace
}  // namespace gemel::twin
