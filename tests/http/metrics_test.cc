#include "gateway/http/metrics.h"

#include <regex>
#include <sstream>

#include <gmock/gmock.h>

#include "gateway/effects/webhook_outbox.h"
#include "tests/http/fleet.h"

namespace gemel::http {
namespace {

using ::testing::HasSubstr;

class MetricsTest : public Fleet {
 protected:
  std::string Text() { return MetricsText(sources()); }
};

TEST_F(MetricsTest, EveryLineIsInTheTextFormatAndEverySampleHasAType) {
  Feed("f1", R"({"temperature_c": 9})");
  const std::regex sample(
      R"re(^([a-z_]+)(\{[a-z_]+="([^"\\\n]|\\.)*"(,[a-z_]+="([^"\\\n]|\\.)*")*\})? )re"
      R"re((-?[0-9.]+(e[-+][0-9]+)?|\+Inf)$)re");
  std::istringstream lines(Text());
  std::string family;
  std::string line;
  while (std::getline(lines, line)) {
    if (line.starts_with("# HELP ")) continue;
    if (line.starts_with("# TYPE ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(family.starts_with("gemel_")) << line;
      continue;
    }
    std::smatch match;
    ASSERT_TRUE(std::regex_match(line, match, sample)) << line;
    EXPECT_TRUE(match[1].str().starts_with(family)) << line;
  }
}

TEST_F(MetricsTest, CountsWhatHappened) {
  Feed("f1", R"({"temperature_c": 9})");
  Feed("f1", R"({"temperature_c": 10})");
  Feed("f2", R"({"temperature_c": "x"})");
  sender_.commands[0].sent.Add(2);
  sender_.commands[0].delivered.Add(1);
  intake_.refused[static_cast<size_t>(Refusal::kUnroutable)] = 4;
  const std::string text = Text();
  for (const char* line : {
           R"(gemel_messages_received_total{route="kitchen/\"x\""} 7)",
           R"(gemel_messages_applied_total{model="fridge"} 2)",
           R"(gemel_messages_late_total{model="fridge"} 0)",
           R"(gemel_messages_refused_total{reason="unroutable"} 4)",
           R"(gemel_messages_refused_total{reason="field_invalid"} 1)",
           R"(gemel_commands_total{model="fridge",status="queued"} 2)",
           R"(gemel_commands_total{model="fridge",status="sent"} 2)",
           R"(gemel_commands_total{model="fridge",status="delivered"} 1)",
           R"(gemel_commands_total{model="fridge",status="expired"} 0)",
           R"(gemel_alerts_active{model="fridge",severity="major"} 1)",
           R"(gemel_alerts_active{model="fridge",severity="critical"} 0)",
           R"(gemel_twins{model="fridge"} 1)",
           R"(gemel_mailbox_bytes{shard="1"} )",
           R"(gemel_build_info{version="1.2.3"} 1)",
           R"(gemel_dead_letters_dropped_total 0)",
       }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST_F(MetricsTest, EachWebhookIsCountedByItsName) {
  std::vector<std::unique_ptr<effects::WebhookOutbox>> webhooks;
  for (const char* name : {"pager", "chat"}) {
    webhooks.push_back(
        std::make_unique<effects::WebhookOutbox>(name, effects::WebhookOutboxOptions{}, clock_));
  }
  for (uint64_t twin = 1; twin <= 3; ++twin)
    webhooks[0]->Append({.key_hash = twin, .lifetime = std::chrono::hours(1)});
  webhooks[0]->Finish(webhooks[0]->Next()->number, {.status = 204});
  webhooks[0]->Finish(webhooks[0]->Next()->number, {.status = 500});
  webhooks[0]->Report([](auto) { return true; });
  Sources with_webhooks = sources();
  with_webhooks.webhooks = webhooks;
  const std::string text = MetricsText(with_webhooks);
  for (const char* line : {
           R"(gemel_webhook_effects{webhook="pager"} 2)",
           R"(gemel_webhook_effects{webhook="chat"} 0)",
           R"(gemel_webhook_retries_total{webhook="pager"} 1)",
           R"(gemel_webhook_deliveries_total{webhook="pager",outcome="delivered"} 1)",
           R"(gemel_webhook_deliveries_total{webhook="pager",outcome="expired"} 0)",
           R"(gemel_webhook_deliveries_total{webhook="chat",outcome="delivered"} 0)",
           R"(gemel_outbox_dropped_total 0)",
       }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(Text(), testing::Not(HasSubstr("gemel_webhook"))) << "where there is none";
}

TEST_F(MetricsTest, AlertThatClearsIsNotActive) {
  Feed("f1", R"({"temperature_c": 9})");
  Feed("f1", R"({"temperature_c": 3})");
  EXPECT_THAT(Text(), HasSubstr(R"(gemel_alerts_active{model="fridge",severity="major"} 0)"));
}

TEST_F(MetricsTest, StagesAreCumulativeHistogramsOfEveryReading) {
  for (int i = 0; i < 5; ++i) Feed("f1", R"({"temperature_c": 1})");
  const std::string text = Text();
  EXPECT_THAT(text, HasSubstr("# TYPE gemel_stage_seconds histogram"));
  const std::regex bucket(R"re(gemel_stage_seconds_bucket\{stage="model",le="[^"]+"\} (\d+))re");
  uint64_t last = 0;
  size_t buckets = 0;
  for (std::sregex_iterator it(text.begin(), text.end(), bucket), end; it != end; ++it, ++buckets) {
    const uint64_t count = std::stoull((*it)[1]);
    EXPECT_GE(count, last);
    last = count;
  }
  EXPECT_EQ(buckets, 25u);
  std::smatch count;
  ASSERT_TRUE(std::regex_search(text, count,
                                std::regex(R"re(stage_seconds_count\{stage="model"\} (\d+))re")));
  EXPECT_EQ(std::stoull(count[1]), last);
}

}  // namespace
}  // namespace gemel::http
