#include "gateway/http/api.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gateway/http/server.h"
#include "gateway/http/target.h"
#include "gateway/http/twins.h"
#include "tests/http/fleet.h"
#include "tests/http/socket.h"

namespace gemel::http {
namespace {

using Json = nlohmann::json;
using namespace std::chrono_literals;

class ApiTest : public Fleet {
 protected:
  Json GetJson(std::string_view target) {
    const Response response = Get(target);
    EXPECT_EQ(response.status, 200) << target << ": " << response.body;
    return Json::parse(response.body);
  }
  // The ids of a list, and what Link says comes next.
  std::vector<std::string> Ids(std::string_view target, std::string* next = nullptr) {
    const Response response = Get(target);
    EXPECT_EQ(response.status, 200) << response.body;
    if (next != nullptr) {
      next->clear();
      for (const auto& [name, value] : response.headers) {
        if (name == "Link") *next = value.substr(1, value.find('>') - 1);
      }
    }
    std::vector<std::string> ids;
    for (const Json& twin : Json::parse(response.body)) ids.push_back(twin["id"]);
    return ids;
  }
};

TEST_F(ApiTest, HealthIsThatTheProcessAnswers) {
  readiness_ = {false, "no broker"};
  EXPECT_EQ(Get("/healthz").body, "{\"ok\":true}\n");
}

TEST_F(ApiTest, ReadyOnlyIfMessagesFlowAndOtherwiseSaysWhy) {
  EXPECT_EQ(Get("/readyz").body, "{\"ready\":true}\n");
  readiness_ = {false, "broker \"b\" away"};
  const Response response = Get("/readyz");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.body, "{\"ready\":false,\"because\":\"broker \\\"b\\\" away\"}\n");
}

TEST_F(ApiTest, NotReadyWhileTheOutboxIsOverItsBound) {
  const std::string payload(kOutboxBytes, 'x');
  outbox_.Append({.topic = "t", .payload = payload});
  EXPECT_EQ(Get("/readyz").status, 503);
}

TEST_F(ApiTest, ModelsAreDescribedFieldByField) {
  Feed("f1", "{}");
  const Json models = GetJson("/api/v1/models");
  ASSERT_EQ(models.size(), 1u);
  EXPECT_EQ(models[0]["name"], "fridge");
  EXPECT_EQ(models[0]["meaning"], "A refrigerator.");
  EXPECT_EQ(models[0]["twins"], 1);
  ASSERT_EQ(models[0]["fields"].size(), 6u);
  EXPECT_EQ(models[0]["fields"][0], Json::parse(R"({"name":"temperature_c","type":"double",
      "unit":"degC","meaning":"Inside.","source":"telemetry"})"));
  EXPECT_EQ(models[0]["fields"][3]["source"], "profile");
  EXPECT_EQ(models[0]["fields"][4]["choices"], Json({"cold", "warm"}));
  EXPECT_EQ(models[0]["fields"][5], Json::parse(R"({"name":"tail","type":"window","unit":"",
      "meaning":"The last two.","source":"model","layout":"tail<double,2>/1","bytes":16})"));
}

TEST_F(ApiTest, ListHoldsEveryFieldAndTheAge) {
  Feed("f1", R"({"temperature_c": 3.5, "note": "<script>\u0001\u202e\""})");
  clock_.Advance(1500ms);
  const Json twins = GetJson("/api/v1/twins/fridge");
  EXPECT_EQ(twins, Json::parse(R"([{"id":"f1","temperature_c":3.5,"opened":null,
      "note":"<script>\u0001\u202e\"","limit_c":8.0,"mood":"cold",
      "tail":{"layout":"tail<double,2>/1","bytes":16},"age_ms":1500}])"));
}

TEST_F(ApiTest, EmptyModelIsAnEmptyArray) {
  EXPECT_EQ(GetJson("/api/v1/twins/fridge"), Json::array());
}

TEST_F(ApiTest, ListIsOrderedByIdAndPagedByLink) {
  for (int i = 0; i < 100; ++i) Feed(fmt::format("f{:02}", (i * 37) % 100), "{}");
  std::vector<std::string> all;
  std::string next = "/api/v1/twins/fridge?limit=7";
  int pages = 0;
  while (!next.empty()) {
    const auto page = Ids(next, &next);
    all.insert(all.end(), page.begin(), page.end());
    EXPECT_EQ(page.size(), next.empty() ? 2u : 7u);
    ++pages;
  }
  EXPECT_EQ(pages, 15);
  ASSERT_EQ(all.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(all[i], fmt::format("f{:02}", i));
}

TEST_F(ApiTest, PageThatEndsTheListHasNoNext) {
  Feed("a", "{}");
  Feed("b", "{}");
  std::string next = "x";
  EXPECT_EQ(Ids("/api/v1/twins/fridge?limit=2", &next), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(next, "");
  EXPECT_EQ(Ids("/api/v1/twins/fridge?limit=1", &next), std::vector<std::string>{"a"});
  EXPECT_EQ(next, "/api/v1/twins/fridge?limit=1&after=a");
  EXPECT_EQ(Ids("/api/v1/twins/fridge?after=b", &next), std::vector<std::string>{});
  EXPECT_EQ(next, "");
}

TEST_F(ApiTest, NextIsEncodedHoweverTheIdLooks) {
  const std::string id = "a&b=%2F c>é";
  Feed(id, "{}");
  Feed("z", "{}");
  std::string next;
  EXPECT_EQ(Ids("/api/v1/twins/fridge?limit=1", &next), std::vector<std::string>{id});
  EXPECT_EQ(Ids(next), std::vector<std::string>{"z"});
}

TEST_F(ApiTest, LimitsThatAreNoneAre400) {
  for (const char* limit : {"-1", "0", "100001", "1e3", "", "x", "%201", "99999999999999999999"}) {
    const Response response = Get(fmt::format("/api/v1/twins/fridge?limit={}", limit));
    EXPECT_EQ(response.status, 400) << limit;
    EXPECT_NE(response.body.find("1 to 100000"), std::string::npos) << response.body;
  }
  EXPECT_EQ(Get("/api/v1/twins/fridge?limit=100000").status, 200);
  EXPECT_EQ(Get("/api/v1/twins/fridge?offset=1").status, 400);
}

TEST_F(ApiTest, GetTellsStateFromProfileAndHoldsAlerts) {
  Feed("f2", R"({"temperature_c": 5})");
  Feed("f2", R"({"temperature_c": 6})");
  clock_.Advance(10ms);
  const Json twin = GetJson("/api/v1/twins/fridge/f2");
  EXPECT_EQ(twin["id"], "f2");
  EXPECT_EQ(twin["model"], "fridge");
  EXPECT_EQ(twin["state"], Json::parse(R"({"temperature_c":6.0,"opened":null,"note":null,
      "mood":"warm","tail":{"layout":"tail<double,2>/1","bytes":16}})"));
  EXPECT_EQ(twin["profile"], Json::parse(R"({"limit_c":4.0})"));
  EXPECT_EQ(twin["timers"], Json::array());
  EXPECT_EQ(twin["age_ms"], 10);
  EXPECT_EQ(twin["applied_lsn"], "100000000002");
  ASSERT_EQ(twin["alerts"].size(), 1u);
  const Json& alert = twin["alerts"][0];
  EXPECT_EQ(alert["code"], "warm");
  EXPECT_EQ(alert["status"], "active_unacked");
  EXPECT_EQ(alert["severity"], "major");
  EXPECT_EQ(alert["count"], 2);
  EXPECT_EQ(alert["properties"], Json::parse(R"({"limit_c":4.0})"));
}

TEST_F(ApiTest, UnknownModelsAndTwinsAre404) {
  Feed("f1", "{}");
  for (const char* target :
       {"/api/v1/twins/fridge/f9", "/api/v1/twins/oven", "/api/v1/twins/oven/f1",
        "/api/v1/twins/fridge/%00", "/api/v1/twins/fridge/..", "/api/v1/twins/%2e%2e/f1",
        "/api/v1/twins/fridge/f1/state", "/api/v1/twins/", "/api/v2/models"}) {
    EXPECT_EQ(Get(target).status, 404) << target;
  }
  EXPECT_EQ(Get("/api/v1/twins/fridge/" + std::string(10'000, 'x')).status, 404);
}

TEST_F(ApiTest, IdsOfAnyBytesAreFoundByTheirEscapes) {
  const std::string id = "a/b \"<\u202e>";
  Feed(id, "{}");
  EXPECT_EQ(GetJson("/api/v1/twins/fridge/" + PercentEncode(id))["id"], id);
}

TEST_F(ApiTest, AnswersOverASocketWhileMessagesCome) {
  auto server = Server::Start({.port = 0}, MakeApi(sources()));
  ASSERT_TRUE(server.ok());
  std::jthread feeding([this] {
    for (int i = 0; i < 200; ++i) Feed(fmt::format("f{}", i % 20), R"({"temperature_c": 9})");
  });
  for (int i = 0; i < 20; ++i) {
    Socket socket((*server)->port());
    for (const char* target : {"/", "/metrics", "/api/v1/models", "/api/v1/twins/fridge"}) {
      socket.Send(http::Get((*server)->port(), target));
      const auto answer = socket.Receive();
      ASSERT_TRUE(answer);
      EXPECT_EQ(answer->status, 200) << target;
    }
  }
}

}  // namespace
}  // namespace gemel::http
