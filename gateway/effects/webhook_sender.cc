#include "gateway/effects/webhook_sender.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "gateway/base/crash_point.h"
#include "gateway/base/lsn.h"

namespace gemel::effects {
namespace {

using std::chrono::milliseconds;
using Steady = std::chrono::steady_clock;

// Also how long what could not be recorded waits to be tried again.
constexpr milliseconds kRestMax{1'000};

}  // namespace

WebhookSender::WebhookSender(std::vector<Webhook> webhooks, const Clock& clock)
    : webhooks_(std::move(webhooks)) {
  for (const Webhook& webhook : webhooks_)
    outboxes_.push_back(std::make_unique<WebhookOutbox>(webhook.name, webhook.outbox, clock));
  if (!webhooks_.empty()) poster_ = std::make_unique<HttpPoster>();
}

WebhookSender::~WebhookSender() { Stop(milliseconds(0)); }

void WebhookSender::Start(OnEnded on_ended) {
  on_ended_ = std::move(on_ended);
  if (webhooks_.empty()) return;
  thread_ = std::jthread([this] {
    pthread_setname_np(pthread_self(), "gemel-webhooks");
    Run();
  });
}

void WebhookSender::Stop(milliseconds patience) {
  if (!thread_.joinable()) return;
  stop_at_ = Steady::now() + patience;
  is_stopping_.store(true);
  poster_->Wake();
  thread_.join();
}

WebhookOutbox* WebhookSender::Find(std::string_view name) const {
  const auto found = std::ranges::find(
      outboxes_, name, [](const auto& outbox) -> std::string_view { return outbox->name(); });
  return found == outboxes_.end() ? nullptr : found->get();
}

void WebhookSender::Run() {
  while (true) {
    Send();
    Report();
    const milliseconds rest = TimeToNext();
    if (is_stopping_.load()) {
      const bool is_idle = poster_->in_flight() == 0 && rest > milliseconds(0);
      if (is_idle || Steady::now() >= stop_at_) break;
    }
    for (const HttpPoster::Finished& finished : poster_->Wait(rest)) {
      CrashPoint("webhook.answered");
      outboxes_[finished.tag.target]->Finish(finished.tag.number, finished.answer);
    }
  }
}

void WebhookSender::Send() {
  for (size_t i = 0; i < webhooks_.size(); ++i) {
    while (const auto attempt = outboxes_[i]->Next()) {
      const OwnedEffect& effect = *attempt->effect;
      poster_->Post({i, attempt->number}, webhooks_[i].target,
                    FormatEffectId('a', effect.effect.id), effect.payload);
    }
  }
}

void WebhookSender::Report() {
  for (const auto& outbox : outboxes_) {
    outbox->Report([&](std::span<const EndedEffect> ended) {
      if (!on_ended_(outbox->name(), ended)) return false;
      CrashPoint("webhook.recorded");
      return true;
    });
    outbox->Say();
  }
}

milliseconds WebhookSender::TimeToNext() const {
  milliseconds rest = kRestMax;
  for (const auto& outbox : outboxes_) {
    if (const auto wait = outbox->Wait())
      rest = std::min(rest, std::chrono::ceil<milliseconds>(*wait));
  }
  return rest;
}

}  // namespace gemel::effects
