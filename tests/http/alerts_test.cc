#include "gateway/http/alerts.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/http/fleet.h"

namespace gemel::http {
namespace {

using Json = nlohmann::json;

class AlertsTest : public Fleet {
 protected:
  Json List(std::string_view query = "") {
    const Response response = Get("/api/v1/alerts" + std::string(query));
    EXPECT_EQ(response.status, 200) << response.body;
    return Json::parse(response.body, nullptr, false);
  }
  std::vector<std::string> Twins(std::string_view query = "") {
    std::vector<std::string> twins;
    for (const Json& alert : List(query)) twins.push_back(alert["twin"]);
    return twins;
  }
  void Warm(std::string_view id) {
    clock_.Advance(std::chrono::seconds(1));
    Feed(id, R"({"temperature_c": 20})");
  }
  void Cool(std::string_view id) { Feed(id, R"({"temperature_c": 1})"); }
  std::string IdOf(std::string_view twin) {
    for (const Json& alert : List()) {
      if (alert["twin"] == twin) return alert["id"];
    }
    return "";
  }
  int Ack(const std::string& id, std::string_view body = R"({"by": "anna", "comment": "ok"})",
          std::string_view type = "application/json") {
    return Post("/api/v1/alerts/" + id + "/ack", body, type).status;
  }
};

using Texts = std::vector<std::string>;

TEST_F(AlertsTest, WhatIsActiveOrNotAcknowledgedIsListedNewestFirst) {
  EXPECT_EQ(List(), Json::array());
  for (const char* id : {"a", "b", "c", "d"}) Warm(id);
  Cool("b");
  EXPECT_EQ(Twins(), (Texts{"d", "c", "b", "a"}));
  EXPECT_EQ(List()[2]["status"], "cleared_unacked");
  EXPECT_EQ(List()[3]["severity"], "major");
  EXPECT_EQ(List()[3]["model"], "fridge");
  EXPECT_EQ(Twins("?limit=2"), (Texts{"d", "c"}));
}

TEST_F(AlertsTest, AFilterLeavesTheOthersOut) {
  for (const char* id : {"a", "b", "c"}) Warm(id);
  Cool("b");
  ASSERT_EQ(Ack(IdOf("c")), 200);
  EXPECT_EQ(Twins("?status=active_unacked"), Texts{"a"});
  EXPECT_EQ(Twins("?status=cleared_unacked"), Texts{"b"});
  EXPECT_EQ(Twins("?status=active_acked&model=fridge&severity=major"), Texts{"c"});
  EXPECT_EQ(Twins("?severity=critical"), Texts{});
}

TEST_F(AlertsTest, AWrongFilterIsRefusedByName) {
  for (const char* query : {"?severity=bad", "?status=cleared_acked", "?what=1", "?limit=0"})
    EXPECT_EQ(Get("/api/v1/alerts" + std::string(query)).status, 400) << query;
  EXPECT_EQ(Get("/api/v1/alerts?model=oven").status, 404);
}

TEST_F(AlertsTest, AnAcknowledgementReachesTheTwin) {
  Warm("a");
  ASSERT_EQ(Ack(IdOf("a")), 200);
  const Json alert = List()[0];
  EXPECT_EQ(alert["status"], "active_acked");
  EXPECT_EQ(alert["acked_by"], "anna");
  EXPECT_EQ(alert["comment"], "ok");
  const Json twin = Json::parse(Get("/api/v1/twins/fridge/a").body);
  EXPECT_EQ(twin["alerts"][0]["status"], "active_acked");
  Cool("a");
  EXPECT_EQ(List(), Json::array());
}

TEST_F(AlertsTest, AcknowledgedAfterItsEndItLeavesTheList) {
  Warm("a");
  Cool("a");
  const std::string id = IdOf("a");
  EXPECT_EQ(Ack(id), 200);
  EXPECT_EQ(List(), Json::array());
  EXPECT_EQ(Ack(id), 404) << "nobody remembers it";
}

TEST_F(AlertsTest, AnAcknowledgementThatDidNothingOrNotYetIsToldApart) {
  Warm("a");
  const std::string id = IdOf("a");
  EXPECT_EQ(Ack(id, R"({"by": "late"})"), 409);
  EXPECT_EQ(Ack(id, R"({"by": "slow"})"), 202);
  EXPECT_EQ(Ack(id, R"({"by": "anna", "severity": "bad"})"), 400);
}

TEST_F(AlertsTest, ABadAcknowledgementSaysWhatIsWrong) {
  Warm("a");
  const std::string id = IdOf("a");
  EXPECT_EQ(Ack(id, R"({"by": ""})"), 400);
  EXPECT_EQ(Ack(id, "by anna"), 400);
  EXPECT_EQ(Ack("c-1-0"), 400);
  EXPECT_EQ(Ack("a-ffff-0"), 404);
  EXPECT_EQ(Ack(id, R"({"by": "anna"})", "text/plain"), 415) << "pages of other sites can send it";
  EXPECT_EQ(Ack(id, R"({"by": "anna"})", "application/jsonp"), 415);
  EXPECT_EQ(List()[0]["status"], "active_unacked");
  EXPECT_EQ(Ack(id, R"({"by": "anna"})", "application/json; charset=utf-8"), 200);
}

}  // namespace
}  // namespace gemel::http
