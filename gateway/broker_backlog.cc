#include "gateway/broker_backlog.h"

#include <pthread.h>

#include <utility>

#include <nlohmann/json.hpp>

#include "gateway/base/log.h"

namespace gemel {
namespace {

// Patiences in a row while messages come.
constexpr int kPatiencesMax = 10;

}  // namespace

BrokerBacklog::BrokerBacklog(std::chrono::milliseconds patience, Heard heard,
                             std::function<void()> on_over)
    : heard_(std::move(heard)),
      on_over_(std::move(on_over)),
      thread_([this, patience](const std::stop_token& stop) {
        pthread_setname_np(pthread_self(), "gemel-backlog");
        Await(stop, patience);
        if (!stop.stop_requested()) on_over_();
      }) {}

BrokerBacklog::~BrokerBacklog() {
  thread_.request_stop();
  thread_.join();
}

void BrokerBacklog::Begin(int64_t since_ms) {
  const std::lock_guard lock(mutex_);
  since_ms_ = since_ms;
}

void BrokerBacklog::OnStatus(std::string_view text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return;
  const auto receiving = json.find("receiving");
  const auto since = json.find("since_ms");
  if (receiving == json.end() || *receiving != true) return;
  if (since == json.end() || !since->is_number_integer()) return;
  {
    const std::lock_guard lock(mutex_);
    if (since->get<int64_t>() != since_ms_) return;
    is_in_ = true;
  }
  changed_.notify_all();
}

void BrokerBacklog::Await(const std::stop_token& stop, std::chrono::milliseconds patience) {
  for (int i = 0; i < kPatiencesMax; ++i) {
    const uint64_t heard = heard_();
    {
      std::unique_lock lock(mutex_);
      if (changed_.wait_for(lock, stop, patience, [this] { return is_in_; })) return;
    }
    if (stop.stop_requested()) return;
    if (heard_() == heard) break;
  }
  log::Warning("timers=released because={}",
               log::Quoted("the broker is away, or does not bring the gateway its own status: what "
                           "devices said meanwhile may still come"));
}

}  // namespace gemel
