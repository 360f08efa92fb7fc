#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/base/lsn.h"
#include "gateway/base/symbols.h"
#include "gateway/sdk/model.h"
#include "gateway/sdk/types.hpp"
#include "gateway/twin/table.h"
#include "gateway/twin/timers.h"
#include "gateway/twin/world.h"

namespace gemel::twin {

// Of the alert that the gateway itself raises for a twin of which nothing is heard.
inline constexpr const char* kOfflineCode = "offline";

// Whether a text may be the name of a command or a timer, or an alert's code.
bool IsCode(std::string_view text);

// What a model asked for during a call, in order. Kept back until the call has succeeded.
struct Intent {
  enum class Kind : uint8_t { kReply, kRaise, kClear, kSetTimer, kCancelTimer, kSend, kRemove };
  Kind kind = Kind::kReply;
  uint32_t severity = 0;
  Duration after{0};   // a command expires, a timer is due; a command with zero never expires
  Duration every{0};   // of a timer; zero: once
  Symbol timer;        // its name
  uint16_t model = 0;  // of the twin that a message goes to, or that is deleted
  std::string name;    // of the command, the alert's code, or that twin's id
  std::string message;
  // Of the command, or the alert's properties: a JSON object. To a twin: see twin_message.h.
  std::string arguments;
};

// The context that a model's functions get: the C struct first, then what the host keeps behind it.
// One a shard, reused for every call; not thread-safe.
class Call {
 public:
  // The world outlives the call.
  explicit Call(const World& world);
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  struct Subject {
    const model::Model* model = nullptr;
    const Twin* twin = nullptr;
    const Timers* timers = nullptr;
    Lsn lsn = kNoLsn;
    Time now;
    bool can_reply = false;  // the route has a command topic
    uint16_t depth = 0;      // of the record, see Record::depth
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
  // The number of a timer's name; nothing if it can be none, or there are too many names.
  std::optional<Symbol> TimerName(std::string_view name);
  // The same for a name that was set before; nothing if it never was.
  std::optional<Symbol> KnownTimer(std::string_view name);
  // Replies that were dropped because the route has no command topic.
  uint32_t unroutable_replies() const { return unroutable_replies_; }
  // Messages that were dropped because they would make too long a chain.
  uint32_t cut_messages() const { return cut_messages_; }

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
  static int SetTimer(gemel_context* context, gemel_text name, int64_t after_us, int64_t every_us);
  static int CancelTimer(gemel_context* context, gemel_text name);
  static int HasTimer(gemel_context* context, gemel_text name);
  static int Send(gemel_context* context, gemel_text model, gemel_text id, gemel_text name,
                  const gemel_argument* arguments, size_t count);
  static int Remove(gemel_context* context, gemel_text model, gemel_text id);
  static void Log(gemel_context* context, uint32_t level, gemel_text line);
  static void Fail(gemel_context* context, gemel_text why);

  // The next intent to fill in, or nullptr after a failure that says why there can't be another.
  Intent* AddIntent(Intent::Kind kind, std::string_view name);
  Intent* AddNamed(Intent::Kind kind, std::string_view name);
  Intent* AddIntentTo(Intent::Kind kind, std::string_view model, std::string_view id);
  int Refuse(std::string why);
  bool IsArmed(Symbol timer) const;
  bool HasRoomForTimer() const;

  const World& world_;
  const Symbols& symbols_;
  // So that the shards do not meet at the lock of the one table.
  std::map<std::string, Symbol, std::less<>> timer_names_;
  OnLog on_log_;
  Outer c_;
  Subject subject_;
  uint64_t random_ = 0;
  std::string failure_;
  std::vector<Intent> intents_;  // reused, so that their strings keep their memory
  size_t intents_count_ = 0;
  uint32_t unroutable_replies_ = 0;
  uint32_t cut_messages_ = 0;
};

}  // namespace gemel::twin
