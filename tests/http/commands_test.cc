#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/http/fleet.h"

namespace gemel::http {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

class CommandsTest : public Fleet {
 protected:
  Response Send(std::string_view body, std::string_view twin = "fridge/f1",
                std::string_view type = "application/json") {
    return Post("/api/v1/twins/" + std::string(twin) + "/commands", body, type);
  }
};

TEST_F(CommandsTest, ACommandGoesToItsTwin) {
  Feed("f1", "{}");
  const Response response = Send(R"({"name": "rest", "args": {"minutes": 30}, "expires": "10m"})");
  EXPECT_EQ(response.status, 202) << response.body;
  EXPECT_EQ(Json::parse(response.body)["id"], "c-1-0");
  ASSERT_EQ(orders().size(), 1u);
  EXPECT_EQ(orders()[0].name, "rest");
  EXPECT_EQ(Json::parse(orders()[0].arguments), Json({{"minutes", 30}}));
  EXPECT_EQ(orders()[0].lifetime, std::chrono::minutes(10));
}

TEST_F(CommandsTest, ABadCommandSaysWhatIsWrong) {
  Feed("f1", "{}");
  for (const auto& [body, why] : {std::pair{"rest", "no JSON object"},
                                  {R"({"args": {}})", "name: "},
                                  {R"({"name": "Rest"})", "name: "},
                                  {R"({"name": "rest", "args": []})", "args: "},
                                  {R"({"name": "rest", "expires": 5})", "expires: "},
                                  {R"({"name": "rest", "expires": "0s"})", "expires: "},
                                  {R"({"name": "rest", "what": 1})", "what"}}) {
    const Response response = Send(body);
    EXPECT_EQ(response.status, 400) << body;
    EXPECT_THAT(response.body, HasSubstr(why));
  }
  EXPECT_EQ(Send(R"({"name": "rest"})", "fridge/f1", "text/plain").status, 415);
  EXPECT_EQ(Send(R"({"name": "rest"})", "oven/f1").status, 404);
  EXPECT_EQ(Send(R"({"name": "rest"})", "fridge/f9").status, 404);
  EXPECT_EQ(Send(R"({"name": "nowhere"})").status, 409);
  EXPECT_EQ(Send(R"({"name": "full"})").status, 503);
  EXPECT_TRUE(orders().empty());
}

TEST_F(CommandsTest, AListIsFiltered) {
  EXPECT_EQ(Get("/api/v1/commands?twin=fridge/f/1&id=c-1a-0&status=failed").body,
            "[fridge,f/1,c-1a-0,failed]");
  for (const char* query : {"?id=a-1-0", "?status=done", "?since=1", "?limit=0", "?what=1"})
    EXPECT_EQ(Get("/api/v1/commands" + std::string(query)).status, 400) << query;
  EXPECT_EQ(Get("/api/v1/commands?twin=oven").status, 404);
}

TEST_F(CommandsTest, ATwinShowsWhatWaitsForAnAnswer) {
  world_.routes[0].is_answered = true;
  Feed("f1", R"({"temperature_c": 20})");
  const Json commands = Json::parse(Get("/api/v1/twins/fridge/f1").body)["commands"];
  ASSERT_EQ(commands.size(), 1u);
  EXPECT_EQ(commands[0]["name"], "cool_down");
  EXPECT_EQ(commands[0]["status"], "sent");
  EXPECT_EQ(commands[0]["sent"], 1);
  EXPECT_THAT(Get("/metrics").body,
              HasSubstr(R"(gemel_commands_total{model="fridge",status="timeout"} 0)"));
}

}  // namespace
}  // namespace gemel::http
