#include "gateway/playback/collector.h"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "gateway/base/json_text.h"

namespace gemel::playback {
namespace {

std::string_view KindName(effects::EffectKind kind) {
  switch (kind) {
    case effects::EffectKind::kCommand:
      return "command";
    case effects::EffectKind::kAlert:
      return "alert";
    case effects::EffectKind::kDeadLetter:
    case effects::EffectKind::kCommandChange:
      break;
  }
  return "deadletter";
}

}  // namespace

void Collector::Append(const effects::Effect& effect) {
  // Of a command and its answers; there is nothing in it that anybody is sent.
  if (effect.kind == effects::EffectKind::kCommandChange) return;
  EffectLine line{.id = effect.id, .json = {}};
  std::string& out = line.json;
  fmt::format_to(std::back_inserter(out), R"({{"id":"{:x}-{}","kind":"{}","model":)", effect.id.lsn,
                 effect.id.ordinal, KindName(effect.kind));
  AppendJsonText(world_.models[effect.model].model->name(), out);
  out += ",\"twin\":";
  AppendJsonText(effect.twin, out);
  out += ",\"topic\":";
  AppendJsonText(effect.topic, out);
  fmt::format_to(
      std::back_inserter(out), R"(,"is_retained":{},"time_us":{},"lifetime_us":{},"payload":)",
      effect.is_retained, effect.decided.time_since_epoch().count(), effect.lifetime.count());
  // What the gateway sends is JSON.
  out += effect.payload.empty() ? "null" : effect.payload;
  out += '}';
  const std::lock_guard lock(mutex_);
  lines_.push_back(std::move(line));
}

std::vector<EffectLine> Collector::Take() {
  std::vector<EffectLine> taken;
  {
    const std::lock_guard lock(mutex_);
    taken.swap(lines_);
  }
  std::ranges::stable_sort(
      taken, {}, [](const EffectLine& line) { return std::tuple(line.id.lsn, line.id.ordinal); });
  return taken;
}

}  // namespace gemel::playback
