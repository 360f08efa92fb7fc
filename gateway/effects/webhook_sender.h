#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "gateway/base/clock.h"
#include "gateway/effects/http_post.h"
#include "gateway/effects/webhook_outbox.h"

namespace gemel::effects {

struct Webhook {
  std::string name;
  HttpTarget target;
  WebhookOutboxOptions outbox;
};

// The webhooks' thread: POSTs alerts to all of them, none waiting for another, and has recorded
// what became of each. Without webhooks there is no thread.
class WebhookSender {
 public:
  // Records that these effects have ended at a webhook; false: not now, ask again.
  using OnEnded = std::function<bool(std::string_view webhook, std::span<const EndedEffect>)>;

  // The clock outlives it.
  WebhookSender(std::vector<Webhook> webhooks, const Clock& clock);
  ~WebhookSender();

  // `on_ended` is called by the webhooks' thread.
  void Start(OnEnded on_ended);
  // Waits for the answers that are on their way, and tries what has not been tried, at most
  // `patience`. What is left stays in its outbox. REQUIRES: nothing is appended any more
  void Stop(std::chrono::milliseconds patience);

  // Any thread. Of this name; nullptr if there is none.
  WebhookOutbox* Find(std::string_view name) const;
  std::span<const std::unique_ptr<WebhookOutbox>> outboxes() const { return outboxes_; }
  // Any thread. Something was appended; Flush makes it known.
  void NoteNews() noexcept { has_news_.store(true, std::memory_order_relaxed); }
  void Flush() noexcept {
    if (has_news_.load(std::memory_order_relaxed) && has_news_.exchange(false)) poster_->Wake();
  }

 private:
  void Run();
  void Send();
  void Report();
  // Until something can be sent; zero if it can now.
  std::chrono::milliseconds TimeToNext() const;

  const std::vector<Webhook> webhooks_;
  std::vector<std::unique_ptr<WebhookOutbox>> outboxes_;  // by webhook
  std::unique_ptr<HttpPoster> poster_;                    // none without webhooks
  OnEnded on_ended_;
  std::atomic<bool> has_news_{false};
  std::atomic<bool> is_stopping_{false};
  std::chrono::steady_clock::time_point stop_at_;
  std::jthread thread_;
};

}  // namespace gemel::effects
