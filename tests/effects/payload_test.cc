#include "gateway/effects/payload.h"

#include <gtest/gtest.h>

#include "gateway/base/limits.h"

namespace gemel::effects {
namespace {

constexpr Time kTime{std::chrono::milliseconds{1'700'000'000'123}};

TEST(PayloadTest, ACommandIsAsInTheContract) {
  std::string out;
  WriteCommand({.id = {0x1A2B, 0}, .time = kTime, .name = "rest", .arguments = R"({"minutes":30})"},
               out);
  EXPECT_EQ(out,
            R"({"id":"c-1a2b-0","time_ms":1700000000123,"name":"rest","args":{"minutes":30}})");
  WriteCommand({.id = {1, 2},
                .time = kTime,
                .name = "x",
                .arguments = "{}",
                .expires = kTime + Duration(1'000'000)},
               out);
  EXPECT_EQ(
      out,
      R"({"id":"c-1-2","time_ms":1700000000123,"name":"x","args":{},"expires_ms":1700000001123})");
}

TEST(PayloadTest, AnAlertIsAsInTheContract) {
  std::string out;
  WriteAlert({.id = {0x1A2B, 0},
              .status = AlertStatus::kActiveUnacked,
              .severity = GEMEL_MAJOR,
              .model = "truck",
              .twin = "42",
              .code = "engine_overheat",
              .message = "hot \"engine\"",
              .time = kTime,
              .first = kTime,
              .last = kTime,
              .count = 3,
              .properties = R"({"c":111})"},
             out);
  EXPECT_EQ(
      out,
      R"({"id":"a-1a2b-0","status":"active_unacked","severity":"major","model":"truck","twin":"42",)"
      R"("code":"engine_overheat","message":"hot \"engine\"","time_ms":1700000000123,)"
      R"("first_ms":1700000000123,"last_ms":1700000000123,"count":3,"properties":{"c":111}})");
}

TEST(PayloadTest, ADeadLetterCarriesThePayloadInBase64) {
  std::string out;
  for (const auto& [payload, base64] :
       {std::pair{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}}) {
    WriteDeadLetter({.topic = "a/b", .time = kTime, .payload = payload, .error = "why", .lsn = {}},
                    out);
    EXPECT_EQ(out, std::string(R"({"topic":"a/b","time_ms":1700000000123,"payload_base64":")") +
                       base64 + R"(","error":"why"})");
  }
}

TEST(PayloadTest, ADeadLettersPayloadIsCut) {
  std::string out;
  const std::string payload(kDeadLetterPayloadBytesMax + 1, 'x');
  WriteDeadLetter({.topic = "t", .time = kTime, .payload = payload, .error = "", .lsn = 9}, out);
  EXPECT_LT(out.size(), kDeadLetterPayloadBytesMax * 4 / 3 + 200);
  EXPECT_NE(out.find(R"("lsn":9)"), std::string::npos);
}

}  // namespace
}  // namespace gemel::effects
