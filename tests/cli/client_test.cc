// The verbs that ask a running gateway.

#include "gateway/cli/client.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "gateway/cli/verbs.h"
#include "gateway/http/server.h"
#include "tests/cli/program.h"
#include "tests/http/fleet.h"

namespace gemel::cli {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using Json = nlohmann::json;

class ClientTest : public http::Fleet {
 protected:
  ClientTest() {
    auto server = http::Server::Start({.port = 0}, http::MakeApi(sources()));
    EXPECT_TRUE(server.ok());
    server_ = *std::move(server);
  }
  // The program, told of the gateway.
  Outcome Ask(std::vector<std::string> arguments) {
    return Gemel(std::move(arguments),
                 {"GEMEL_SERVER=http://" + server_->address(), "http_proxy=http://127.0.0.1:1"});
  }

  std::unique_ptr<http::Server> server_;
};

TEST_F(ClientTest, ModelsAsATableAndAsJson) {
  Feed("f1", "{}");
  EXPECT_EQ(Ask({"models"}).output,
            "MODEL   TWINS  FIELDS  MEANING\nfridge      1       6  A refrigerator.\n");
  EXPECT_EQ(Json::parse(Ask({"models", "--json"}).output)[0]["fields"].size(), 6u);
}

TEST_F(ClientTest, ListAsATableEscapesWhatATerminalWouldObey) {
  Feed("f1", R"({"temperature_c": 3.5, "note": "\u001b[2J"})");
  Feed("f22", R"({"temperature_c": -13.25, "note": "ok"})");
  const Outcome outcome = Ask({"list", "fridge", "--fields", "temperature_c,note"});
  EXPECT_EQ(outcome.code, kDone) << outcome.errors;
  EXPECT_EQ(outcome.output,
            "ID   AGE   temperature_c  note\n"
            "f1   0 ms            3.5  \"\\u{1b}[2J\"\n"
            "f22  0 ms         -13.25  ok\n");
}

TEST_F(ClientTest, ListAsJsonIsOneArrayAcrossPages) {
  for (int i = 0; i < 1'234; ++i) Feed(fmt::format("f{:04}", i), "{}");
  const Json all = Json::parse(Ask({"list", "fridge", "--json"}).output);
  ASSERT_EQ(all.size(), 1'234u);
  EXPECT_EQ(all[1'233]["id"], "f1233");
  EXPECT_EQ(Json::parse(Ask({"list", "fridge", "--json", "--limit", "1001"}).output).size(),
            1'001u);
}

TEST_F(ClientTest, ListOfNoTwinsIsEmpty) {
  EXPECT_EQ(Ask({"list", "fridge", "--json"}).output, "[]\n");
  EXPECT_EQ(Ask({"list", "fridge"}).output, "");
  ExpectRefusal(Ask({"list", "oven"}), kNo);
}

TEST_F(ClientTest, GetShowsOneTwin) {
  Feed("f/2 %", R"({"temperature_c": 9})");
  const Outcome outcome = Ask({"get", "fridge/f/2 %"});
  EXPECT_EQ(outcome.code, kDone) << outcome.errors;
  EXPECT_THAT(outcome.output, HasSubstr("fridge/f/2 %, heard 0 ms ago\n"));
  EXPECT_THAT(outcome.output, HasSubstr("\n  temperature_c  9\n"));
  EXPECT_THAT(outcome.output, HasSubstr("\nprofile\n  limit_c  8\n"));
  EXPECT_THAT(outcome.output,
              ContainsRegex("  major     active_unacked  warm      1  a-[0-9a-f]+-0  Too warm\n"));
  const Json twin = Json::parse(Ask({"get", "fridge/f/2 %", "--json"}).output);
  EXPECT_EQ(twin["state"]["mood"], "warm");
}

TEST_F(ClientTest, GetShowsWhichCommandsWaitForAnAnswer) {
  world_.routes[0].is_answered = true;
  Feed("f1", R"({"temperature_c": 9})");
  EXPECT_THAT(Ask({"get", "fridge/f1"}).output,
              ContainsRegex("\ncommands without an answer\n  COMMAND +SENT.*\n"
                            "  cool_down +1 .*c-[0-9a-f]+-[0-9]+\n"));
}

TEST_F(ClientTest, AnAcknowledgementMayTakeEffectLater) {
  Feed("f1", R"({"temperature_c": 9})");
  const Json twin = Json::parse(Ask({"get", "fridge/f1", "--json"}).output);
  const std::string id = twin["alerts"][0]["id"];
  const Outcome outcome = Ask({"alerts", "ack", id, "--by", "slow"});
  EXPECT_EQ(outcome.code, kDone) << outcome.errors;
  EXPECT_THAT(outcome.output, HasSubstr(id + ": recorded; the gateway is behind"));
}

TEST_F(ClientTest, SendSaysUnderWhichId) {
  Feed("f/2 %", "{}");
  const Outcome outcome =
      Ask({"send", "fridge/f/2 %", "rest", R"({"minutes": 30})", "--expires", "10m"});
  EXPECT_EQ(outcome.code, kDone) << outcome.errors;
  EXPECT_EQ(outcome.output, "c-1-0: recorded\n");
  EXPECT_EQ(Json::parse(Ask({"send", "fridge/f/2 %", "rest", "--json"}).output)["id"], "c-1-0");
  ASSERT_EQ(orders().size(), 2u);
  EXPECT_EQ(orders()[0].arguments, R"({"minutes":30})");
  EXPECT_EQ(orders()[1].arguments, "{}");
}

TEST_F(ClientTest, SendRefusesWhatIsNoCommand) {
  Feed("f1", "{}");
  ExpectRefusal(Ask({"send", "fridge/f1", "Rest"}), kUsage);
  ExpectRefusal(Ask({"send", "fridge/f9", "rest"}), kNo);
  EXPECT_EQ(Ask({"send", "fridge/f1", "rest", "[]"}).code, kUsage);
  EXPECT_EQ(Ask({"send", "fridge", "rest"}).code, kUsage);
  EXPECT_EQ(Ask({"send", "fridge/f1"}).code, kUsage);
  EXPECT_TRUE(orders().empty());
}

TEST_F(ClientTest, SetShowsTheProfileAsItIsThen) {
  Feed("f/2 %", "{}");
  const Outcome outcome = Ask({"set", "fridge/f/2 %", "limit_c=5.5"});
  EXPECT_EQ(outcome.code, kDone) << outcome.errors;
  EXPECT_EQ(outcome.output, "limit_c=5.5\n");
  EXPECT_EQ(Ask({"set", "fridge/f/2 %", "--unset", "limit_c"}).output, "limit_c=8\n");
  EXPECT_EQ(Json::parse(Ask({"set", "fridge/new", "--create", "--json"}).output)["id"], "new");
  EXPECT_EQ(Ask({"set", "fridge/slow", "limit_c=1", "--create"}).output, "recorded\n");
}

TEST_F(ClientTest, SetRefusesWhatIsNoProfile) {
  Feed("f1", "{}");
  ExpectRefusal(Ask({"set", "fridge/f1", "temperature_c=1"}), kUsage);
  ExpectRefusal(Ask({"set", "fridge/f1", "limit_c=cold"}), kUsage);
  ExpectRefusal(Ask({"set", "fridge/f9", "limit_c=1"}), kNo);
  for (const char* wrong : {"limit_c", "=5"})
    EXPECT_EQ(Ask({"set", "fridge/f1", wrong}).code, kUsage) << wrong;
  EXPECT_EQ(Ask({"set", "fridge/f1"}).code, kUsage);
  EXPECT_EQ(Ask({"set", "fridge/f1", "limit_c=1", "limit_c=2"}).code, kUsage);
  EXPECT_EQ(Ask({"set", "fridge/f1", "--unset", "limit_c", "limit_c=2"}).code, kUsage);
  EXPECT_EQ(Ask({"set", "fridge", "limit_c=1"}).code, kUsage);
}

TEST_F(ClientTest, UnknownTwinIsNo) { ExpectRefusal(Ask({"get", "fridge/nobody"}), kNo); }

TEST_F(ClientTest, GatewayThatIsNotThereIsAFailure) {
  const std::string address = "http://" + server_->address();
  server_->Stop();
  for (const auto& verb : std::vector<std::vector<std::string>>{
           {"models"}, {"list", "fridge"}, {"get", "fridge/f1"}}) {
    const Outcome outcome = Ask(verb);
    ExpectRefusal(outcome, kFailed);
    EXPECT_THAT(outcome.errors, HasSubstr(address));
  }
  ExpectRefusal(Gemel({"models", "--server", "file:///etc/passwd"}), kFailed);
}

}  // namespace
}  // namespace gemel::cli
