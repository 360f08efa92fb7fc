#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/twin/lab.h"

namespace gemel::twin {
namespace {

constexpr const char* kMajorTopic = "gemel/alerts/major/probe/x/hot";
constexpr const char* kMinorTopic = "gemel/alerts/minor/probe/x/hot";

class EngineAlertTest : public ::testing::Test {
 protected:
  // Tells twin x what to do; the LSN.
  Lsn Order(std::string_view words, std::string_view more = "") {
    return lab_.Say(
        {.json = R"({"order": ")" + std::string(words) + "\"" + std::string(more) + "}"});
  }
  const Alert& Active() { return lab_.Find("x")->side()->alerts.at(0); }
  uint64_t Raised(uint32_t severity) { return lab_.stats().alerts_raised[severity].value(); }
  uint64_t Cleared(uint32_t severity) { return lab_.stats().alerts_cleared[severity].value(); }

  Lab lab_;
};

nlohmann::json Parsed(const Kept& kept) { return nlohmann::json::parse(kept.payload); }

void ExpectEmptied(const Kept& kept, const char* topic) {
  EXPECT_EQ(kept.topic, topic);
  EXPECT_EQ(kept.payload, "");
  EXPECT_TRUE(kept.is_retained);
}

TEST_F(EngineAlertTest, ARaisedAlertIsOneRetainedMessage) {
  const Lsn lsn = Order("raise", R"(, "a": 111)");
  const auto sent = lab_.Take();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].topic, kMajorTopic);
  EXPECT_EQ(sent[0].kind, effects::EffectKind::kAlert);
  EXPECT_TRUE(sent[0].is_retained);
  const auto alert = Parsed(sent[0]);
  EXPECT_EQ(alert["id"], FormatEffectId('a', {lsn, 0}));
  EXPECT_EQ(alert["status"], "active_unacked");
  EXPECT_EQ(alert["twin"], "x");
  EXPECT_EQ(alert["count"], 1);
  EXPECT_EQ(alert["properties"], nlohmann::json({{"a", 111.0}}));
  EXPECT_EQ(Raised(GEMEL_MAJOR), 1u);
}

TEST_F(EngineAlertTest, RaisedAgainItIsCountedAndNotSent) {
  const Lsn lsn = Order("raise");
  lab_.Take();
  Order("raise", R"(, "a": 5)");
  EXPECT_TRUE(lab_.Take().empty());
  EXPECT_EQ(Active().count, 2);
  EXPECT_EQ(Active().id, (EffectId{lsn, 0}));
  EXPECT_EQ(Active().first, kStart + std::chrono::seconds(1));
  EXPECT_EQ(Active().last, kStart + std::chrono::seconds(2));
  EXPECT_EQ(Active().properties, R"({"a":5})");
  EXPECT_EQ(Raised(GEMEL_MAJOR), 1u);
}

TEST_F(EngineAlertTest, AChangedSeverityEmptiesTheOldTopicAndKeepsTheId) {
  const Lsn lsn = Order("raise");
  lab_.Take();
  Order("minor");
  const auto sent = lab_.Take();
  ASSERT_EQ(sent.size(), 2u);
  ExpectEmptied(sent[0], kMajorTopic);
  EXPECT_EQ(sent[1].topic, kMinorTopic);
  EXPECT_TRUE(sent[1].is_retained);
  const auto alert = Parsed(sent[1]);
  EXPECT_EQ(alert["id"], FormatEffectId('a', {lsn, 0}));
  EXPECT_EQ(alert["severity"], "minor");
  EXPECT_EQ(alert["count"], 2);
  EXPECT_EQ(Cleared(GEMEL_MAJOR), 1u);
  EXPECT_EQ(Raised(GEMEL_MINOR), 1u);
}

TEST_F(EngineAlertTest, AClearedAlertIsSaidOnceAndItsTopicEmptied) {
  const Lsn lsn = Order("raise");
  Order("raise");
  lab_.Take();
  Order("clear");
  const auto sent = lab_.Take();
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0].topic, kMajorTopic);
  EXPECT_FALSE(sent[0].is_retained);
  const auto alert = Parsed(sent[0]);
  EXPECT_EQ(alert["id"], FormatEffectId('a', {lsn, 0}));
  EXPECT_EQ(alert["status"], "cleared_unacked");
  EXPECT_EQ(alert["count"], 2);
  ExpectEmptied(sent[1], kMajorTopic);
  EXPECT_TRUE(lab_.Find("x")->side()->alerts.empty());
  EXPECT_EQ(Cleared(GEMEL_MAJOR), 1u);
  Order("clear");
  EXPECT_TRUE(lab_.Take().empty());
}

// By these webhooks choose: an alert that was once major is told to those who want that to its end.
TEST_F(EngineAlertTest, AMessageOfAnAlertSaysWhichSeveritiesItHasHad) {
  Order("raise");
  Order("minor");
  Order("clear");
  Order("minor");
  const uint8_t major = effects::SeverityBit(GEMEL_MAJOR);
  const uint8_t minor = effects::SeverityBit(GEMEL_MINOR);
  std::vector<uint8_t> severities;
  for (const Kept& sent : lab_.Take()) {
    severities.push_back(sent.severities);
    EXPECT_EQ(sent.key_hash, HashKey("probe", "x"));
  }
  EXPECT_EQ(severities, (std::vector<uint8_t>{major, 0, static_cast<uint8_t>(major | minor),
                                              static_cast<uint8_t>(major | minor), 0, minor}))
      << "what only empties a topic says nothing";
}

TEST_F(EngineAlertTest, RaisedAfterAClearItIsAnotherAlert) {
  const Lsn first = Order("raise");
  Order("clear");
  const Lsn second = Order("raise");
  ASSERT_NE(first, second);
  EXPECT_EQ(Active().id, (EffectId{second, 0}));
  EXPECT_EQ(Active().count, 1);
  EXPECT_EQ(Parsed(lab_.Take().back())["id"], FormatEffectId('a', {second, 0}));
}

TEST_F(EngineAlertTest, ClearedAndRaisedInOneCallItIsAnotherAlertOfTheSameRecord) {
  Order("raise");
  lab_.Take();
  const Lsn lsn = Order("clear raise look");
  EXPECT_EQ(lab_.Field("x", "active"), "1");
  const auto sent = lab_.Take();
  ASSERT_EQ(sent.size(), 3u);
  EXPECT_EQ(Parsed(sent[0])["status"], "cleared_unacked");
  ExpectEmptied(sent[1], kMajorTopic);
  EXPECT_EQ(Parsed(sent[2])["id"], FormatEffectId('a', {lsn, 1})) << "ordinals count effects";
}

TEST_F(EngineAlertTest, AnAlertRaisedAndClearedInOneCallLeavesNothingRetained) {
  Order("raise clear look");
  EXPECT_EQ(lab_.Field("x", "active"), "0");
  const auto sent = lab_.Take();
  ASSERT_EQ(sent.size(), 3u);
  ExpectEmptied(sent[2], kMajorTopic);
  EXPECT_TRUE(lab_.Find("x")->side()->alerts.empty());
}

TEST_F(EngineAlertTest, MoreEffectsThanARecordMayHaveFailTheCall) {
  Order("flood");
  EXPECT_EQ(lab_.Find("x"), nullptr);
  const auto sent = lab_.Take();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].topic, "gemel/deadletter/model_failed");
  EXPECT_NE(Parsed(sent[0])["error"].get<std::string>().find("64 effects"), std::string::npos)
      << sent[0].payload;
  EXPECT_EQ(lab_.refused(Refusal::kModelFailed), 1u);
  Order("fill");
  EXPECT_EQ(lab_.Take().size(), kEffectsPerRecordMax);
}

TEST_F(EngineAlertTest, ACodeThatCantBeATopicLevelFailsTheCallWithTheReason) {
  Order("bad_code");
  const auto sent = lab_.Take();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_NE(Parsed(sent[0])["error"].get<std::string>().find("\"Too Hot\""), std::string::npos)
      << sent[0].payload;
}

TEST_F(EngineAlertTest, ALongMessageIsCutAtACharacter) {
  Order("long");
  const std::string message = Parsed(lab_.Take().at(0))["message"];
  EXPECT_LE(message.size(), kAlertMessageBytesMax);
  EXPECT_GT(message.size(), kAlertMessageBytesMax - 4);
  EXPECT_EQ(message.find("\uFFFD"), std::string::npos);
}

TEST_F(EngineAlertTest, AlertsBeyondWhatATwinCanHaveAreNotSent) {
  static_assert(kAlertsPerTwinMax == kEffectsPerRecordMax);
  Order("fill");
  lab_.Take();
  Order("raise look");
  EXPECT_TRUE(lab_.Take().empty());
  EXPECT_EQ(lab_.Find("x")->side()->alerts.size(), kAlertsPerTwinMax);
  EXPECT_EQ(lab_.Field("x", "calls"), "2") << "the message itself is applied";
  EXPECT_EQ(lab_.stats().alerts_dropped.value(), 1u);
}

TEST_F(EngineAlertTest, DeletionClearsTheAlertsOfTheTwinAlone) {
  const Lsn lsn = Order("raise");
  lab_.Say({.id = "y", .json = R"({"order": "raise"})"});
  lab_.Take();
  lab_.Delete("x");
  const auto sent = lab_.Take();
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(Parsed(sent[0])["status"], "cleared_unacked");
  EXPECT_EQ(Parsed(sent[0])["id"], FormatEffectId('a', {lsn, 0}));
  EXPECT_FALSE(sent[0].is_retained);
  ExpectEmptied(sent[1], kMajorTopic);
  EXPECT_EQ(lab_.Find("x"), nullptr);
  EXPECT_EQ(lab_.Find("y")->side()->alerts.size(), 1u);
  EXPECT_EQ(Cleared(GEMEL_MAJOR), 1u);
}

}  // namespace
}  // namespace gemel::twin
