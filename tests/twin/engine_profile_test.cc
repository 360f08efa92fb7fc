// What the engine does with what is said of devices' profiles.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

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
using From = ProfileChange::From;

class EngineProfileTest : public ::testing::Test {
 protected:
  std::span<const gemel_field> table() const { return lab_.probes.model().fields(); }
  json Read(std::string_view text) const {
    auto fields = ReadProfileFields(text, table());
    EXPECT_TRUE(fields.ok()) << fields.status().message();
    return fields.ok() ? *std::move(fields) : json::object();
  }
  std::string WhyNot(std::string_view text) const {
    return ReadProfileFields(text, table()).status().message();
  }
  Lsn Set(std::string_view id, std::string_view text, bool creates = false,
          From from = From::kPerson) {
    return lab_.SetProfile(id, {.from = from, .creates = creates, .fields = Read(text)});
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
  EXPECT_EQ(Told("x"), R"(["limit","note","owner"])");
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
  Set("x", R"({"limit": 1, "owner": "anna"})", false, From::kFile);
  EXPECT_EQ(lab_.Field("x", "limit"), "5");
  EXPECT_EQ(lab_.Field("x", "owner"), "\"anna\"");
  EXPECT_EQ(Told("x"), R"(["limit"])");
  Set("x", R"({"owner": null})", false, From::kFile);
  EXPECT_EQ(lab_.Field("x", "owner"), "null");
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
  lab_.SetProfile("x", "{}");
  lab_.SetProfile("x", R"({"set": 1})");
  lab_.SetProfile("x", "no JSON");
  EXPECT_EQ(lab_.refused(Refusal::kPayloadInvalid), 3u);
}

// The record was written when the model was another one.
TEST_F(EngineProfileTest, WhatTheModelHasNoMoreIsLeftOut) {
  lab_.Say({});
  lab_.SetProfile("x", R"({"set": {"calls": 7, "gone": 1, "limit": "text", "owner": "nobody"}})");
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
  EXPECT_TRUE(RestoreTold(R"(["owner","limit","owner"])", *lab_.Find("x")));
  EXPECT_EQ(Told("x"), R"(["limit","owner"])");
  for (const char* wrong : {"{}", "[1]", "[", "null"})
    EXPECT_FALSE(RestoreTold(wrong, *lab_.Find("x"))) << wrong;
}

TEST_F(EngineProfileTest, AMistakeIsNamed) {
  EXPECT_THAT(WhyNot("[]"), HasSubstr("no JSON object"));
  EXPECT_THAT(WhyNot("{"), HasSubstr("no JSON object"));
  EXPECT_THAT(WhyNot(R"({"limit": {"a": {"b": 1}}})"), HasSubstr("no JSON object"));
  EXPECT_THAT(WhyNot(R"({"limit": [1]})"), HasSubstr("limit: "));
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
      InternProfile(Read(R"({"owner": "bert"})"), lab_.probes.model(), few).status().message(),
      AllOf(HasSubstr("owner"), HasSubstr("bert")));
  EXPECT_TRUE(InternProfile(Read(R"({"owner": "anna"})"), lab_.probes.model(), few).ok());
}

}  // namespace
}  // namespace gemel::twin
