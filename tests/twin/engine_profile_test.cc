// What the engine does with what is said of devices' profiles.

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/model/state.h"
#include "gateway/sdk/arguments.hpp"
#include "gateway/twin/profile_change.h"
#include "gateway/twin/side_text.h"
#include "tests/twin/lab.h"

namespace gemel::twin {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class EngineProfileTest : public ::testing::Test {
 protected:
  std::span<const gemel_field> table() const { return lab_.probes.model().fields(); }
  json Read(std::string_view text) const {
    json fields;
    const auto refused = ReadProfileFields(text, table(), fields);
    EXPECT_FALSE(refused) << refused->detail;
    return fields;
  }
  std::string WhyNot(std::string_view text) const {
    json fields;
    const auto refused = ReadProfileFields(text, table(), fields);
    return refused ? refused->detail : "";
  }
  Lsn Set(std::string_view id, std::string_view text, bool creates = false,
          Teller teller = Teller::kPerson) {
    ProfileChange change =
        ChangeOf(Read(text), lab_.probes.world.models[0], id, lab_.probes.symbols);
    change.teller = teller;
    change.creates = creates;
    return lab_.SetProfile(id, change);
  }
  std::string Told(std::string_view id) {
    std::string told;
    WriteTold(lab_.Find(id)->side(), told);
    return told;
  }

  Lab lab_;
};

TEST_F(EngineProfileTest, ALiveTwinHasWhatIsSet) {
  lab_.Say({});
  EXPECT_EQ(lab_.Field("x", "limit"), "8");
  Set("x", R"({"limit": 5.5, "owner": "anna", "note": "left"})");
  EXPECT_EQ(lab_.Field("x", "limit"), "5.5");
  EXPECT_EQ(lab_.Field("x", "owner"), "\"anna\"");
  EXPECT_EQ(lab_.Field("x", "note"), "\"left\"");
  Set("x", R"({"limit": "6"})");
  EXPECT_EQ(lab_.Field("x", "limit"), "6");
  EXPECT_EQ(lab_.Field("x", "owner"), "\"anna\"") << "what is not named stays";
  EXPECT_EQ(Told("x"), R"({"limit":"person","note":"person","owner":"person"})");
  EXPECT_EQ(lab_.Field("x", "calls"), "1") << "the model is not told";
}

TEST_F(EngineProfileTest, NullIsWhatTheFileSaysOrElseTheModel) {
  lab_.Say({});
  lab_.Say({.id = "p1"});
  for (const char* id : {"x", "p1"}) Set(id, R"({"limit": 5, "owner": "anna"})");
  for (const char* id : {"x", "p1"}) Set(id, R"({"limit": null, "owner": null})");
  EXPECT_EQ(lab_.Field("x", "limit"), "8");
  EXPECT_EQ(lab_.Field("p1", "limit"), "4");
  EXPECT_EQ(lab_.Field("p1", "owner"), "null");
  EXPECT_EQ(Told("p1"), "");
}

TEST_F(EngineProfileTest, AFileHoldsWhereNobodyHasSaidAnything) {
  lab_.Say({});
  Set("x", R"({"limit": 5})");
  Set("x", R"({"limit": 1, "owner": "anna"})", false, Teller::kFile);
  EXPECT_EQ(lab_.Field("x", "limit"), "5");
  EXPECT_EQ(lab_.Field("x", "owner"), "\"anna\"");
  EXPECT_EQ(Told("x"), R"({"limit":"person"})");
}

// The broker brings what it has retained once more when it is asked anew.
TEST_F(EngineProfileTest, WhatIsRetainedYieldsToAPersonAndAnythingNewDoesNot) {
  Set("x", R"({"limit": 5, "owner": "anna"})", true, Teller::kRetained);
  EXPECT_EQ(Told("x"), R"({"limit":"topic","owner":"topic"})");
  Set("x", R"({"limit": 9})");
  Set("x", R"({"limit": 5, "owner": "bert"})", true, Teller::kRetained);
  EXPECT_EQ(lab_.Field("x", "limit"), "9");
  EXPECT_EQ(lab_.Field("x", "owner"), "\"bert\"");
  Set("x", R"({"owner": "carl"})", false, Teller::kFile);
  EXPECT_EQ(lab_.Field("x", "owner"), "\"bert\"") << "a topic has said so";
  Set("x", R"({"limit": 6})", true, Teller::kTopic);
  EXPECT_EQ(lab_.Field("x", "limit"), "6");
  EXPECT_EQ(Told("x"), R"({"limit":"topic","owner":"topic"})");
  Set("x", R"({"limit": 7})");
  Set("x", R"({"limit": null, "owner": null})", false, Teller::kTopic);
  EXPECT_EQ(lab_.Field("x", "limit"), "7") << "a person's word is not the topic's to take back";
  EXPECT_EQ(lab_.Field("x", "owner"), "null");
}

// Whatever the file says by the time of a replay.
TEST_F(EngineProfileTest, WhatATakenBackFieldIsThenStandsInTheRecord) {
  lab_.Say({.id = "p1"});
  Set("p1", R"({"limit": 5})");
  const ProfileChange change = ChangeOf(Read(R"({"limit": null, "note": "x"})"),
                                        lab_.probes.world.models[0], "p1", lab_.probes.symbols);
  EXPECT_EQ(change.unset, json({{"limit", 4}}));
  EXPECT_EQ(change.set, json({{"note", "x"}}));
  lab_.probes.world.models[0].apply_profile = nullptr;
  lab_.SetProfile("p1", change);
  EXPECT_EQ(lab_.Field("p1", "limit"), "4");
}

TEST_F(EngineProfileTest, ANumberThatJsonDoesNotHaveComesThrough) {
  lab_.Say({});
  Set("x", R"({"limit": 5})");
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  lab_.SetProfile("x",
                  {.unset = {{"limit", ProfileValueOf(ToValue(-kInfinity), lab_.probes.symbols)}}});
  const model::Model& model = lab_.probes.model();
  const gemel_field& limit = model.fields()[*model.FieldIndex("limit")];
  EXPECT_EQ(model::ReadValue(limit, lab_.Find("x")->state()).as.number, -kInfinity);
}

TEST_F(EngineProfileTest, AnEmptyTextIsAWordToo) {
  lab_.Say({});
  Set("x", R"({"note": "left", "owner": "anna"})");
  Set("x", R"({"note": "", "owner": " "})");
  EXPECT_EQ(lab_.Field("x", "note"), "null");
  EXPECT_EQ(lab_.Field("x", "owner"), "null");
  EXPECT_EQ(Told("x"), R"({"note":"person","owner":"person"})");
  EXPECT_THAT(WhyNot(R"({"limit": ""})"), HasSubstr("limit: an empty text"));
}

TEST_F(EngineProfileTest, ATwinIsMadeOnlyIfAsked) {
  Set("p1", R"({"owner": "anna"})");
  EXPECT_EQ(lab_.Find("p1"), nullptr);
  Set("p1", R"({"owner": "anna"})", true);
  ASSERT_NE(lab_.Find("p1"), nullptr);
  EXPECT_EQ(lab_.Field("p1", "is_ready"), "true") << "on_init was called";
  EXPECT_EQ(lab_.Field("p1", "limit"), "4") << "of the file";
  EXPECT_EQ(lab_.Field("p1", "owner"), "\"anna\"");
  EXPECT_EQ(lab_.Find("p1")->last_telemetry, kNoTime);
  EXPECT_EQ(lab_.stats().twins_created.value(), 1u);
  lab_.Say({.id = "p1"});
  EXPECT_EQ(lab_.Field("p1", "owner"), "\"anna\"");
  EXPECT_EQ(lab_.stats().twins_created.value(), 1u);
}

TEST_F(EngineProfileTest, ATwinThatItsModelRefusesIsNotMade) {
  Set("bad", R"({"limit": 1})", true);
  EXPECT_EQ(lab_.Find("bad"), nullptr);
  EXPECT_EQ(lab_.refused(Refusal::kModelFailed), 1u);
  EXPECT_EQ(lab_.stats().twins_created.value(), 0u);
}

TEST_F(EngineProfileTest, WhatIsNoChangeIsADeadLetter) {
  lab_.Say({});
  const std::initializer_list<const char*> wrong = {"{}", R"({"teller": "person", "set": 1})",
                                                    R"({"teller": "nobody"})", R"({"teller": 1})",
                                                    "no JSON"};
  for (const char* payload : wrong) lab_.SetProfile("x", payload);
  EXPECT_EQ(lab_.refused(Refusal::kPayloadInvalid), wrong.size());
  EXPECT_EQ(lab_.stats().profile_changes.value(), 0u);
}

// The record was written when the model was another one.
TEST_F(EngineProfileTest, WhatTheModelHasNoMoreIsLeftOut) {
  lab_.Say({});
  lab_.SetProfile(
      "x",
      R"({"teller": "person", "set": {"calls": 7, "gone": 1, "limit": "text", "owner": "nobody"},
                          "unset": {"calls": 9}})");
  EXPECT_EQ(lab_.Field("x", "calls"), "1");
  EXPECT_EQ(lab_.Field("x", "limit"), "8");
  EXPECT_EQ(lab_.Field("x", "owner"), "null") << "a text that nobody has interned";
  EXPECT_EQ(lab_.refused(Refusal::kPayloadInvalid), 0u);
  EXPECT_EQ(Told("x"), "");
}

TEST_F(EngineProfileTest, WhatWasToldIsRestored) {
  lab_.Say({});
  EXPECT_TRUE(RestoreTold("", *lab_.Find("x")));
  EXPECT_EQ(Told("x"), "");
  EXPECT_TRUE(RestoreTold("{}", *lab_.Find("x")));
  EXPECT_EQ(Told("x"), "");
  EXPECT_TRUE(RestoreTold(R"({"owner":"topic","limit":"person"})", *lab_.Find("x")));
  EXPECT_EQ(Told("x"), R"({"limit":"person","owner":"topic"})");
  for (const char* wrong : {"[]", R"({"a":"file"})", R"({"a":1})", "{", "null"})
    EXPECT_FALSE(RestoreTold(wrong, *lab_.Find("x"))) << wrong;
}

TEST_F(EngineProfileTest, AMistakeIsNamed) {
  EXPECT_THAT(WhyNot("[]"), HasSubstr("no JSON object"));
  EXPECT_THAT(WhyNot("{"), HasSubstr("no JSON object"));
  EXPECT_THAT(WhyNot(R"({"limit": {"a": {"b": 1}}})"), HasSubstr("no JSON object"));
  EXPECT_THAT(WhyNot(R"({"limit": [1]})"), HasSubstr("limit: "));
  EXPECT_THAT(WhyNot(R"({"limit": 1, "note": "", "limit": 2})"), HasSubstr("\"limit\" stands"));
  EXPECT_THAT(WhyNot(R"({"limit": "high"})"), HasSubstr("limit: "));
  EXPECT_THAT(WhyNot(R"({"limit": true})"), HasSubstr("limit: "));
  for (const char* other : {"calls", "a", "region", "Limit", "recent"}) {
    EXPECT_THAT(WhyNot(json({{other, 1}}).dump()),
                AllOf(HasSubstr(other), HasSubstr("allowed: limit, owner, note")));
  }
  EXPECT_EQ(Read("{}"), json::object());
}

TEST_F(EngineProfileTest, TooManyTextsOfSymbolsAreRefused) {
  Symbols few(1);
  ASSERT_TRUE(few.Intern("anna"));
  EXPECT_THAT(
      InternProfile({.set = {{"owner", "bert"}}}, lab_.probes.model(), few).status().message(),
      AllOf(HasSubstr("owner"), HasSubstr("bert")));
  EXPECT_TRUE(InternProfile({.set = {{"owner", "anna"}}}, lab_.probes.model(), few).ok());
  EXPECT_FALSE(InternProfile({.unset = {{"owner", "bert"}}}, lab_.probes.model(), few).ok());
}

}  // namespace
}  // namespace gemel::twin
