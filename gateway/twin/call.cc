#include "gateway/twin/call.h"

#include <algorithm>

#include <fmt/format.h>

#include "gateway/base/limits.h"
#include "gateway/base/log.h"
#include "gateway/base/quote.h"
#include "gateway/base/utf8.h"
#include "gateway/model/state.h"
#include "gateway/route/id.h"
#include "gateway/sdk/arguments.hpp"
#include "gateway/twin/twin_message.h"

namespace gemel::twin {
namespace {

// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014).
uint64_t NextRandom(uint64_t& state) {
  uint64_t z = state += 0x9E3779B97F4A7C15;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
  z = (z ^ z >> 27) * 0x94D049BB133111EB;
  return z ^ z >> 31;
}

std::string NotACode(std::string_view name) {
  return fmt::format(
      "{}: the name of a command or a timer, or an alert's code, must match [a-z0-9_]+ and have at "
      "most {} characters",
      Quote(name), kFieldNameBytesMax);
}

constexpr const char* kReserved =
    "offline: this alert's code is the gateway's, which raises it where a route has offline_after";

}  // namespace

// Codes and command names become topic levels and labels.
bool IsCode(std::string_view text) {
  return !text.empty() && text.size() <= kFieldNameBytesMax &&
         std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
         });
}

const gemel_host Call::kHost = {
    sizeof(gemel_host), GEMEL_ABI_VERSION,  &Call::Random,   &Call::SymbolText, &Call::Reply,
    &Call::Raise,       &Call::Clear,       &Call::IsActive, &Call::Log,        &Call::Fail,
    &Call::SetTimer,    &Call::CancelTimer, &Call::HasTimer, &Call::Send,       &Call::Remove};

Call::Call(const World& world) : world_(world), symbols_(*world.symbols) {
  c_.context.host = &kHost;
  c_.call = this;
}

void Call::Begin(const Subject& subject) {
  subject_ = subject;
  c_.context.now_us = subject.now.time_since_epoch().count();
  c_.context.id = ToText(subject.twin->id());
  random_ = subject.twin->key_hash() ^ subject.lsn * 0xD6E8FEB86659FD93;
  failure_.clear();
  intents_count_ = 0;
  unroutable_replies_ = 0;
  cut_messages_ = 0;
}

uint64_t Call::Random(gemel_context* context) { return NextRandom(From(context).random_); }

gemel_text Call::SymbolText(gemel_context* context, uint32_t symbol) {
  const Symbols& symbols = From(context).symbols_;
  return ToText(symbol <= symbols.size() ? symbols.TextOf(Symbol{symbol}) : std::string_view{});
}

int Call::Refuse(std::string why) {
  if (failure_.empty()) failure_ = std::move(why);
  return 1;
}

Intent* Call::AddIntent(Intent::Kind kind, std::string_view name) {
  if (!IsCode(name)) {
    Refuse(NotACode(name));
    return nullptr;
  }
  return AddNamed(kind, name);
}

Intent* Call::AddNamed(Intent::Kind kind, std::string_view name) {
  if (intents_count_ >= kEffectsPerRecordMax) {
    Refuse(fmt::format("more than {} effects of one record", kEffectsPerRecordMax));
    return nullptr;
  }
  if (intents_count_ == intents_.size()) intents_.emplace_back();
  Intent& intent = intents_[intents_count_++];
  intent.kind = kind;
  intent.name = name;
  intent.message.clear();
  intent.arguments.clear();
  return &intent;
}

int Call::Reply(gemel_context* context, gemel_text name, const gemel_argument* arguments,
                size_t count, int64_t expires_us) {
  Call& call = From(context);
  if (expires_us < 0) return call.Refuse("reply: a command can't expire before it is sent");
  if (!call.subject_.can_reply) {
    // A source that can't be answered must not cost its telemetry.
    ++call.unroutable_replies_;
    return 0;
  }
  Intent* intent = call.AddIntent(Intent::Kind::kReply, ToView(name));
  if (intent == nullptr) return 1;
  intent->after = Duration{expires_us};
  model::AppendJsonObject(arguments, count, call.symbols_, intent->arguments);
  if (intent->arguments.size() > kCommandBytesMax) {
    return call.Refuse(fmt::format("reply: more than {} bytes of arguments", kCommandBytesMax));
  }
  return 0;
}

int Call::Raise(gemel_context* context, uint32_t severity, gemel_text code, gemel_text message,
                const gemel_argument* properties, size_t count) {
  Call& call = From(context);
  if (severity < GEMEL_CRITICAL || severity > GEMEL_INFO) {
    return call.Refuse(fmt::format("raise: severity {} does not exist", severity));
  }
  if (ToView(code) == kOfflineCode) return call.Refuse(kReserved);
  Intent* intent = call.AddIntent(Intent::Kind::kRaise, ToView(code));
  if (intent == nullptr) return 1;
  intent->severity = severity;
  intent->message = CutUtf8(ToView(message), kAlertMessageBytesMax);
  model::AppendJsonObject(properties, count, call.symbols_, intent->arguments);
  if (intent->arguments.size() > kCommandBytesMax) {
    return call.Refuse(fmt::format("raise: more than {} bytes of properties", kCommandBytesMax));
  }
  return 0;
}

int Call::Clear(gemel_context* context, gemel_text code) {
  Call& call = From(context);
  if (ToView(code) == kOfflineCode) return call.Refuse(kReserved);
  // Most models clear on every good message; only an alert that may be active is worth an intent.
  if (IsActive(context, code) == 0) return 0;
  return call.AddIntent(Intent::Kind::kClear, ToView(code)) == nullptr ? 1 : 0;
}

int Call::IsActive(gemel_context* context, gemel_text code) {
  Call& call = From(context);
  const std::string_view wanted = ToView(code);
  for (size_t i = call.intents_count_; i-- > 0;) {
    const Intent& intent = call.intents_[i];
    const bool is_of_alert =
        intent.kind == Intent::Kind::kRaise || intent.kind == Intent::Kind::kClear;
    if (is_of_alert && intent.name == wanted) return intent.kind == Intent::Kind::kRaise ? 1 : 0;
  }
  const Side* const side = call.subject_.twin->side();
  if (side == nullptr) return 0;
  return std::ranges::any_of(side->alerts, [&](const Alert& alert) { return alert.code == wanted; })
             ? 1
             : 0;
}

std::optional<Symbol> Call::TimerName(std::string_view name) {
  if (!IsCode(name)) return std::nullopt;
  const auto known = timer_names_.find(name);
  if (known != timer_names_.end()) return known->second;
  const std::optional<Symbol> symbol = world_.timer_names->Intern(name);
  if (symbol) timer_names_.emplace(name, *symbol);
  return symbol;
}

std::optional<Symbol> Call::KnownTimer(std::string_view name) {
  const auto known = timer_names_.find(name);
  if (known != timer_names_.end()) return known->second;
  const std::optional<Symbol> symbol = IsCode(name) ? world_.timer_names->Find(name) : std::nullopt;
  if (symbol) timer_names_.emplace(name, *symbol);
  return symbol;
}

bool Call::IsArmed(Symbol timer) const {
  for (size_t i = intents_count_; i-- > 0;) {
    const Intent& intent = intents_[i];
    const bool is_of_timer =
        intent.kind == Intent::Kind::kSetTimer || intent.kind == Intent::Kind::kCancelTimer;
    if (is_of_timer && intent.timer == timer) return intent.kind == Intent::Kind::kSetTimer;
  }
  return subject_.timers->Find(*subject_.twin, timer) != Timers::kNone;
}

bool Call::HasRoomForTimer() const {
  uint32_t timers = 0;
  subject_.timers->ForEach(*subject_.twin,
                           [&](const Timer& timer) { timers += timer.is_of_model() ? 1 : 0; });
  for (const Intent& intent : *this) timers += intent.kind == Intent::Kind::kSetTimer ? 1 : 0;
  return timers < world_.timers_per_twin_max;
}

int Call::SetTimer(gemel_context* context, gemel_text name, int64_t after_us, int64_t every_us) {
  Call& call = From(context);
  if (!call.subject_.model->has_timers())
    return call.Refuse("set_timer: the model has no on_timer that could be called");
  constexpr int64_t kMax = Duration(kTimerMax).count();
  if (after_us < 0 || after_us > kMax || every_us < 0 || every_us > kMax) {
    return call.Refuse(fmt::format("set_timer: after {} us, every {} us; 0 to {} are allowed",
                                   after_us, every_us, kMax));
  }
  if (!IsCode(ToView(name))) return call.Refuse(NotACode(ToView(name)));
  const std::optional<Symbol> timer = call.TimerName(ToView(name));
  if (!timer) return call.Refuse("set_timer: there are too many different names of timers");
  if (!call.IsArmed(*timer) && !call.HasRoomForTimer()) {
    return call.Refuse(
        fmt::format("set_timer: the twin has {} timers, as many as "
                    "limits.timers_per_twin allows",
                    call.world_.timers_per_twin_max));
  }
  Intent* intent = call.AddIntent(Intent::Kind::kSetTimer, ToView(name));
  if (intent == nullptr) return 1;
  intent->timer = *timer;
  intent->after = Duration{after_us};
  intent->every = Duration{every_us};
  return 0;
}

int Call::CancelTimer(gemel_context* context, gemel_text name) {
  Call& call = From(context);
  // Most models cancel on every good message; only a timer that may be armed is worth an intent.
  if (HasTimer(context, name) == 0) return 0;
  Intent* intent = call.AddIntent(Intent::Kind::kCancelTimer, ToView(name));
  if (intent == nullptr) return 1;
  intent->timer = *call.KnownTimer(ToView(name));
  return 0;
}

int Call::HasTimer(gemel_context* context, gemel_text name) {
  Call& call = From(context);
  const auto known = call.KnownTimer(ToView(name));
  return known && call.IsArmed(*known) ? 1 : 0;
}

Intent* Call::AddIntentTo(Intent::Kind kind, std::string_view model, std::string_view id) {
  const auto named = std::ranges::find_if(
      world_.models, [model](const ModelEntry& entry) { return entry.model->name() == model; });
  // A feed is the gateway's, and only its members speak to it.
  if (named == world_.models.end() || model == kFeedModel) {
    Refuse(fmt::format("{}: the configuration has no such model", Quote(model)));
    return nullptr;
  }
  if (const auto wrong = route::CheckId(id)) {
    Refuse(fmt::format("{}/{}: {}", model, Quote(id), *wrong));
    return nullptr;
  }
  Intent* const intent = AddNamed(kind, id);
  if (intent != nullptr) intent->model = static_cast<uint16_t>(named - world_.models.begin());
  return intent;
}

int Call::Send(gemel_context* context, gemel_text model, gemel_text id, gemel_text name,
               const gemel_argument* arguments, size_t count) {
  Call& call = From(context);
  const Subject& subject = call.subject_;
  if (!IsCode(ToView(name))) return call.Refuse(NotACode(ToView(name)));
  if (subject.depth >= kMessageDepthMax) {
    ++call.cut_messages_;
    return 0;
  }
  Intent* const intent = call.AddIntentTo(Intent::Kind::kSend, ToView(model), ToView(id));
  if (intent == nullptr) return 1;
  // A feed's message is for the gateway's own part of its member.
  const bool is_of_feed = call.world_.feed_model &&
                          subject.model == call.world_.models[*call.world_.feed_model].model.get();
  if (!is_of_feed && !call.world_.models[intent->model].model->has_messages()) {
    return call.Refuse(
        fmt::format("send: the model {} has no on_message that could be called", ToView(model)));
  }
  for (size_t i = 0; i < count; ++i) {
    if (arguments[i].name.size <= kFieldNameBytesMax) continue;
    return call.Refuse(fmt::format("send: {}: an argument's name has at most {} bytes",
                                   Quote(ToView(arguments[i].name)), kFieldNameBytesMax));
  }
  EncodeTwinMessage(subject.model->name(), subject.twin->id(), ToView(name), arguments, count,
                    call.symbols_, intent->arguments);
  if (intent->arguments.size() > kCommandBytesMax) {
    return call.Refuse(fmt::format("send: more than {} bytes of arguments", kCommandBytesMax));
  }
  return 0;
}

int Call::Remove(gemel_context* context, gemel_text model, gemel_text id) {
  Call& call = From(context);
  const bool is_itself = model.size == 0 && id.size == 0;
  const std::string_view its_model = is_itself ? call.subject_.model->name() : ToView(model);
  const std::string_view its_id = is_itself ? call.subject_.twin->id() : ToView(id);
  return call.AddIntentTo(Intent::Kind::kRemove, its_model, its_id) == nullptr ? 1 : 0;
}

void Call::Log(gemel_context* context, uint32_t level, gemel_text line) {
  const Call& call = From(context);
  constexpr log::Level kLevels[] = {log::Level::kDebug, log::Level::kInfo, log::Level::kWarning,
                                    log::Level::kError};
  if (level < GEMEL_LOG_DEBUG || level > GEMEL_LOG_ERROR) return;
  if (call.on_log_) {
    call.on_log_(level, ToView(line));
    return;
  }
  log::Write(kLevels[level - 1], fmt::format("twin={} says={}",
                                             Quote(fmt::format("{}/{}", call.subject_.model->name(),
                                                               call.subject_.twin->id())),
                                             Quote(ToView(line), kAlertMessageBytesMax)));
}

void Call::Fail(gemel_context* context, gemel_text why) {
  From(context).Refuse(std::string(CutUtf8(ToView(why), kAlertMessageBytesMax)));
}

}  // namespace gemel::twin
