#include "gateway/twin/call.h"

#include <algorithm>

#include <fmt/format.h>

#include "gateway/base/limits.h"
#include "gateway/base/log.h"
#include "gateway/base/quote.h"
#include "gateway/model/state.h"
#include "gateway/sdk/arguments.hpp"

namespace gemel::twin {
namespace {

// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014).
uint64_t NextRandom(uint64_t& state) {
  uint64_t z = state += 0x9E3779B97F4A7C15;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
  z = (z ^ z >> 27) * 0x94D049BB133111EB;
  return z ^ z >> 31;
}

// Codes and command names become topic levels and labels.
bool IsCode(std::string_view text) {
  return !text.empty() && text.size() <= kFieldNameBytesMax &&
         std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
         });
}

// At most kAlertMessageBytesMax bytes of what a model says, never cut inside a character.
std::string_view Cut(std::string_view text) {
  if (text.size() <= kAlertMessageBytesMax) return text;
  size_t size = kAlertMessageBytesMax;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
  return text.substr(0, size);
}

}  // namespace

const gemel_host Call::kHost = {
    sizeof(gemel_host), GEMEL_ABI_VERSION, &Call::Random,   &Call::SymbolText, &Call::Reply,
    &Call::Raise,       &Call::Clear,      &Call::IsActive, &Call::Log,        &Call::Fail};

Call::Call(const Symbols& symbols) : symbols_(symbols) {
  c_.context.host = &kHost;
  c_.call = this;
}

void Call::Begin(const Subject& subject) {
  subject_ = subject;
  c_.context.now_us = subject.now.time_since_epoch().count();
  c_.context.id = ToText(subject.id);
  random_ = subject.key_hash ^ subject.lsn * 0xD6E8FEB86659FD93;
  failure_.clear();
  intents_count_ = 0;
  unroutable_replies_ = 0;
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
    Refuse(
        fmt::format("{}: a command's name or an alert's code must match [a-z0-9_]+", Quote(name)));
    return nullptr;
  }
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
  intent->expires_us = expires_us;
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
  Intent* intent = call.AddIntent(Intent::Kind::kRaise, ToView(code));
  if (intent == nullptr) return 1;
  intent->severity = severity;
  intent->message = Cut(ToView(message));
  model::AppendJsonObject(properties, count, call.symbols_, intent->arguments);
  if (intent->arguments.size() > kCommandBytesMax) {
    return call.Refuse(fmt::format("raise: more than {} bytes of properties", kCommandBytesMax));
  }
  return 0;
}

int Call::Clear(gemel_context* context, gemel_text code) {
  Call& call = From(context);
  // Most models clear on every good message; only an alert that may be active is worth an intent.
  if (IsActive(context, code) == 0) return 0;
  return call.AddIntent(Intent::Kind::kClear, ToView(code)) == nullptr ? 1 : 0;
}

int Call::IsActive(gemel_context* context, gemel_text code) {
  Call& call = From(context);
  const std::string_view wanted = ToView(code);
  for (size_t i = call.intents_count_; i-- > 0;) {
    const Intent& intent = call.intents_[i];
    if (intent.kind != Intent::Kind::kReply && intent.name == wanted) {
      return intent.kind == Intent::Kind::kRaise ? 1 : 0;
    }
  }
  if (call.subject_.side == nullptr) return 0;
  return std::ranges::any_of(call.subject_.side->alerts,
                             [&](const Alert& alert) { return alert.code == wanted; })
             ? 1
             : 0;
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
  log::Write(kLevels[level - 1],
             fmt::format("twin={} says={}",
                         Quote(fmt::format("{}/{}", call.subject_.model, call.subject_.id)),
                         Quote(ToView(line), kAlertMessageBytesMax)));
}

void Call::Fail(gemel_context* context, gemel_text why) {
  From(context).Refuse(std::string(Cut(ToView(why))));
}

}  // namespace gemel::twin
