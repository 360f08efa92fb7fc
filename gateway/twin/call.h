#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/base/lsn.h"
#include "gateway/base/symbols.h"
#include "gateway/sdk/model.h"
#include "gateway/twin/side.h"

namespace gemel::twin {

// What a model asked for during a call, in order. Kept back until the call has succeeded.
struct Intent {
  enum class Kind : uint8_t { kReply, kRaise, kClear } kind = Kind::kReply;
  uint32_t severity = 0;
  int64_t expires_us = 0;  // from now; 0 for never
  std::string name;        // of the command, or the alert's code
  std::string message;
  std::string arguments;  // of the command, or the alert's properties: a JSON object
};

// The context that a model's functions get: the C struct first, then what the host keeps behind it.
// One a shard, reused for every call; not thread-safe.
class Call {
 public:
  explicit Call(const Symbols& symbols);
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  struct Subject {
    std::string_view model;
    std::string_view id;
    uint64_t key_hash = 0;
    Lsn lsn = kNoLsn;
    Time now;
    bool can_reply = false;  // the route has a command topic
    const Side* side = nullptr;
  };
  // Where the lines go that models log; the process's log otherwise.
  using OnLog = std::function<void(uint32_t level, std::string_view line)>;
  void set_on_log(OnLog on_log) { on_log_ = std::move(on_log); }
  // Forgets the last call.
  void Begin(const Subject& subject);
  gemel_context& context() { return c_.context; }
  std::string& failure() { return failure_; }
  // REQUIRES: the call succeeded.
  const Intent* begin() const { return intents_.data(); }
  const Intent* end() const { return intents_.data() + intents_count_; }
  bool is_empty() const { return intents_count_ == 0; }
  // Replies that were dropped because the route has no command topic.
  uint32_t unroutable_replies() const { return unroutable_replies_; }

 private:
  // So that the host's functions find the Call from the context that they are given.
  struct Outer {
    gemel_context context{};
    Call* call = nullptr;
  };
  static Call& From(gemel_context* context) { return *reinterpret_cast<Outer*>(context)->call; }
  static const gemel_host kHost;
  static uint64_t Random(gemel_context* context);
  static gemel_text SymbolText(gemel_context* context, uint32_t symbol);
  static int Reply(gemel_context* context, gemel_text name, const gemel_argument* arguments,
                   size_t count, int64_t expires_us);
  static int Raise(gemel_context* context, uint32_t severity, gemel_text code, gemel_text message,
                   const gemel_argument* properties, size_t count);
  static int Clear(gemel_context* context, gemel_text code);
  static int IsActive(gemel_context* context, gemel_text code);
  static void Log(gemel_context* context, uint32_t level, gemel_text line);
  static void Fail(gemel_context* context, gemel_text why);

  // The next intent to fill in, or nullptr after a failure that says why there can't be another.
  Intent* AddIntent(Intent::Kind kind, std::string_view name);
  int Refuse(std::string why);

  const Symbols& symbols_;
  OnLog on_log_;
  Outer c_;
  Subject subject_;
  uint64_t random_ = 0;
  std::string failure_;
  std::vector<Intent> intents_;  // reused, so that their strings keep their memory
  size_t intents_count_ = 0;
  uint32_t unroutable_replies_ = 0;
};

}  // namespace gemel::twin
