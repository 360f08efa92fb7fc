#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/base/limits.h"
#include "gateway/twin/side_text.h"
#include "tests/twin/lab.h"

// Alerts from the raise to the acknowledgement, on either side of their end.
namespace gemel::twin {
namespace {

class EngineAckTest : public ::testing::Test {
 protected:
  // Tells twin x what to do; the id of an alert that it raises first thing.
  EffectId Order(std::string_view words) {
    return {lab_.Say({.json = R"({"order": ")" + std::string(words) + "\"}"}), 0};
  }
  const Side& side() { return *lab_.Find("x")->side(); }
  // What was sent since the last call: "topic status", "topic" with "-" for an empty payload; one
  // that is not retained in brackets.
  std::vector<std::string> Sent() {
    std::vector<std::string> all;
    for (const Kept& kept : lab_.Take()) {
      const std::string what =
          kept.payload.empty() ? "-"
                               : nlohmann::json::parse(kept.payload)["status"].get<std::string>();
      const std::string severity = kept.topic.substr(13, kept.topic.find('/', 13) - 13);
      all.push_back(kept.is_retained ? fmt::format("{} {}", severity, what)
                                     : fmt::format("({} {})", severity, what));
    }
    return all;
  }
  bool IsFound(EffectId alert) { return lab_.engine.open_alerts().Find(alert).has_value(); }

  Lab lab_;
};

using Texts = std::vector<std::string>;

TEST_F(EngineAckTest, AnActiveAlertThatIsAcknowledgedStaysRetainedAndSaysByWhom) {
  const EffectId id = Order("raise");
  lab_.Take();
  lab_.Acknowledge("x", id, "anna", "on its way");
  const auto sent = lab_.Take();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].is_retained);
  EXPECT_EQ(sent[0].topic, "gemel/alerts/major/probe/x/hot");
  const auto alert = nlohmann::json::parse(sent[0].payload);
  EXPECT_EQ(alert["id"], FormatEffectId('a', id));
  EXPECT_EQ(alert["status"], "active_acked");
  EXPECT_EQ(alert["acked_by"], "anna");
  EXPECT_EQ(alert["comment"], "on its way");
  EXPECT_EQ(alert["acked_ms"], alert["time_ms"]);
  EXPECT_EQ(lab_.stats().alerts_acknowledged.value(), 1u);
}

TEST_F(EngineAckTest, AcknowledgedAndThenOverItIsForgotten) {
  const EffectId id = Order("raise");
  lab_.Acknowledge("x", id);
  lab_.Take();
  Order("clear");
  EXPECT_EQ(Sent(), (Texts{"(major cleared_acked)", "major -"}));
  EXPECT_TRUE(side().alerts.empty());
  EXPECT_TRUE(side().cleared.empty());
  EXPECT_FALSE(IsFound(id));
}

TEST_F(EngineAckTest, OverBeforeItIsAcknowledgedItIsRememberedUntilThen) {
  const EffectId id = Order("raise");
  Order("clear");
  EXPECT_EQ(Sent(), (Texts{"major active_unacked", "(major cleared_unacked)", "major -"}));
  ASSERT_EQ(side().cleared.size(), 1u);
  EXPECT_EQ(side().cleared[0].id, id);
  EXPECT_TRUE(IsFound(id));
  Order("look");
  EXPECT_EQ(lab_.Field("x", "active"), "0") << "the model sees no alert";
  lab_.Acknowledge("x", id);
  EXPECT_EQ(Sent(), (Texts{"(major cleared_acked)"}));
  EXPECT_TRUE(side().cleared.empty());
  EXPECT_FALSE(IsFound(id));
}

TEST_F(EngineAckTest, RaisedAnewItIsAnotherAlertAndTheOldOneIsNoMore) {
  const EffectId first = Order("raise");
  Order("clear");
  const EffectId second = Order("raise");
  EXPECT_TRUE(side().cleared.empty());
  EXPECT_FALSE(IsFound(first));
  EXPECT_TRUE(IsFound(second));
  lab_.Take();
  lab_.Acknowledge("x", first);
  EXPECT_TRUE(lab_.Take().empty());
  EXPECT_FALSE(side().alerts[0].ack);
}

TEST_F(EngineAckTest, WhoAcknowledgesFirstHasDoneSo) {
  const EffectId id = Order("raise");
  const Lsn first = lab_.Acknowledge("x", id, "anna");
  lab_.Take();
  const Lsn second = lab_.Acknowledge("x", id, "bert");
  EXPECT_TRUE(lab_.Take().empty());
  EXPECT_TRUE(lab_.engine.HasAcknowledged(first));
  EXPECT_FALSE(lab_.engine.HasAcknowledged(second));
  EXPECT_EQ(side().alerts[0].ack->by, "anna");
  EXPECT_EQ(lab_.stats().alerts_acknowledged.value(), 1u);
}

TEST_F(EngineAckTest, ASeverityAboveTheAcknowledgedOneMustBeAcknowledgedAnew) {
  const EffectId id = Order("minor");
  lab_.Acknowledge("x", id);
  lab_.Take();
  Order("minor");
  EXPECT_TRUE(lab_.Take().empty());
  EXPECT_TRUE(side().alerts[0].ack) << "the same one need not";
  Order("raise");
  EXPECT_EQ(Sent(), (Texts{"minor -", "major active_unacked"}));
  lab_.Acknowledge("x", id);
  EXPECT_EQ(Sent(), (Texts{"major active_acked"}));
  Order("minor");
  EXPECT_EQ(Sent(), (Texts{"major -", "minor active_acked"})) << "nor a milder one";
  Order("raise");
  EXPECT_EQ(Sent(), (Texts{"minor -", "major active_acked"})) << "it was known to be this bad";
}

TEST_F(EngineAckTest, OneThatIsWorseThanWhatWasSeenIsNotAcknowledged) {
  const EffectId id = Order("minor");
  Order("raise");
  lab_.Take();
  EXPECT_FALSE(lab_.engine.HasAcknowledged(lab_.Acknowledge("x", id, "anna", "", GEMEL_MINOR)));
  EXPECT_TRUE(lab_.Take().empty());
  EXPECT_TRUE(lab_.engine.HasAcknowledged(lab_.Acknowledge("x", id, "anna", "", GEMEL_MAJOR)));
  EXPECT_EQ(Sent(), (Texts{"major active_acked"}));
}

TEST_F(EngineAckTest, WhatNamesNoAlertOfTheTwinChangesNothing) {
  const EffectId id = Order("raise");
  const Lsn before = lab_.Find("x")->applied_lsn;
  lab_.Take();
  lab_.Acknowledge("x", {id.lsn, 5});
  lab_.Acknowledge("nobody", id);
  EXPECT_TRUE(lab_.Take().empty());
  EXPECT_EQ(lab_.Find("x")->applied_lsn, before);
  EXPECT_EQ(lab_.Find("nobody"), nullptr);
}

TEST_F(EngineAckTest, OfMoreThanATwinRemembersTheOldestIsForgotten) {
  Order("fill");
  Side& side = lab_.Find("x")->MakeSide();
  // As models clear them, one after the other.
  while (!side.alerts.empty()) {
    side.cleared.push_back(side.alerts.front());
    side.cleared.back().cleared = lab_.now();
    side.alerts.erase(side.alerts.begin());
  }
  ASSERT_EQ(side.cleared.size(), kClearedAlertsPerTwinMax);
  const EffectId oldest = side.cleared[0].id;
  EXPECT_TRUE(IsFound(oldest));
  const EffectId id = Order("raise clear");
  EXPECT_EQ(side.cleared.size(), kClearedAlertsPerTwinMax);
  EXPECT_EQ(side.cleared.back().id, id);
  EXPECT_FALSE(IsFound(oldest));
}

TEST_F(EngineAckTest, DeletedWithItsTwinNothingIsFoundAnyMore) {
  const EffectId cleared = Order("raise");
  Order("clear");
  lab_.Delete("x");
  EXPECT_FALSE(IsFound(cleared));
  const EffectId active = Order("raise");
  lab_.Delete("x");
  EXPECT_FALSE(IsFound(active));
  EXPECT_EQ(lab_.engine.open_alerts().size(), 0u);
}

TEST_F(EngineAckTest, WhatIsWrittenOfAlertsComesBack) {
  const EffectId id = Order("minor");
  lab_.Acknowledge("x", id, "anna \"a\"", "");
  lab_.Say({.id = "y", .json = R"({"order": "raise clear"})"});
  for (const char* name : {"x", "y"}) {
    std::string text;
    WriteAlerts(lab_.Find(name)->side(), text);
    Lab other;
    Twin& twin = other.engine.Restore(0, HashKey("probe", name), name);
    ASSERT_TRUE(RestoreAlerts(text, twin)) << text;
    other.engine.FinishRestore(0, twin);
    std::string again;
    WriteAlerts(twin.side(), again);
    EXPECT_EQ(again, text);
    EXPECT_EQ(other.engine.open_alerts().size(), 1u) << text;
  }
  std::string text;
  WriteAlerts(lab_.Find("y")->side(), text);
  EXPECT_NE(text.find("cleared_us"), std::string::npos);
}

TEST_F(EngineAckTest, ARecordThatTheTwinHasSeenDoesNothing) {
  const EffectId id = Order("raise");
  lab_.Find("x")->applied_lsn = MakeLsn(1, 1'000);
  lab_.Take();
  lab_.Acknowledge("x", id);
  EXPECT_TRUE(lab_.Take().empty());
}

}  // namespace
}  // namespace gemel::twin
