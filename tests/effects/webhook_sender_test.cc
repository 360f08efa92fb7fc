// Against a server that answers well, badly or not at all.

#include "gateway/effects/webhook_sender.h"

#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/effects/sinks.h"
#include "tests/support/http_receiver.h"

namespace gemel::effects {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using support::HttpReceiver;
using support::HttpReply;
using support::HttpRequest;
using support::Reply;
using testing::ElementsAre;
using Then = HttpReply::Then;

class WebhookSenderTest : public ::testing::Test {
 protected:
  // While what it calls is still there.
  void TearDown() override {
    if (sender_) sender_->Stop(milliseconds(0));
  }
  static Webhook To(const std::string& name, const std::string& url) {
    return {.name = name,
            .target = {.url = url, .timeout = support::kPatience, .user_agent = "gemel/test"},
            .outbox = {.retry_min = milliseconds(1), .retry_max = milliseconds(20)}};
  }
  void Start(std::vector<Webhook> webhooks) {
    sender_ = std::make_unique<WebhookSender>(std::move(webhooks), clock_);
    sender_->Start([this](std::string_view webhook, std::span<const EndedEffect> ended) {
      const std::lock_guard lock(mutex_);
      for (const EndedEffect& one : ended) ended_[std::string(webhook)][one.id.lsn] = one.outcome;
      changed_.notify_all();
      return true;
    });
  }
  void Append(const std::string& webhook, Lsn lsn, Duration lifetime = hours(1)) {
    sender_->Find(webhook)->Append({.id = {lsn, 3},
                                    .kind = EffectKind::kAlert,
                                    .key_hash = lsn,
                                    .lifetime = lifetime,
                                    .payload = R"({"n":)" + std::to_string(lsn) + "}"});
    sender_->NoteNews();
    sender_->Flush();
  }
  // How the effect has ended; nothing if it has not in time.
  std::optional<EffectOutcome> Ended(const std::string& webhook, Lsn lsn) {
    std::unique_lock lock(mutex_);
    const bool has_ended =
        changed_.wait_for(lock, support::kPatience, [&] { return ended_[webhook].contains(lsn); });
    if (!has_ended) return std::nullopt;
    return ended_[webhook][lsn];
  }

  SystemClock clock_;
  HttpReceiver receiver_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::map<Lsn, EffectOutcome>> ended_;
  std::unique_ptr<WebhookSender> sender_;
};

TEST_F(WebhookSenderTest, PostsThePayloadWithItsIdAndEndsItWithTheAnswer) {
  Webhook webhook = To("pager", receiver_.url("/v1/alerts?team=7"));
  webhook.target.headers = {"Authorization: Bearer s3cret"};
  Start({webhook});
  Append("pager", 0x1a2b);
  EXPECT_EQ(Ended("pager", 0x1a2b), EffectOutcome::kDelivered);
  const auto received = receiver_.received();
  ASSERT_EQ(received.size(), 1u);
  const HttpRequest& request = received[0];
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.path, "/v1/alerts?team=7");
  EXPECT_EQ(request.body, R"({"n":6699})");
  EXPECT_EQ(request.headers.at("content-type"), "application/json");
  EXPECT_EQ(request.headers.at("idempotency-key"), "a-1a2b-3");
  EXPECT_EQ(request.headers.at("user-agent"), "gemel/test");
  EXPECT_EQ(request.headers.at("authorization"), "Bearer s3cret");
  EXPECT_FALSE(request.headers.contains("expect"));
}

TEST_F(WebhookSenderTest, AServerThatFailsIsTriedAgainUnderTheSameIdUntilItTakesIt) {
  std::atomic<int> requests{0};
  receiver_.SetAnswer([&](const HttpRequest&) -> HttpReply {
    switch (++requests) {
      case 1:
        return Reply(500);
      case 2:
        return Reply(429, "Retry-After: 0\r\n");
      case 3:
        return {.bytes = "", .then = Then::kClose};
      case 4:
        return {.bytes = "HTTP/1.1 200 OK\r\nContent-Le", .then = Then::kClose};
      case 5:
        return {.bytes = "what\r\n\r\n", .then = Then::kClose};
      default:
        return Reply(202);
    }
  });
  Start({To("pager", receiver_.url())});
  Append("pager", 1);
  EXPECT_EQ(Ended("pager", 1), EffectOutcome::kDelivered);
  std::set<std::string> ids;
  for (const HttpRequest& request : receiver_.received())
    ids.insert(request.headers.at("idempotency-key"));
  EXPECT_THAT(ids, ElementsAre("a-1-3"));
  EXPECT_EQ(requests, 6);
  // The library itself repeats what a kept connection has ended for.
  EXPECT_GE(sender_->Find("pager")->retries(), 4u);
}

TEST_F(WebhookSenderTest, AServerThatRefusesConnectionsGetsAllOnceItIsThere) {
  receiver_.Close();
  Start({To("pager", receiver_.url())});
  for (Lsn lsn = 1; lsn <= 20; ++lsn) Append("pager", lsn);
  while (sender_->Find("pager")->retries() < 5) std::this_thread::yield();
  receiver_.Open();
  for (Lsn lsn = 1; lsn <= 20; ++lsn) EXPECT_EQ(Ended("pager", lsn), EffectOutcome::kDelivered);
}

TEST_F(WebhookSenderTest, ARedirectIsNotFollowedAndEndsIt) {
  HttpReceiver elsewhere;
  receiver_.SetAnswer(
      [&](const HttpRequest&) { return Reply(307, "Location: " + elsewhere.url() + "\r\n"); });
  Start({To("pager", receiver_.url())});
  Append("pager", 1);
  EXPECT_EQ(Ended("pager", 1), EffectOutcome::kFailed);
  EXPECT_EQ(elsewhere.received().size(), 0u);
  EXPECT_EQ(receiver_.received().size(), 1u);
}

TEST_F(WebhookSenderTest, ARefusalEndsItAtOnceAndTheNextOneIsTried) {
  receiver_.SetAnswer(
      [](const HttpRequest& request) { return Reply(request.body == R"({"n":1})" ? 422 : 200); });
  Start({To("pager", receiver_.url())});
  Append("pager", 1);
  Append("pager", 2);
  EXPECT_EQ(Ended("pager", 1), EffectOutcome::kFailed);
  EXPECT_EQ(Ended("pager", 2), EffectOutcome::kDelivered);
  EXPECT_EQ(receiver_.received().size(), 2u);
}

TEST_F(WebhookSenderTest, AHugeAnswerIsCutOffAndWhatItsHeadSaidHolds) {
  receiver_.SetAnswer([](const HttpRequest& request) -> HttpReply {
    const bool is_first = request.body == R"({"n":1})";
    return {.bytes = std::string("HTTP/1.1 ") + (is_first ? "200" : "404") +
                     " Huge\r\nContent-Length: 1000000000\r\n\r\n" + std::string(1 << 20, 'x'),
            .then = Then::kHang};
  });
  Start({To("pager", receiver_.url())});
  Append("pager", 1);
  Append("pager", 2);
  EXPECT_EQ(Ended("pager", 1), EffectOutcome::kDelivered);
  EXPECT_EQ(Ended("pager", 2), EffectOutcome::kFailed);
}

TEST_F(WebhookSenderTest, AnAnswerThatEndsInTheMiddleOfItsBodyIsTheAnswer) {
  receiver_.SetAnswer([](const HttpRequest&) -> HttpReply {
    return {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", .then = Then::kClose};
  });
  Start({To("pager", receiver_.url())});
  Append("pager", 1);
  EXPECT_EQ(Ended("pager", 1), EffectOutcome::kDelivered);
  EXPECT_EQ(receiver_.received().size(), 1u);
}

TEST_F(WebhookSenderTest, OneThatHangsHoldsNoOtherWebhookAndNoOtherTwin) {
  receiver_.SetAnswer([](const HttpRequest& request) -> HttpReply {
    if (request.body == R"({"n":1})") return {.bytes = "", .then = Then::kHang};
    return Reply(200);
  });
  HttpReceiver other;
  Start({To("pager", receiver_.url()), To("chat", other.url())});
  Append("pager", 1);
  ASSERT_TRUE(receiver_.AwaitCount(1));
  Append("pager", 2);
  Append("chat", 1);
  EXPECT_EQ(Ended("pager", 2), EffectOutcome::kDelivered);
  EXPECT_EQ(Ended("chat", 1), EffectOutcome::kDelivered);
  // What has ended is told first and let go afterwards.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (sender_->Find("pager")->effects() > 1 && std::chrono::steady_clock::now() < end)
    std::this_thread::yield();
  EXPECT_EQ(sender_->Find("pager")->effects(), 1u) << "it is still on its way";
}

TEST_F(WebhookSenderTest, OneThatHangsIsGivenUpAfterTheTimeoutAndTriedAgain) {
  std::atomic<int> requests{0};
  receiver_.SetAnswer([&](const HttpRequest&) -> HttpReply {
    if (++requests == 1) return {.bytes = "HTTP/1.1 200", .then = Then::kHang};
    return Reply(200);
  });
  Webhook webhook = To("pager", receiver_.url());
  webhook.target.timeout = milliseconds(100);
  Start({webhook});
  Append("pager", 1);
  EXPECT_EQ(Ended("pager", 1), EffectOutcome::kDelivered);
  EXPECT_GE(requests, 2);
}

TEST_F(WebhookSenderTest, WhatIsNotTakenInTimeExpires) {
  receiver_.SetAnswer([](const HttpRequest&) { return Reply(503); });
  Start({To("pager", receiver_.url())});
  Append("pager", 1, milliseconds(50));
  EXPECT_EQ(Ended("pager", 1), EffectOutcome::kExpired);
}

TEST_F(WebhookSenderTest, AStopTriesWhatWasJustDecidedAndLeavesWhatFails) {
  std::atomic<bool> is_failing{false};
  receiver_.SetAnswer([&](const HttpRequest&) { return Reply(is_failing ? 500 : 200); });
  Webhook webhook = To("pager", receiver_.url());
  webhook.outbox.retry_min = webhook.outbox.retry_max = seconds(60);
  Start({webhook});
  for (Lsn lsn = 1; lsn <= 100; ++lsn) Append("pager", lsn);
  sender_->Stop(support::kPatience);
  EXPECT_EQ(sender_->Find("pager")->effects(), 0u);
  EXPECT_EQ(ended_["pager"].size(), 100u);

  is_failing = true;
  Start({webhook});
  Append("pager", 200);
  const auto before = std::chrono::steady_clock::now();
  sender_->Stop(support::kPatience);
  EXPECT_LT(std::chrono::steady_clock::now() - before, support::kPatience);
  EXPECT_EQ(sender_->Find("pager")->Waiting().size(), 1u) << "the next start sends it";
}

TEST_F(WebhookSenderTest, SinksPutEachEffectWhereItBelongsAndCountWhatHasNoPlace) {
  Parker parker;
  Outbox broker(1 << 20, parker);
  Start({To("pager", receiver_.url()), To("chat", receiver_.url("/chat"))});
  Sinks sinks(broker, *sender_);
  sinks.SetSince({{"pager", 0}, {"chat", 100}});
  const auto append = [&](std::string_view webhook, Lsn lsn) {
    sinks.Append({.id = {lsn, 0}, .lifetime = hours(1), .payload = "{}", .webhook = webhook});
  };
  append("", 1);
  append("pager", 2);
  append("chat", 99);  // before it was there
  append("chat", 100);
  append("gone", 3);
  append("gone", 4);
  sinks.Flush();
  EXPECT_EQ(broker.effects(), 1u);
  EXPECT_EQ(Ended("pager", 2), EffectOutcome::kDelivered);
  EXPECT_EQ(Ended("chat", 100), EffectOutcome::kDelivered);
  EXPECT_EQ(receiver_.received().size(), 2u);
  EXPECT_THAT(sinks.dropped(), ElementsAre(std::pair("chat", 1u), std::pair("gone", 2u)));
}

TEST_F(WebhookSenderTest, AnySinkThatIsFullHoldsIntakeAndSaysWhich) {
  Parker parker;
  Outbox broker(1 << 20, parker);
  receiver_.SetAnswer(
      [](const HttpRequest&) -> HttpReply { return {.bytes = "", .then = Then::kHang}; });
  Webhook webhook = To("pager", receiver_.url());
  webhook.outbox.bytes_max = 64 * 1'024;
  Start({webhook});
  Sinks sinks(broker, *sender_);
  EXPECT_FALSE(sinks.is_over());
  Lsn lsn = 0;
  while (!sinks.is_over()) Append("pager", ++lsn);
  EXPECT_EQ(sinks.why_over(),
            "the outbox of webhook \"pager\" is full: it takes alerts too slowly");
  EXPECT_FALSE(sinks.has_recovered());
  broker.Append({.topic = "t", .payload = std::string(2 << 20, 'x')});
  EXPECT_EQ(sinks.why_over(), "the outbox is full: the broker takes effects too slowly");
}

}  // namespace
}  // namespace gemel::effects
