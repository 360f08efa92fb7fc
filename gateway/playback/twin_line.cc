#include "gateway/playback/twin_line.h"

#include <cmath>
#include <iterator>
#include <span>
#include <string_view>

#include <fmt/format.h>

#include "gateway/base/hex_text.h"
#include "gateway/base/json_text.h"
#include "gateway/base/utf8.h"
#include "gateway/model/state.h"

namespace gemel::playback {
namespace {

int64_t Microseconds(Time time) { return time.time_since_epoch().count(); }

// As model::AppendJson, but nothing is rounded or left out.
void AppendExactly(const gemel_value& value, const Symbols& symbols, std::string& out) {
  if (value.type == GEMEL_TIME) {
    fmt::format_to(std::back_inserter(out), "{}", value.as.integer);
  } else if (value.type == GEMEL_DOUBLE && std::isinf(value.as.number)) {
    out += value.as.number > 0 ? "\"inf\"" : "\"-inf\"";
  } else if (value.type == GEMEL_TEXT && !IsUtf8({value.as.text, value.length})) {
    out += "{\"bytes\":\"";
    AppendHex(std::as_bytes(std::span(value.as.text, value.length)), out);
    out += "\"}";
  } else {
    model::AppendJson(value, symbols, out);
  }
}

void AppendWindow(const gemel_field& field, const std::byte* state, std::string& out) {
  out += "{\"layout\":";
  AppendJsonText(model::LayoutOf(field), out);
  out += ",\"bytes\":\"";
  AppendHex(model::WindowOf(field, state), out);
  out += "\"}";
}

void AppendState(const model::Model& model, const std::byte* state, const Symbols& symbols,
                 std::string& out) {
  std::string_view comma;
  for (const gemel_field& field : model.fields()) {
    out += comma;
    comma = ",";
    AppendJsonText(field.name, out);
    out += ':';
    if (field.type == GEMEL_WINDOW) {
      AppendWindow(field, state, out);
      continue;
    }
    AppendExactly(model::ReadValue(field, state), symbols, out);
  }
}

void AppendEventTimes(const model::Model& model, const std::byte* state, std::string& out) {
  std::string_view comma;
  for (const gemel_field& field : model.fields()) {
    if (field.time_offset == GEMEL_NO_OFFSET) continue;
    const Time time = model::EventTimeOf(field, state);
    if (time == kNoTime) continue;
    out += comma;
    comma = ",";
    AppendJsonText(field.name, out);
    fmt::format_to(std::back_inserter(out), ":{}", Microseconds(time));
  }
}

}  // namespace

void AppendTwinLine(const store::CopiedTwin& twin, const twin::World& world, uint16_t model,
                    std::string& out) {
  const model::Model& its = *world.models[model].model;
  out += "{\"model\":";
  AppendJsonText(its.name(), out);
  out += ",\"id\":";
  AppendJsonText(twin.id, out);
  fmt::format_to(std::back_inserter(out), ",\"lsn\":\"{:x}\",\"telemetry_us\":", twin.applied_lsn);
  if (twin.last_telemetry == kNoTime) {
    out += "null";
  } else {
    fmt::format_to(std::back_inserter(out), "{}", Microseconds(twin.last_telemetry));
  }
  out += ",\"state\":{";
  AppendState(its, twin.state, *world.symbols, out);
  out += "},\"at_us\":{";
  AppendEventTimes(its, twin.state, out);
  out += "},\"seen_us\":";
  out += twin.seen;
  out += ",\"alerts\":";
  out += twin.alerts.empty() ? "[]" : twin.alerts;
  out += ",\"timers\":";
  out += twin.timers.empty() ? "[]" : twin.timers;
  out += ",\"commands\":";
  out += twin.commands.empty() ? "[]" : twin.commands;
  out += ",\"told\":";
  out += twin.told.empty() ? "{}" : twin.told;
  out += ",\"repeats\":\"";
  AppendHex(twin.repeats, out);
  out += "\"}";
}

}  // namespace gemel::playback
