#include "gateway/ingest/intake.h"

#include <chrono>
#include <set>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/twin/profile_change.h"
#include "tests/ingest/mill.h"

namespace gemel::ingest {
namespace {

// Sends what must be refused: counted, one dead letter, nothing appended; the letter.
Letter ExpectRefused(Mill& mill, Refusal reason, std::string_view topic, std::string_view payload) {
  const uint64_t before = mill.refused(reason);
  mill.Send(topic, payload);
  EXPECT_EQ(mill.refused(reason), before + 1) << RefusalName(reason) << ": " << payload;
  EXPECT_TRUE(mill.Drain().empty());
  std::vector<Letter> letters = mill.Letters();
  EXPECT_EQ(letters.size(), 1u);
  if (letters.size() != 1) return {};
  EXPECT_EQ(letters[0].reason, RefusalName(reason)) << letters[0].error;
  EXPECT_EQ(letters[0].payload_base64.empty(), payload.empty());
  return letters[0];
}

bool Holds(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

class IntakeTest : public ::testing::Test {
 protected:
  Mill mill_{{.routes = {RouteOf("lab/{region}/{line}/{id}")}}};
};

TEST_F(IntakeTest, AMessageIsARecordOfItsTwin) {
  mill_.Send("lab/north/l 1/x", R"({"a": 1, "kind": "van"})");
  const auto met = mill_.Drain();
  ASSERT_EQ(met.size(), 1u);
  EXPECT_EQ(met[0].id, "x");
  EXPECT_EQ(met[0].lsn, MakeLsn(1, 1));
  EXPECT_EQ(met[0].event_time, mill_.clock.Now()) << "of its arrival";
  EXPECT_EQ(mill_.Field("x", "a"), "1");
  EXPECT_EQ(mill_.Field("x", "kind"), "\"van\"");
  EXPECT_EQ(mill_.Field("x", "region"), "\"north\"");
  EXPECT_EQ(mill_.Field("x", "line"), "\"l 1\"");
  EXPECT_EQ(mill_.received(0), 1u);
  EXPECT_TRUE(mill_.Letters().empty());
}

// A record of that message, which has crashed a process.
void RefuseOnce(Mill& mill, std::string_view id, std::string_view payload,
                journal::RecordKind kind = journal::RecordKind::kTelemetry) {
  const journal::Record record{
      .kind = kind, .key_hash = HashKey("probe", id), .id = id, .payload = payload};
  std::vector<uint64_t> bytes(EncodedSize(record) / sizeof(uint64_t) + 1);
  Encode(record, reinterpret_cast<std::byte*>(bytes.data()));
  mill.RefuseOnce(journal::RecordView(std::as_bytes(std::span(bytes))));
}

TEST_F(IntakeTest, AMessageThatCrashedTheProcessAndComesAgainIsRefusedOnce) {
  RefuseOnce(mill_, "x", R"({"a": 1})");
  mill_.Send("lab/north/l1/y", R"({"a": 1})");
  mill_.Send("lab/north/l1/x", R"({"a": 2})");
  EXPECT_EQ(mill_.Drain().size(), 2u) << "another twin's, and another payload";
  const Letter letter =
      ExpectRefused(mill_, Refusal::kModelCrashed, "lab/north/l1/x", R"({"a": 1})");
  EXPECT_EQ(letter.topic, "lab/north/l1/x");
  mill_.Send("lab/north/l1/x", R"({"a": 1})");
  EXPECT_EQ(mill_.Drain().size(), 1u) << "the device may say it again";
}

TEST_F(IntakeTest, WhatComesAfterAllThatTheBrokerMayHaveToSendAgainIsNotRefused) {
  RefuseOnce(mill_, "x", R"({"a": 1})");
  for (int i = 0; i < IntakeOptions{}.receive_maximum; ++i) mill_.Send("lab/north/l1/y", "{}");
  mill_.Drain();
  mill_.Send("lab/north/l1/x", R"({"a": 1})");
  EXPECT_EQ(mill_.Drain().size(), 1u);
}

TEST_F(IntakeTest, ATopicWithoutARouteIsUnroutable) {
  for (const char* topic : {"other/x", "lab/north/l1", "lab/north/l1/x/y", "$SYS/broker/uptime"}) {
    const Letter letter = ExpectRefused(mill_, Refusal::kUnroutable, topic, "{}");
    EXPECT_EQ(letter.topic, topic);
    EXPECT_TRUE(Holds(letter.error, topic)) << letter.error;
  }
}

TEST_F(IntakeTest, ATopicThatMayNotBeHandledIsInvalid) {
  const std::string nul("other/\0x", 8);
  for (const std::string& topic :
       {std::string("other/\xff"), nul, std::string("other/\n"), std::string(),
        std::string(kTopicBytesMax + 1, 't'), std::string(kTopicLevelsMax, '/'),
        "lab/north/l1/" + std::string(kTopicBytesMax, 'x'), std::string("lab/+/l1/x"),
        std::string("lab//l1/x"), std::string("lab/north/<b>/x"),
        std::string("lab/north/\xe2\x80\xae/x")}) {
    ExpectRefused(mill_, Refusal::kTopicInvalid, topic, "{}");
  }
}

TEST_F(IntakeTest, AnIdThatIsNotAllowedIsRefused) {
  const std::string nul("a\0b", 3);
  for (const std::string& id :
       {std::string(), std::string("a+b"), std::string("#"), nul, std::string("\xff"),
        std::string("\xed\xa0\x80"), std::string(kIdBytesMax + 1, 'i'), std::string(" x"),
        std::string("x "), std::string(".."), std::string("<script>"), std::string("a'b"),
        std::string("\u202ex"), std::string("\ufeffx"), std::string("a\nb")}) {
    ExpectRefused(mill_, Refusal::kIdInvalid, "lab/north/l1/" + id, "{}");
  }
  mill_.Send("lab/north/l1/" + std::string(kIdBytesMax, 'i'), "{}");
  EXPECT_EQ(mill_.Drain().size(), 1u);
}

TEST_F(IntakeTest, ADeadLetterCarriesTopicPayloadAndError) {
  const Letter letter = ExpectRefused(mill_, Refusal::kPayloadInvalid, "lab/north/l1/x", "{\n\"");
  EXPECT_EQ(letter.topic, "lab/north/l1/x");
  EXPECT_EQ(letter.payload_base64, "ewoi");
}

TEST_F(IntakeTest, TheNextGoodMessageIsApplied) {
  for (const char* payload : {"", "{", "[]", "nonsense", "\xff"}) mill_.Send("lab/n/l/x", payload);
  mill_.Send("lab/n/l/x", R"({"a": 2})");
  mill_.Drain();
  EXPECT_EQ(mill_.Field("x", "a"), "2");
}

TEST(IntakeLimitTest, APayloadOverTheLimitIsTooLarge) {
  Mill mill({.routes = {RouteOf("lab/{id}")}, .intake = {.payload_bytes_max = 20}});
  const std::string fits = R"({"a": 1234567890123})";
  ASSERT_EQ(fits.size(), 20u);
  mill.Send("lab/x", fits);
  EXPECT_EQ(mill.Drain().size(), 1u);
  const Letter letter = ExpectRefused(mill, Refusal::kPayloadTooLarge, "lab/x", fits + " ");
  EXPECT_TRUE(Holds(letter.error, "limits.payload_max allows 20")) << letter.error;
}

class IntakeTimeTest : public ::testing::Test {
 protected:
  static config::Route Route() {
    config::Route route = RouteOf("lab/{id}");
    route.time = "/ts";
    return route;
  }
  static std::string At(Time time) {
    return R"({"a": 1, "ts": )" +
           std::to_string(
               std::chrono::floor<std::chrono::milliseconds>(time).time_since_epoch().count()) +
           "}";
  }
  Mill mill_{{.routes = {Route()}}};
};

TEST_F(IntakeTimeTest, EventTimeIsTheDevicesWord) {
  for (const Time time : {Time{}, mill_.clock.Now() - std::chrono::hours(99),
                          mill_.clock.Now() + std::chrono::hours(23)}) {
    mill_.Send("lab/x", At(time));
    const auto met = mill_.Drain();
    ASSERT_EQ(met.size(), 1u);
    EXPECT_EQ(met[0].event_time, time);
  }
}

TEST_F(IntakeTimeTest, AMissingOrUnreadableTimeIsRefused) {
  for (const char* payload :
       {R"({"a": 1})", R"({"ts": null})", R"({"ts": "soon"})", R"({"ts": {}})"}) {
    const Letter letter = ExpectRefused(mill_, Refusal::kTimeInvalid, "lab/x", payload);
    EXPECT_TRUE(Holds(letter.error, "\"/ts\"")) << letter.error;
  }
}

TEST_F(IntakeTimeTest, ATimeFarAheadOfTheClockIsRefused) {
  const Time ahead = mill_.clock.Now() + kEventTimeAheadMax;
  mill_.Send("lab/x", At(ahead));
  EXPECT_EQ(mill_.Drain().size(), 1u);
  const Letter letter = ExpectRefused(mill_, Refusal::kTimeInvalid, "lab/x",
                                      At(ahead + std::chrono::milliseconds(1)));
  EXPECT_TRUE(Holds(letter.error, "limits.event_time_ahead")) << letter.error;
  mill_.clock.Advance(std::chrono::milliseconds(1));
  mill_.Send("lab/x", At(ahead + std::chrono::milliseconds(1)));
  EXPECT_EQ(mill_.Drain().size(), 1u) << "the clock has moved on";
}

class IntakeItemsTest : public ::testing::Test {
 protected:
  static config::Route Route() {
    config::Route route = RouteOf("site/{region}");
    route.id = "/n";
    route.items = "/readings";
    route.fields = {{"a", "/v", "", {}}, {"b", "^/site", "", {}}, {"kind", "^/kind", "", {}}};
    route.message_id = "^/mid";
    return route;
  }
  Mill mill_{{.routes = {Route()}, .shards = 7}};
};

TEST_F(IntakeItemsTest, AnArrayIsAReadingOfEachOfItsTwins) {
  std::string text = R"({"site": 5, "kind": "farm", "mid": "m1", "readings": [)";
  for (int i = 0; i < 40; ++i) {
    text += (i > 0 ? "," : "") + (R"({"n": "d)" + std::to_string(i) + R"(", "v": )") +
            std::to_string(i) + "}";
  }
  mill_.Send("site/north", text + "]}");
  const auto met = mill_.Drain();
  ASSERT_EQ(met.size(), 40u);
  std::set<uint32_t> shards;
  for (uint32_t i = 0; i < 40; ++i) {
    const std::string id = "d" + std::to_string(i);
    EXPECT_EQ(met[i].id, id) << "LSNs are in the order of the array";
    EXPECT_EQ(met[i].item, i);
    EXPECT_EQ(met[i].lsn, MakeLsn(1, i + 1));
    EXPECT_EQ(met[i].repeat, journal::RepeatKey::kMessageId);
    EXPECT_EQ(met[i].repeat_key, met[0].repeat_key);
    shards.insert(met[i].shard);
    EXPECT_EQ(mill_.Field(id, "a"), std::to_string(i));
    EXPECT_EQ(mill_.Field(id, "b"), "5");
    EXPECT_EQ(mill_.Field(id, "kind"), "\"farm\"");
    EXPECT_EQ(mill_.Field(id, "region"), "\"north\"") << "the topic's, in every reading";
  }
  EXPECT_GT(shards.size(), 3u);
  EXPECT_EQ(mill_.received(0), 1u);
}

TEST_F(IntakeItemsTest, AnEmptyArrayIsAMessageWithoutReadings) {
  mill_.Send("site/north", R"({"readings": []})");
  EXPECT_TRUE(mill_.Drain().empty());
  EXPECT_TRUE(mill_.Letters().empty());
}

TEST_F(IntakeItemsTest, OneBadItemRefusesTheMessageAsAWholeAndIsNamed) {
  for (const auto& [second, reason] : {std::pair{R"({"v": 1})", Refusal::kIdInvalid},
                                       {R"({"n": "a+b"})", Refusal::kIdInvalid},
                                       {"7", Refusal::kPayloadInvalid}}) {
    const std::string text = R"({"readings": [{"n": "d1"}, )" + std::string(second) + "]}";
    const Letter letter = ExpectRefused(mill_, reason, "site/north", text);
    EXPECT_TRUE(letter.error.starts_with("item 1: ")) << letter.error;
  }
  ExpectRefused(mill_, Refusal::kPayloadInvalid, "site/north", R"({"readings": 7})");
  ExpectRefused(mill_, Refusal::kPayloadInvalid, "site/north", "{}");
}

TEST_F(IntakeItemsTest, IdsOfThePayloadAreMadeSafe) {
  mill_.Send("site/north",
             R"({"readings": [{"n": "a/b c"}, {"n": 17}, {"n": "50%"}, {"n": "<x>"}]})");
  const auto met = mill_.Drain();
  ASSERT_EQ(met.size(), 4u);
  EXPECT_EQ(met[0].id, "a%2Fb c");
  EXPECT_EQ(met[1].id, "17");
  EXPECT_EQ(met[2].id, "50%25");
  EXPECT_EQ(met[3].id, "%3Cx%3E");
  for (const char* id : {R"("a+b")", R"("#")", R"("a\u0000b")", R"("")", "1.5", "true", "null"}) {
    ExpectRefused(mill_, Refusal::kIdInvalid, "site/north",
                  R"({"readings": [{"n": )" + std::string(id) + "}]}");
  }
}

TEST(IntakeSymbolTest, BeyondTheTableASymbolIsRefusedAndTheMessageApplied) {
  Mill mill({.routes = {RouteOf("lab/{id}")}, .symbols_max = 2});
  for (const char* kind : {"one", "two", "three", "two"}) {
    mill.Send("lab/" + std::string(kind), R"({"a": 1, "kind": ")" + std::string(kind) + "\"}");
  }
  const auto met = mill.Drain();
  ASSERT_EQ(met.size(), 4u);
  EXPECT_FALSE(met[1].has_refused_symbol);
  EXPECT_TRUE(met[2].has_refused_symbol);
  EXPECT_FALSE(met[3].has_refused_symbol);
  EXPECT_EQ(mill.Field("two", "kind"), "\"two\"");
  EXPECT_EQ(mill.Field("three", "kind"), "null");
  EXPECT_EQ(mill.Field("three", "a"), "1");
}

TEST(IntakeSymbolTest, ARefusedMessageTakesNoPlaceInTheTable) {
  config::Route route = RouteOf("lab/{id}");
  route.time = "/t";
  Mill mill({.routes = {route}, .symbols_max = 1});
  for (int i = 0; i < 10; ++i) {
    mill.Send("lab/x", R"({"kind": "k)" + std::to_string(i) + "\"}");  // no time
  }
  EXPECT_TRUE(mill.Drain().empty());
  mill.Send("lab/x", R"({"kind": "good", "t": 1})");
  mill.Drain();
  EXPECT_EQ(mill.Field("x", "kind"), "\"good\"");
}

TEST(IntakeIdTest, AnIdThatComesTwiceIsRefusedWhereverItStands) {
  config::Route route = RouteOf("lab");
  route.id = "/id";
  route.trusted_source = true;
  Mill mill({.routes = {route}});
  for (const char* payload : {R"({"id":"a","id":"b","a":1})", R"({"id":"a","a":1,"id":"b"})"}) {
    ExpectRefused(mill, Refusal::kPayloadInvalid, "lab", payload);
  }
}

TEST(IntakeRepeatTest, ASequenceIsTheRepeatKey) {
  config::Route route = RouteOf("lab/{id}");
  route.sequence = "/n";
  Mill mill({.routes = {route}});
  mill.Send("lab/x", R"({"n": 41})");
  mill.Send("lab/x", "{}");
  const auto met = mill.Drain();
  ASSERT_EQ(met.size(), 2u);
  EXPECT_EQ(met[0].repeat, journal::RepeatKey::kSequence);
  EXPECT_EQ(met[0].repeat_key, 41u);
  EXPECT_EQ(met[1].repeat, journal::RepeatKey::kNone);
}

class IntakeFieldOfTopicTest : public ::testing::Test {
 protected:
  static config::Route Route() {
    config::Route route = RouteOf("homie/{id}/{field}");
    route.payload = config::Payload::kText;
    return route;
  }
  Mill mill_{{.routes = {Route()}}};
};

TEST_F(IntakeFieldOfTopicTest, TheTopicNamesTheFieldThatTheScalarFills) {
  mill_.Send("homie/x/a", " 21.5\n");
  mill_.Send("homie/x/b", "7");
  mill_.Send("homie/x/is_on", "true");
  mill_.Send("homie/x/kind", "van\n");
  mill_.Send("homie/x/order", "look");
  EXPECT_EQ(mill_.Drain().size(), 5u);
  EXPECT_EQ(mill_.Field("x", "a"), "21.5");
  EXPECT_EQ(mill_.Field("x", "b"), "7");
  EXPECT_EQ(mill_.Field("x", "is_on"), "true");
  EXPECT_EQ(mill_.Field("x", "kind"), "\"van\"");
  EXPECT_EQ(mill_.Field("x", "order"), "\"look\"");
  EXPECT_EQ(mill_.Field("x", "calls"), "5");
}

TEST_F(IntakeFieldOfTopicTest, AFieldThatTelemetryDoesNotFillIsRefused) {
  for (const char* field : {"colour", "limit", "region", "calls"}) {
    const Letter letter =
        ExpectRefused(mill_, Refusal::kFieldInvalid, "homie/x/" + std::string(field), "1");
    EXPECT_TRUE(Holds(letter.error, "\"" + std::string(field) + "\"")) << letter.error;
  }
}

TEST_F(IntakeFieldOfTopicTest, WhatIsNoTextIsRefused) {
  for (const char* field : {"a", "kind", "order"}) {
    const std::string topic = "homie/x/" + std::string(field);
    for (const char* payload : {"", "  ", "\xff", "\xed\xa0\x80"}) {
      ExpectRefused(mill_, Refusal::kPayloadInvalid, topic, payload);
    }
  }
  ExpectRefused(mill_, Refusal::kFieldInvalid, "homie/x/kind", std::string(200, 'k'));
}

TEST_F(IntakeFieldOfTopicTest, AValueThatDoesNotFitIsADeadLetterWithItsPayload) {
  mill_.Send("homie/x/b", "many");
  mill_.Drain();
  const auto letters = mill_.Letters();
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_EQ(letters[0].reason, "field_invalid");
  EXPECT_EQ(letters[0].topic, "homie/x/b");
  EXPECT_EQ(letters[0].payload_base64, "bWFueQ==");
  EXPECT_TRUE(Holds(letters[0].error, "b")) << letters[0].error;
  EXPECT_EQ(mill_.Field("x", "b"), "");
}

class IntakeProfileTest : public ::testing::Test {
 protected:
  static DeviceTopics Topics() {
    const std::vector<route::Template> topics = {
        *route::Template::Parse("lab/{region}/{id}/profile")};
    return {*route::Router::Build(topics), {0}, {1}};
  }
  const DeviceTopics topics_ = Topics();
  Mill mill_{
      {.routes = {RouteOf("lab/{region}/{line}/{id}/in")}, .intake = {.profile_topics = &topics_}}};
};

TEST_F(IntakeProfileTest, AProfileMakesATwinAndChangesIt) {
  mill_.Send("lab/north/x/profile", R"({"limit": 5, "owner": "anna"})", true);
  ASSERT_EQ(mill_.Drain().size(), 1u);
  EXPECT_EQ(mill_.Field("x", "limit"), "5");
  EXPECT_EQ(mill_.Field("x", "owner"), "\"anna\"");
  EXPECT_EQ(mill_.Field("x", "is_ready"), "true");
  mill_.Send("lab/north/x/profile", R"({"limit": 6})");
  mill_.Drain();
  EXPECT_EQ(mill_.Field("x", "limit"), "6");
  mill_.Send("lab/north/x/profile", "");
  mill_.Drain();
  EXPECT_EQ(mill_.Field("x", "limit"), "8") << "nothing is said of it any more";
  EXPECT_EQ(mill_.Field("x", "owner"), "null");
  mill_.Send("lab/north/y/profile", "");
  mill_.Drain();
  EXPECT_EQ(mill_.Field("y", "limit"), "") << "and nobody is made by that";
  EXPECT_TRUE(mill_.Letters().empty());
}

TEST_F(IntakeProfileTest, OneThatCrashedTheProcessAndComesAgainIsRefusedOnce) {
  const std::string payload = twin::EncodeProfileChange(
      {.teller = twin::Teller::kTopic, .creates = true, .set = {{"limit", 5.0}}});
  RefuseOnce(mill_, "x", payload, journal::RecordKind::kProfileChanged);
  mill_.Send("lab/north/x/profile", R"({"limit": 5})", true);
  EXPECT_TRUE(mill_.Drain().empty());
  EXPECT_EQ(mill_.refused(Refusal::kModelCrashed), 1u);
  mill_.Send("lab/north/x/profile", R"({"limit": 5})", true);
  EXPECT_EQ(mill_.Drain().size(), 1u);
}

TEST_F(IntakeProfileTest, WhatIsRetainedIsTheTopicsWordOnceMore) {
  const std::string topic = "lab/north/x/profile";
  mill_.Send(topic, R"({"limit": 5})", true);
  mill_.Send(topic, R"({"limit": 6})");
  mill_.Send(topic, R"({"limit": 5})", true);
  mill_.Drain();
  EXPECT_EQ(mill_.Field("x", "limit"), "5") << "a topic's word in the place of a topic's";
}

TEST_F(IntakeProfileTest, WhatIsNoProfileIsADeadLetter) {
  const std::string topic = "lab/north/x/profile";
  EXPECT_TRUE(
      Holds(ExpectRefused(mill_, Refusal::kPayloadInvalid, topic, "5").error, "no JSON object"));
  EXPECT_TRUE(Holds(ExpectRefused(mill_, Refusal::kFieldInvalid, topic, R"({"a": 1})").error,
                    "allowed: limit, owner, note"));
  EXPECT_TRUE(Holds(
      ExpectRefused(mill_, Refusal::kFieldInvalid, topic, R"({"limit": "low"})").error, "limit: "));
  ExpectRefused(mill_, Refusal::kPayloadTooLarge, topic, std::string(70'000, ' '));
  ExpectRefused(mill_, Refusal::kIdInvalid, "lab/north/" + std::string(129, 'x') + "/profile",
                "{}");
}

TEST_F(IntakeTest, AnAcknowledgementIsARecordOfTheAlertsTwin) {
  mill_.Send("lab/north/l1/x", R"({"order": "raise"})");
  mill_.Drain();
  const auto raised = nlohmann::json::parse(mill_.Alerts().at(0));
  const std::string topic = "gemel/alerts/ack/" + raised["id"].get<std::string>();
  mill_.Send(topic, R"({"by": "anna", "comment": "seen"})");
  const auto met = mill_.Drain();
  ASSERT_EQ(met.size(), 1u);
  EXPECT_EQ(met[0].id, "x");
  const auto acked = nlohmann::json::parse(mill_.Alerts().at(0));
  EXPECT_EQ(acked["status"], "active_acked");
  EXPECT_EQ(acked["acked_by"], "anna");
  mill_.Send(topic, R"({"by": "anna", "comment": "seen"})");
  EXPECT_EQ(mill_.Drain().size(), 1u) << "the broker may bring it twice";
  EXPECT_TRUE(mill_.Alerts().empty());
  EXPECT_TRUE(mill_.Letters().empty());
}

TEST_F(IntakeTest, AnAcknowledgementThatSaysNothingOrOfNothingIsADeadLetter) {
  const std::string topic = "gemel/alerts/ack/";
  const std::string good = R"({"by": "anna"})";
  EXPECT_TRUE(Holds(ExpectRefused(mill_, Refusal::kAckInvalid, topic + "a-1-0", good).error,
                    "no alert a-1-0"));
  EXPECT_TRUE(
      Holds(ExpectRefused(mill_, Refusal::kAckInvalid, topic + "x", good).error, "alert's id"));
  EXPECT_TRUE(Holds(ExpectRefused(mill_, Refusal::kAckInvalid, topic, good).error, "alert's id"));
  mill_.Send("lab/north/l1/x", R"({"order": "raise"})");
  mill_.Drain();
  const auto raised = nlohmann::json::parse(mill_.Alerts().at(0));
  EXPECT_TRUE(Holds(
      ExpectRefused(mill_, Refusal::kAckInvalid, topic + raised["id"].get<std::string>(), "{}")
          .error,
      "by: 0 bytes"));
  const uint64_t before = mill_.refused(Refusal::kAckInvalid);
  mill_.Send(topic + raised["id"].get<std::string>(), good, true);
  EXPECT_EQ(mill_.refused(Refusal::kAckInvalid), before + 1) << "retained, so perhaps of long ago";
  EXPECT_TRUE(mill_.Drain().empty());
}

}  // namespace
}  // namespace gemel::ingest
