#include "gateway/admission.h"

#include <pthread.h>

#include <chrono>
#include <utility>

#include "gateway/base/log.h"

namespace gemel {
namespace {

// A stretch of messages that the last segment must have room for; and a look costs a few loads.
constexpr std::chrono::milliseconds kLookEvery{50};

}  // namespace

Admission::Admission(Hooks hooks)
    : hooks_(std::move(hooks)), thread_([this](const std::stop_token& stop) {
        pthread_setname_np(pthread_self(), "gemel-admission");
        Run(stop);
      }) {}

Admission::~Admission() {
  thread_.request_stop();
  thread_.join();
}

std::string Admission::why_held() const {
  const std::lock_guard lock(mutex_);
  return why_;
}

void Admission::Run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    Look();
    std::unique_lock lock(mutex_);
    stopped_.wait_for(lock, stop, kLookEvery, [] { return false; });
  }
}

void Admission::Look() {
  const std::string before = why_held();
  std::string why = hooks_.why_held();
  if (before == why) return;
  if (!why.empty()) {
    log::Warning("receiver=held because={}", log::Quoted(why));
    {
      const std::lock_guard lock(mutex_);
      why_ = std::move(why);
    }
    if (before.empty()) hooks_.stop();
    return;
  }
  if (Status status = hooks_.start(); !status.ok()) {
    if (status.message() != failed_)
      log::Warning("receiver=held because={}", log::Quoted(status.message()));
    failed_ = status.message();
    return;  // and tried again
  }
  failed_.clear();
  log::Info("receiver=admitted");
  const std::lock_guard lock(mutex_);
  why_.clear();
}

}  // namespace gemel
