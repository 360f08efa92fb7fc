#include "gateway/playback/why.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/playback/life.h"
#include "tests/support/temp_dir.h"

namespace gemel::playback {
namespace {

using nlohmann::ordered_json;
using testing::HasSubstr;
using testing::SizeIs;

class WhyTest : public ::testing::Test {
 protected:
  // The ids of the alerts that were raised, in their order.
  static std::vector<EffectId> Raised(Life& life) {
    std::vector<EffectId> raised;
    for (const twin::Kept& kept : life.site.Effects()) {
      const auto payload = ordered_json::parse(kept.payload, nullptr, false);
      if (payload.is_object() && payload.value("status", "") == "active_unacked")
        raised.push_back(*ParseEffectId('a', payload["id"].get<std::string>()));
    }
    return raised;
  }
  Result<ordered_json> Tell(EffectId alert, size_t records = 10) const {
    const History history{.journal = folder_ / "journal",
                          .bases = store::FindBases(store::BasesFolder(folder_ / "gemel.db"))};
    return Why(alert, history, world_.probes.world, records);
  }
  ordered_json Told(EffectId alert, size_t records = 10) const {
    auto told = Tell(alert, records);
    EXPECT_TRUE(told.ok()) << told.status().message();
    return told.ok() ? *told : ordered_json();
  }

  support::TempDir folder_;
  FoldWorld world_;
};

TEST_F(WhyTest, TellsTheRecordThatRaisedItWhatWasBeforeAndWhatCameOfIt) {
  Life life(folder_.path());
  ASSERT_TRUE(life.Start().ok());
  life.site.AppendAll({{.json = R"({"a": 1})"},
                       {.id = "other", .json = R"({"a": 50, "order": "raise"})"},
                       {.json = R"({"a": 2, "order": "look"})"},
                       {.json = R"({"a": 3, "order": "raise reply"})"},
                       {.json = R"({"a": 4, "order": "raise"})"},
                       {.json = R"({"order": "minor"})"},
                       {.json = R"({"order": "clear"})"},
                       {.json = R"({"a": 9, "order": "raise"})"}});
  const std::vector<EffectId> raised = Raised(life);
  // Of "other", of "x", in another severity, and again.
  ASSERT_THAT(raised, SizeIs(4));

  const ordered_json story = Told(raised[1]);
  EXPECT_EQ(story["id"], FormatEffectId('a', raised[1]));
  EXPECT_EQ(story["twin"], "x");
  EXPECT_EQ(story["code"], "hot");
  EXPECT_EQ(story["severity"], "major");
  EXPECT_EQ(story["properties"], ordered_json({{"a", 3.0}}));
  EXPECT_EQ(story["records_before"], 2);
  EXPECT_EQ(story["is_from_beginning"], true);
  ASSERT_THAT(story["before"], SizeIs(2));
  EXPECT_EQ(story["before"][0]["payload"], R"({"a": 1})");
  EXPECT_EQ(story["before"][1]["payload"], R"({"a": 2, "order": "look"})");
  EXPECT_EQ(story["record"]["payload"], R"({"a": 3, "order": "raise reply"})");
  EXPECT_EQ(story["state_before"]["a"], 2.0);
  EXPECT_EQ(story["state_after"]["a"], 3.0);
  ordered_json change;
  for (const ordered_json& one : story["record"]["changes"]) {
    if (one["name"] == "a") change = one;
  }
  EXPECT_EQ(change["before"], 2.0);
  EXPECT_EQ(change["after"], 3.0);
  EXPECT_EQ(change["unit"], "degC");
  EXPECT_EQ(change["source"], "telemetry");
  ASSERT_THAT(story["record"]["effects"], SizeIs(2));
  EXPECT_EQ(story["record"]["effects"][0]["kind"], "alert");
  EXPECT_EQ(story["record"]["effects"][1]["kind"], "command");
  EXPECT_EQ(story["since"]["count"], 3);
  EXPECT_EQ(story["since"]["severity"], "minor");
  EXPECT_TRUE(story["since"]["cleared_ms"].is_number_integer());

  EXPECT_TRUE(Told(raised[3])["since"]["cleared_ms"].is_null()) << "it is active";
}

TEST_F(WhyTest, AnAlertThatATimerRaisedIsToldFromTheMessageThatArmedIt) {
  Life life(folder_.path(), {.is_timing = true});
  ASSERT_TRUE(life.Start().ok());
  life.site.AppendAll(
      {{.json = R"({"a": 5, "order": "alarm"})"}, {.id = "y", .wait = std::chrono::seconds(10)}});
  const ordered_json story = Told(Raised(life).at(0));
  EXPECT_EQ(story["record"]["timer"], "alarm");
  EXPECT_EQ(story["record"]["route"], "");
  EXPECT_EQ(story["state_after"]["fired"], 1);
  ASSERT_THAT(story["before"], SizeIs(1));
  EXPECT_EQ(story["before"][0]["payload"], R"({"a": 5, "order": "alarm"})");
  EXPECT_TRUE(story["before"][0]["timer"].is_null());
}

TEST_F(WhyTest, FirstMessageOfATwinHasNoStateBefore) {
  Life life(folder_.path());
  ASSERT_TRUE(life.Start().ok());
  life.site.AppendAll({{.json = R"({"order": "raise"})"}});
  const ordered_json story = Told(Raised(life).at(0));
  EXPECT_TRUE(story["state_before"].is_null());
  EXPECT_THAT(story["before"], SizeIs(0));
}

TEST_F(WhyTest, TellsAsManyRecordsAsAsked) {
  Life life(folder_.path());
  ASSERT_TRUE(life.Start().ok());
  for (int i = 0; i < 20; ++i) life.site.Append({.json = fmt::format(R"({{"a": {}}})", i)});
  life.site.Append({.json = R"({"order": "raise"})"});
  const ordered_json story = Told(Raised(life).at(0), 3);
  ASSERT_THAT(story["before"], SizeIs(3));
  EXPECT_EQ(story["before"][2]["payload"], R"({"a": 19})");
  EXPECT_EQ(story["records_before"], 20);
}

TEST_F(WhyTest, StartsFromABaseWhereTheJournalDoesNotGoBackToItsBeginning) {
  Life life(folder_.path(), {.segment_bytes = 8 * 1'024});
  ASSERT_TRUE(life.Start().ok());
  const auto write = [&](int count) {
    for (int i = 0; i < count; ++i) life.site.Append({.json = fmt::format(R"({{"a": {}}})", i)});
  };
  write(100);
  ASSERT_TRUE(life.Save().ok());
  const auto bases = store::BasesFolder(folder_ / "gemel.db");
  std::filesystem::create_directories(bases);
  const Lsn checkpoint = life.site.sequencer().last();
  life.CopyTo(bases / fmt::format("{:016x}.db", checkpoint));
  write(20);
  life.site.Append({.json = R"({"a": 77, "order": "raise"})"});
  const EffectId alert = Raised(life).at(0);
  // What the base makes superfluous goes.
  const auto segments = journal::FindSegments(folder_ / "journal").value();
  ASSERT_GT(segments.size(), 2U);
  for (size_t i = 0; i + 1 < segments.size(); ++i) {
    if (*journal::LsnOfName(segments[i + 1].filename().string()) <= checkpoint + 1)
      std::filesystem::remove(segments[i]);
  }

  const ordered_json story = Told(alert);
  EXPECT_EQ(story["is_from_beginning"], false);
  EXPECT_EQ(story["state_after"]["calls"], 121);
  EXPECT_EQ(story["records_before"], 20);

  std::filesystem::remove_all(bases);
  EXPECT_THAT(Tell(alert).status().message(), HasSubstr("no base before"));
}

TEST_F(WhyTest, SaysWhatIsMissing) {
  Life life(folder_.path());
  ASSERT_TRUE(life.Start().ok());
  life.site.AppendAll({{.json = R"({"a": 1})"}, {.json = R"({"order": "raise"})"}});
  const EffectId alert = Raised(life).at(0);
  EXPECT_EQ(Tell({alert.lsn + 1'000, 0}).status().code(), Code::kNotFound);
  EXPECT_THAT(Tell({alert.lsn + 1'000, 0}).status().message(), HasSubstr("no such record"));
  EXPECT_THAT(Tell({1, 0}).status().message(), HasSubstr("the journal goes back to"));
  EXPECT_THAT(Tell({alert.lsn, 7}).status().message(), HasSubstr("raises no such alert"));
  EXPECT_THAT(Tell({alert.lsn - 1, 0}).status().message(), HasSubstr("raises no such alert"));
}

}  // namespace
}  // namespace gemel::playback
