#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/http/fleet.h"

namespace gemel::http {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

class ProfilesTest : public Fleet {};

TEST_F(ProfilesTest, AFieldIsSetAndTheTwinShown) {
  Feed("f1", R"({"temperature_c": 3})");
  const Response response = Patch("/api/v1/twins/fridge/f1", R"({"limit_c": 5})");
  EXPECT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(Json::parse(response.body)["profile"]["limit_c"], 5);
  EXPECT_EQ(Json::parse(response.body)["state"]["temperature_c"], 3);
  EXPECT_EQ(Patch("/api/v1/twins/fridge/f1", R"({"limit_c": null})",
                  "application/merge-patch+json; charset=utf-8")
                .status,
            200);
  EXPECT_EQ(Json::parse(Get("/api/v1/twins/fridge/f1").body)["profile"]["limit_c"], 8);
}

TEST_F(ProfilesTest, ATwinIsMadeOnlyIfAsked) {
  EXPECT_EQ(Patch("/api/v1/twins/fridge/f7", R"({"limit_c": 5})").status, 404);
  EXPECT_EQ(Patch("/api/v1/twins/fridge/f7?create=true", R"({"limit_c": 5})").status, 200);
  const Json twin = Json::parse(Get("/api/v1/twins/fridge/f7").body);
  EXPECT_EQ(twin["profile"]["limit_c"], 5);
  EXPECT_EQ(twin["age_ms"], nullptr);
}

TEST_F(ProfilesTest, OneThatIsRefusedAllTheSameIsAConflict) {
  world_.twins_max = 0;
  EXPECT_EQ(Patch("/api/v1/twins/fridge/f7?create=true", "{}").status, 409);
}

TEST_F(ProfilesTest, AShardMayBeBehind) {
  Feed("slow", "{}");
  const Response response = Patch("/api/v1/twins/fridge/slow", R"({"limit_c": 5})");
  EXPECT_EQ(response.status, 202);
  EXPECT_EQ(Json::parse(response.body)["status"], "recorded");
}

TEST_F(ProfilesTest, AMistakeIsNamed) {
  Feed("f1", "{}");
  for (const auto& [body, why] : {std::pair{"5", "no JSON object"},
                                  {R"({"temperature_c": 1})", "allowed: limit_c"},
                                  {R"({"limit_c": "cold"})", "limit_c: "},
                                  {R"({"limit_c": {}})", "limit_c: "}}) {
    const Response response = Patch("/api/v1/twins/fridge/f1", body);
    EXPECT_EQ(response.status, 400) << body;
    EXPECT_THAT(response.body, HasSubstr(why));
  }
  EXPECT_EQ(Patch("/api/v1/twins/fridge/f1", "{}", "text/plain").status, 415);
  EXPECT_EQ(Patch("/api/v1/twins/oven/f1", "{}").status, 404);
  EXPECT_EQ(Patch("/api/v1/twins/fridge/f1?create=yes", "{}").status, 400);
  EXPECT_EQ(Patch("/api/v1/twins/fridge/f1?make=true", "{}").status, 400);
  EXPECT_EQ(Patch("/api/v1/twins/fridge", "{}").status, 405);
  EXPECT_EQ(Post("/api/v1/twins/fridge/f1", "{}").status, 405);
  EXPECT_EQ(Json::parse(Get("/api/v1/twins/fridge/f1").body)["profile"]["limit_c"], 8);
}

}  // namespace
}  // namespace gemel::http
