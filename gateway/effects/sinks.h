#pragma once

#include <map>
#include <mutex>
#include <string>

#include "gateway/base/lsn.h"
#include "gateway/effects/backlog.h"
#include "gateway/effects/effect.h"
#include "gateway/effects/outbox.h"
#include "gateway/effects/webhook_sender.h"
#include "gateway/history/alert_log.h"

namespace gemel::effects {

// Puts each effect into the outbox of its sink, or into the history: behind the gate, so it sees
// what was restored as well as what is decided. An effect for a webhook that is no more, or that
// was decided before the webhook was there, is dropped and counted by name.
class Sinks final : public Sink, public Backlog {
 public:
  // Both outlive it.
  Sinks(Outbox& broker, WebhookSender& webhooks) : broker_(broker), webhooks_(webhooks) {}

  // The webhooks get no effects of records before these. REQUIRES: nothing was appended yet
  void SetSince(std::map<std::string, Lsn, std::less<>> since) { since_ = std::move(since); }

  // Where what becomes of alerts and commands is written, too; it outlives the last Append.
  // REQUIRES: nothing was appended yet
  void KeepHistory(history::AlertLog& log) { history_ = &log; }

  void Append(const Effect& effect) override;
  void Flush() noexcept override;
  // Any thread. How many effects were dropped, by webhook.
  std::map<std::string, uint64_t, std::less<>> dropped() const;

  std::string why_over() const override;
  bool is_over() const override;
  bool has_recovered() const override;

 private:
  Outbox& broker_;
  WebhookSender& webhooks_;
  history::AlertLog* history_ = nullptr;
  std::map<std::string, Lsn, std::less<>> since_;
  mutable std::mutex mutex_;  // of dropped_, which nobody adds to but at a start
  std::map<std::string, uint64_t, std::less<>> dropped_;
};

}  // namespace gemel::effects
