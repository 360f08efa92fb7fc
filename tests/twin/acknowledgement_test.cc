#include "gateway/twin/acknowledgement.h"

#include <string>

#include <gtest/gtest.h>

#include "gateway/base/limits.h"
#include "gateway/sdk/model.h"

namespace gemel::twin {
namespace {

TEST(AcknowledgementTest, ATextIsReadAndComesBackFromARecord) {
  const auto text = ReadAckText(R"({"by": "Anna \"A\"", "comment": "on its way\n"})");
  ASSERT_TRUE(text.ok()) << text.status().message();
  const auto ack = DecodeAck(EncodeAck({{0x1a2b, 3}, *text}));
  ASSERT_TRUE(ack);
  EXPECT_EQ(ack->alert, (EffectId{0x1a2b, 3}));
  EXPECT_EQ(ack->text.by, "Anna \"A\"");
  EXPECT_EQ(ack->text.comment, "on its way\n");
}

TEST(AcknowledgementTest, ACommentMayBeMissing) {
  const auto text = ReadAckText(R"({"by": "anna"})");
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(text->comment, "");
}

TEST(AcknowledgementTest, ASeverityMayBeGiven) {
  const auto text = ReadAckText(R"({"by": "anna", "severity": "major"})");
  ASSERT_TRUE(text.ok()) << text.status().message();
  const auto ack = DecodeAck(EncodeAck({{0x1a2b, 3}, *text}));
  ASSERT_TRUE(ack);
  EXPECT_EQ(ack->text.severity, std::optional<uint32_t>(GEMEL_MAJOR));
  for (const char* wrong : {"7", "null", "\"\"", "\"bad\""}) {
    const auto read = ReadAckText(R"({"by": "anna", "severity": )" + std::string(wrong) + "}");
    EXPECT_FALSE(read.ok()) << wrong;
  }
}

TEST(AcknowledgementTest, WhatIsWrongIsNamed) {
  const auto why = [](const std::string& json) { return ReadAckText(json).status().message(); };
  EXPECT_NE(why("").find("no JSON object"), std::string::npos);
  EXPECT_NE(why("[]").find("no JSON object"), std::string::npos);
  EXPECT_NE(why("{}").find("by: 0 bytes"), std::string::npos);
  EXPECT_NE(why(R"({"by": 7})").find("by: no text"), std::string::npos);
  EXPECT_NE(why(R"({"by": "a", "comment": null})").find("comment: no text"), std::string::npos);
  EXPECT_NE(why(R"({"by": "a", "who": "b"})").find("\"who\": no such member"), std::string::npos);
  EXPECT_NE(why(R"({"by": ")" + std::string(kAckByBytesMax + 1, 'a') + "\"}").find("129 bytes"),
            std::string::npos);
  EXPECT_NE(why(R"({"by": "a", "comment": ")" + std::string(kAckCommentBytesMax + 1, 'a') + "\"}")
                .find("1024 are allowed"),
            std::string::npos);
  EXPECT_FALSE(ReadAckText("{\"by\": \"\xff\"}").ok()) << "not UTF-8";
}

TEST(AcknowledgementTest, WhatIsNoRecordOfOneIsNothing) {
  for (const char* payload : {"", "{}", R"({"alert":"c-1-0","by":"a","comment":""})", "[1]"})
    EXPECT_FALSE(DecodeAck(payload)) << payload;
}

}  // namespace
}  // namespace gemel::twin
