// Bad input of every kind through the real broker: each is counted under its reason, its dead
// letter says what is wrong, and the next good message is applied.

#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/mqtt/paho_publisher.h"
#include "tests/scenario/gateway_process.h"
#include "tests/support/tail.h"

namespace gemel::scenario {
namespace {

using support::Broker;
using support::Tail;

struct BadInput {
  const char* name;
  std::string topic;
  std::string payload;
  const char* reason;
  const char* error;  // a part of what the dead letter says
};

std::ostream& operator<<(std::ostream& out, const BadInput& input) { return out << input.name; }

std::string Nested(size_t depth) {
  return R"({"n":)" + std::string(depth, '[') + std::string(depth, ']') + "}";
}

const std::string kGood = "scenario/wa/d1/in";

const std::vector<BadInput>& BadInputs() {
  static const std::vector<BadInput> kInputs = {
      {"EmptyPayload", kGood, "", "payload_invalid", "empty"},
      {"NoJson", kGood, "hello", "payload_invalid", ""},
      {"TruncatedJson", kGood, R"({"n":1,"value":)", "payload_invalid", ""},
      {"TrailingBytes", kGood, R"({"n":1} x)", "payload_invalid", ""},
      {"TwoDocuments", kGood, R"({"n":1}{"n":2})", "payload_invalid", ""},
      {"TopLevelArray", kGood, R"([1])", "payload_invalid", ""},
      {"TopLevelNull", kGood, "null", "payload_invalid", ""},
      {"BareString", kGood, R"("n")", "payload_invalid", ""},
      {"DeeplyNested", kGood, Nested(20'000), "payload_invalid", "deeper"},
      {"InvalidUtf8", kGood, "{\"n\":1,\"note\":\"\xFF\xFE\"}", "payload_invalid", ""},
      {"LoneSurrogate", kGood, R"({"n":1,"note":"\ud800"})", "payload_invalid", ""},
      {"ByteOrderMark", kGood, "\xEF\xBB\xBF{\"n\":1}", "payload_invalid", ""},
      {"NumberTooLarge", kGood, R"({"n":1,"value":1e400})", "payload_invalid", ""},
      {"NaN", kGood, R"({"n":1,"value":NaN})", "payload_invalid", ""},
      {"LeadingZero", kGood, R"({"n":01})", "payload_invalid", ""},
      {"TooManyMembers", kGood,
       [] {
         std::string json = R"({"n":1)";
         for (int i = 0; i < 1'001; ++i) json += ",\"k" + std::to_string(i) + "\":0";
         return json + "}";
       }(),
       "payload_invalid", "members"},
      {"OverlongKey", kGood, R"({"n":1,")" + std::string(129, 'k') + R"(":0})", "payload_invalid",
       "key"},
      {"DuplicateMappedKey", kGood, R"({"n":1,"n":2})", "payload_invalid", "n"},
      {"PayloadOfOneMebibyte", kGood, std::string(1 << 20, ' '), "payload_too_large", "65536"},
      {"TextForNumber", kGood, R"({"n":1,"value":"fast"})", "field_invalid", "value"},
      {"ObjectForNumber", kGood, R"({"n":1,"value":{}})", "field_invalid", "value"},
      {"FractionForInteger", kGood, R"({"n":1.5})", "field_invalid", "n"},
      {"IntegerBeyond63Bits", kGood, R"({"n":9223372036854775808})", "field_invalid", "n"},
      {"NumberForBool", kGood, R"({"n":1,"is_on":7})", "field_invalid", "is_on"},
      {"ImpossibleTime", kGood, R"({"n":1,"made":1e300})", "field_invalid", "made"},
      {"MissingField", kGood, R"({"value":1})", "model_failed", "n: missing from the message"},
      {"ModelThrows", kGood, R"({"n":1,"note":"throw"})", "model_failed", "told to throw"},
      {"EmptyId", "scenario/wa//in", R"({"n":1})", "id_invalid", ""},
      {"DotDotId", "scenario/wa/../in", R"({"n":1})", "id_invalid", ""},
      {"IdWithMarkup", "scenario/wa/<script>/in", R"({"n":1})", "id_invalid", ""},
      {"IdWithQuote", "scenario/wa/a'b/in", R"({"n":1})", "id_invalid", ""},
      {"IdThatTurnsText",
       "scenario/wa/\xE2\x80\xAE"
       "abc/in",
       R"({"n":1})", "id_invalid", ""},
      {"IdOf129Bytes", "scenario/wa/" + std::string(129, 'x') + "/in", R"({"n":1})", "id_invalid",
       ""},
      {"RegionWithMarkup", "scenario/<b>/d1/in", R"({"n":1})", "topic_invalid", ""},
  };
  return kInputs;
}

class BadInputTest : public ::testing::TestWithParam<BadInput> {
 protected:
  static void SetUpTestSuite() {
    broker_ = new Broker;
    ASSERT_TRUE(broker_->Start().ok());
    gateway_ = new GatewayProcess(*broker_, EchoConfiguration());
    ASSERT_TRUE(gateway_->Start()) << gateway_->errors();
    publisher_ = mqtt::MakePahoPublisher({.uri = broker_->uri(), .client_id = "bad"}, {}).release();
    ASSERT_TRUE(publisher_->Connect().ok());
  }
  static void TearDownTestSuite() {
    delete publisher_;
    EXPECT_EQ(gateway_->Stop(), 0) << gateway_->errors();
    delete gateway_;
    delete broker_;
  }
  static void Send(const std::string& topic, const std::string& payload) {
    ASSERT_TRUE(publisher_->Publish({.topic = topic, .payload = payload}).ok());
    std::vector<mqtt::Publisher::Token> acknowledged;
    while (acknowledged.empty() && publisher_->is_connected()) {
      publisher_->Acknowledged(acknowledged, std::chrono::milliseconds(100));
    }
  }
  static double Refused(const std::string& reason) {
    return gateway_->Metric("gemel_messages_refused_total{reason=\"" + reason + "\"}");
  }

  // NOLINTBEGIN(readability-identifier-naming): members that all cases share.
  static Broker* broker_;
  static GatewayProcess* gateway_;
  static mqtt::Publisher* publisher_;
  // NOLINTEND(readability-identifier-naming)
};
Broker* BadInputTest::broker_ = nullptr;
GatewayProcess* BadInputTest::gateway_ = nullptr;
mqtt::Publisher* BadInputTest::publisher_ = nullptr;

TEST_P(BadInputTest, IsADeadLetterAndTheNextGoodMessageIsAnswered) {
  const BadInput& input = GetParam();
  Tail letters(*broker_, {"gemel/deadletter/#"});
  Tail answers(*broker_, {"scenario/+/good/out"});
  const double before = Refused(input.reason);
  Send(input.topic, input.payload);
  Send("scenario/wa/good/in", R"({"n":77})");
  ASSERT_TRUE(letters.WaitForCount(1));
  ASSERT_TRUE(answers.WaitForCount(1));
  EXPECT_EQ(Refused(input.reason), before + 1);
  const support::Seen& seen = letters.seen()[0];
  EXPECT_EQ(seen.topic, std::string("gemel/deadletter/") + input.reason);
  const auto letter = nlohmann::json::parse(seen.payload);
  EXPECT_EQ(letter["topic"], input.topic);
  EXPECT_NE(letter["error"].get<std::string>().find(input.error), std::string::npos)
      << letter["error"];
  EXPECT_EQ(letter["error"].get<std::string>().find('\n'), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(answers.seen()[0].payload)["args"]["n"], 77);
}

INSTANTIATE_TEST_SUITE_P(Each, BadInputTest, ::testing::ValuesIn(BadInputs()),
                         [](const auto& input) { return input.param.name; });

TEST_F(BadInputTest, ATopicOfTenThousandBytesIsRefusedAndTheNextGoodMessageIsAnswered) {
  Tail letters(*broker_, {"gemel/deadletter/#"});
  Tail answers(*broker_, {"scenario/+/good/out"});
  Send("scenario/wa/" + std::string(10'000, 'x') + "/in", R"({"n":1})");
  Send("scenario/wa/good/in", R"({"n":78})");
  ASSERT_TRUE(letters.WaitForCount(1));
  ASSERT_TRUE(answers.WaitForCount(1));
  EXPECT_EQ(letters.seen()[0].topic, "gemel/deadletter/topic_invalid");
}

}  // namespace
}  // namespace gemel::scenario
