#include "gateway/config/webhook.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/config/parsing.h"
#include "tests/support/temp_dir.h"

namespace gemel::config {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// A configuration with one model and webhooks of these keys.
std::string WithWebhooks(std::initializer_list<std::string_view> webhooks) {
  std::string all;
  for (const std::string_view keys : webhooks)
    all += (all.empty() ? "{" : ", {") + std::string(keys) + "}";
  return R"({"models": [)" + std::string(kModel) + R"(], "webhooks": [)" + all + "]}";
}

std::string RefusedWebhook(std::string_view keys) {
  return Refused(WithWebhooks({R"("name": "pager", )" + std::string(keys)}));
}

TEST(WebhookConfigTest, NameAndUrlAreEnough) {
  const Config config =
      Accepted(WithWebhooks({R"("name": "pager", "url": "https://pager.example/v1?team=7")"}));
  const Webhook expected{.name = "pager", .url = "https://pager.example/v1?team=7"};
  EXPECT_THAT(config.webhooks, ElementsAre(expected));
  EXPECT_EQ(expected.retry_for, 1h);
  EXPECT_EQ(expected.timeout, 5s);
  EXPECT_EQ(expected.severities.size(), 5u);
}

TEST(WebhookConfigTest, EveryKeyIsRead) {
  const Config config = Accepted(WithWebhooks({R"("name": "p.1-a_b", "url": "https://[::1]:8443",
      "ca_file": "ca.pem", "severities": ["major", "info"], "models": ["truck"], "timeout": "250ms",
      "retry_for": "2d", "outbox": {"size": "1MiB", "when_full": "drop-oldest"})"}));
  const Webhook expected{.name = "p.1-a_b",
                         .url = "https://[::1]:8443",
                         .ca_file = "/etc/gemel/ca.pem",
                         .severities = {GEMEL_MAJOR, GEMEL_INFO},
                         .models = {"truck"},
                         .timeout = 250ms,
                         .retry_for = 48h,
                         .outbox = {.size = 1'024 * 1'024, .when_full = WhenFull::kDropOldest}};
  EXPECT_THAT(config.webhooks, ElementsAre(expected));
}

TEST(WebhookConfigTest, TheOutboxOfTheBrokerHasItsOwnBound) {
  const Config config = Accepted(R"({"outbox": {"size": "256MiB", "when_full": "drop-oldest"}})");
  EXPECT_EQ(config.outbox, (Outbox{256 * 1'024 * 1'024, WhenFull::kDropOldest}));
  EXPECT_EQ(Refused(R"({"outbox": {"when_full": "drop"}})"),
            "gemel.json: outbox.when_full: \"drop\" is not allowed; one of hold, drop-oldest");
}

TEST(WebhookConfigTest, NamesAreWordsAndUnique) {
  constexpr std::string_view kUrl = R"(, "url": "http://h/")";
  const auto named = [&](std::string_view name) {
    return R"("name": ")" + std::string(name) + "\"" + std::string(kUrl);
  };
  EXPECT_EQ(Refused(WithWebhooks({named("a"), named("b"), named("a")})),
            "gemel.json: webhooks[2].name: \"a\" is also the name of webhooks[0]");
  EXPECT_EQ(Refused(WithWebhooks({named("a b")})),
            "gemel.json: webhooks[0].name: \"a b\" is not allowed; letters, digits, _ - and .");
  EXPECT_THAT(Refused(WithWebhooks({R"("url": "http://h/")"})), HasSubstr("name"));
}

TEST(WebhookConfigTest, AUrlIsHttpWithoutCredentialsAndIsNeverShown) {
  for (const char* url : {"ftp://h/topsecret", "h/topsecret", "https:///topsecret",
                          "https://h:0/topsecret", "https://u:topsecret@h/", "http://h/topsecret x",
                          "http://h/#topsecret", "http://[::1/topsecret", "file:///topsecret"}) {
    const std::string message = RefusedWebhook(R"("url": ")" + std::string(url) + '"');
    EXPECT_THAT(message, HasSubstr("gemel.json: webhooks[0].url: ")) << url;
    EXPECT_THAT(message, HasSubstr("http://host:port/path or https://host:port/path")) << url;
    EXPECT_THAT(message, Not(HasSubstr("topsecret"))) << url;
  }
  EXPECT_THAT(RefusedWebhook(R"("url": "https://u:p@h/")"), HasSubstr("headers_file"));
  EXPECT_THAT(Refused(WithWebhooks({R"("name": "pager")"})), HasSubstr("webhooks[0].url: missing"));
  EXPECT_THAT(RefusedWebhook(R"("url": "http://h/", "url_file": "f")"),
              HasSubstr("webhooks[0].url_file: url is given too; only one of them"));
}

TEST(WebhookConfigTest, ModelsSeveritiesAndTlsAreChecked) {
  EXPECT_THAT(RefusedWebhook(R"("url": "http://h/", "models": ["truck", "truk"])"),
              HasSubstr("webhooks[0].models[1]: \"truk\" is none of models; did you mean truck?"));
  EXPECT_THAT(RefusedWebhook(R"("url": "http://h/", "severities": [])"),
              HasSubstr("webhooks[0].severities: is empty"));
  EXPECT_THAT(RefusedWebhook(R"("url": "http://h/", "severities": ["mayor"])"),
              HasSubstr("one of critical, major, minor, warning, info"));
  EXPECT_THAT(RefusedWebhook(R"("url": "http://h/", "ca_file": "ca.pem")"),
              HasSubstr("webhooks[0].ca_file: needs TLS"));
  EXPECT_THAT(RefusedWebhook(R"("url": "http://h/", "retry_for": "1")"),
              HasSubstr("webhooks[0].retry_for: "));
  std::string many = R"({"webhooks": [)";
  for (int i = 0; i <= 32; ++i)
    many +=
        (i > 0 ? "," : "") + (R"({"name": "w)" + std::to_string(i) + R"(", "url": "http://h"})");
  EXPECT_EQ(Refused(many + "]}"), "gemel.json: webhooks: 33 are more than 32");
}

TEST(WebhookConfigTest, WithoutTlsACheckSaysWhoCanReadAlong) {
  const Config config = Accepted(WithWebhooks({R"("name": "a", "url": "http://10.0.0.7/")",
                                               R"("name": "b", "url": "http://127.0.0.1:9/")",
                                               R"("name": "c", "url": "https://10.0.0.7/")"}));
  EXPECT_THAT(config.notes, Contains(HasSubstr("webhooks[0] has no TLS")));
  EXPECT_THAT(config.notes, Not(Contains(HasSubstr("webhooks[1]"))));
  EXPECT_THAT(config.notes, Not(Contains(HasSubstr("webhooks[2]"))));
}

class WebhookFileTest : public ::testing::Test {
 protected:
  void Write(const std::string& name, std::string_view text) {
    std::ofstream(folder_ / name) << text;
  }
  Result<Config> ParseHere(std::string_view keys) {
    return Parse(WithWebhooks({R"("name": "pager", )" + std::string(keys)}), "gemel.json",
                 folder_.path(), {});
  }
  std::string Message(std::string_view keys) { return ParseHere(keys).status().message(); }

  support::TempDir folder_;
};

TEST_F(WebhookFileTest, UrlAndHeadersComeFromFiles) {
  Write("url", "https://hooks.example/T0/B0/secret\r\n# of the team\n");
  Write("headers", "Authorization: Bearer s3cret\r\n\nX-Team: 7\n");
  const auto config = ParseHere(R"("url_file": "url", "headers_file": "headers")");
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->webhooks[0].url, "https://hooks.example/T0/B0/secret");
  EXPECT_THAT(config->webhooks[0].headers,
              ElementsAre("Authorization: Bearer s3cret", "X-Team: 7"));
}

TEST_F(WebhookFileTest, WhatIsWrongInAFileIsSaidWithoutWhatItHolds) {
  EXPECT_THAT(Message(R"("url_file": "url")"), HasSubstr("webhooks[0].url_file: "));
  Write("url", "s3cret\n");
  EXPECT_THAT(Message(R"("url_file": "url")"), HasSubstr("neither http:// nor https://"));
  EXPECT_THAT(Message(R"("url_file": "url")"), Not(HasSubstr("s3cret")));
  const std::string keys = R"("url": "https://h/", "headers_file": "headers")";
  EXPECT_THAT(Message(keys), HasSubstr("headers: no such file"));
  for (const char* bad : {"s3cret", "X-A s3cret: 1", ": s3cret", "X-A:  ", "X-A: s3cret\x01"}) {
    Write("headers", "X-Team: 7\n" + std::string(bad) + "\n");
    EXPECT_THAT(Message(keys), HasSubstr("line 2 ")) << bad;
    EXPECT_THAT(Message(keys), Not(HasSubstr("s3cret"))) << bad;
  }
  for (const char* own : {"content-length: 1", "Idempotency-Key: 1", "HOST: h"}) {
    Write("headers", own);
    EXPECT_THAT(Message(keys), HasSubstr("line 1 is a header that the gateway sets itself")) << own;
  }
  Write("headers", "X-A: " + std::string(17'000, 'x'));
  EXPECT_THAT(Message(keys), HasSubstr("longer than 16 KiB"));
}

}  // namespace
}  // namespace gemel::config
