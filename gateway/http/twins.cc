#include "gateway/http/twins.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <iterator>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "gateway/base/json_text.h"
#include "gateway/effects/payload.h"
#include "gateway/model/state.h"

namespace gemel::http {
namespace {

// The first twins by id of one shard, copied while the shard goes by: a heap whose top is the one
// to go when a better one comes, so that memory is bounded by the page and not by the fleet.
class FirstById {
 public:
  struct Row {
    std::string id;
    size_t slot = 0;
    Time last_telemetry;
    bool operator<(const Row& other) const { return id < other.id; }
  };

  FirstById(size_t rows_max, size_t state_size, size_t rows_expected)
      : rows_max_(rows_max), state_size_(state_size) {
    // Reserved, because growing would copy megabytes while messages wait.
    rows_.reserve(std::min(rows_max, rows_expected));
    states_.reserve(std::min(rows_max, rows_expected) * state_size);
  }

  void Add(const twin::Twin& twin) {
    if (rows_.size() < rows_max_) {
      rows_.push_back({std::string(twin.id()), rows_.size(), twin.last_telemetry});
      states_.resize(states_.size() + state_size_);
    } else {
      has_more_ = true;
      if (twin.id() >= rows_.front().id) return;
      std::pop_heap(rows_.begin(), rows_.end());
      rows_.back().id = twin.id();
      rows_.back().last_telemetry = twin.last_telemetry;
    }
    std::memcpy(states_.data() + rows_.back().slot * state_size_, twin.state(), state_size_);
    std::push_heap(rows_.begin(), rows_.end());
  }

  const std::vector<Row>& rows() const { return rows_; }
  const std::byte* state(const Row& row) const { return states_.data() + row.slot * state_size_; }
  bool has_more() const { return has_more_; }

 private:
  size_t rows_max_;
  size_t state_size_;
  std::vector<Row> rows_;
  std::vector<std::byte> states_;
  bool has_more_ = false;
};

void AppendName(std::string_view name, std::string& out) {
  AppendJsonText(name, out);
  out += ':';
}

void AppendAge(Time now, Time last_telemetry, std::string& out) {
  AppendName("age_ms", out);
  if (last_telemetry == kNoTime) {
    out += "null";
    return;
  }
  const auto age = std::chrono::floor<std::chrono::milliseconds>(now - last_telemetry);
  fmt::format_to(std::back_inserter(out), "{}", std::max<int64_t>(age.count(), 0));
}

// Appends "name":value for the fields that `wanted` lets through, with a comma behind each.
template <typename Wanted>
void AppendFields(const Sources& sources, uint16_t model, const std::byte* state,
                  const Wanted& wanted, std::string& out) {
  for (const gemel_field& field : sources.world.models[model].model->fields()) {
    if (!wanted(field)) continue;
    AppendName(field.name, out);
    model::AppendFieldJson(field, state, *sources.world.symbols, out);
    out += ',';
  }
}

void EndObject(std::string& out) {
  if (out.back() == ',') out.pop_back();
  out += '}';
}

void AppendAlerts(const Sources& sources, uint16_t model, const twin::TwinCopy& twin,
                  std::string& out) {
  std::string text;
  out += "\"alerts\":[";
  for (const twin::Alert& alert : twin.alerts) {
    effects::WriteAlert(twin::TextOf(alert, sources.world.models[model].model->name(), twin.id,
                                     std::max(alert.last, alert.cleared)),
                        text);
    if (&alert != twin.alerts.data()) out += ',';
    out += text;
  }
  out += ']';
}

void AppendTimers(const Sources& sources, const twin::TwinCopy& twin, std::string& out) {
  const auto milliseconds = [](auto time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
  };
  out += "\"timers\":[";
  for (const twin::Timer& timer : twin.timers) {
    if (&timer != twin.timers.data()) out += ',';
    out += "{\"name\":";
    AppendJsonText(sources.world.timer_names->TextOf(timer.name), out);
    fmt::format_to(std::back_inserter(out), ",\"due_ms\":{},\"every_ms\":{}}}",
                   milliseconds(timer.due.time_since_epoch()), milliseconds(timer.every));
  }
  out += ']';
}

void AppendCommands(const Sources& sources, uint16_t model, const twin::TwinCopy& twin,
                    std::string& out) {
  std::string text;
  out += "\"commands\":[";
  for (const twin::Command& command : twin.commands) {
    twin::WriteCommandChange(command,
                             {.status = twin::CommandStatus::kSent,
                              .model = sources.world.models[model].model->name(),
                              .twin = twin.id,
                              .time = command.last_sent,
                              .reason = {}},
                             text);
    if (&command != twin.commands.data()) out += ',';
    out += text;
  }
  out += ']';
}

std::string_view View(const char* text) { return text == nullptr ? "" : text; }

void AppendFieldDescription(const gemel_field& field, std::string& out) {
  const auto add = [&out](std::string_view name, std::string_view value) {
    AppendName(name, out);
    AppendJsonText(value, out);
    out += ',';
  };
  out += '{';
  add("name", field.name);
  add("type", model::TypeName(field.type));
  add("unit", View(field.unit));
  add("meaning", View(field.meaning));
  add("source", model::SourceName(field.source));
  if (field.type == GEMEL_WINDOW) {
    add("layout", model::LayoutOf(field));
    fmt::format_to(std::back_inserter(out), "\"bytes\":{}", field.size);
  } else if (field.choices_count > 0) {
    out += "\"choices\":[";
    for (uint32_t i = 0; i < field.choices_count; ++i) {
      if (i > 0) out += ',';
      AppendJsonText(field.choices[i], out);
    }
    out += ']';
  }
  EndObject(out);
}

}  // namespace

TwinPage ListTwins(const Sources& sources, uint16_t model, size_t limit, std::string_view after) {
  const size_t state_size = sources.world.models[model].model->state_size();
  const size_t shards = sources.shards.size();
  const size_t rows_max = std::min(
      limit,
      std::max<size_t>(1, kListStateBytesMax / shards / (state_size + sizeof(FirstById::Row))));
  // The longest expected share of a shard, with a margin for what arrives meanwhile.
  const size_t expected = sources.shards.twins(model) / shards * 2 + 64;
  std::vector<FirstById> found;
  for (size_t i = 0; i < shards; ++i) found.emplace_back(rows_max, state_size, expected);
  sources.shards.Scan(model, [&](uint32_t shard, const twin::Engine&, const twin::Twin& twin) {
    if (twin.id() > after) found[shard].Add(twin);
  });

  std::vector<std::pair<const FirstById::Row*, const FirstById*>> rows;
  bool has_more = false;
  for (const FirstById& shard : found) {
    has_more |= shard.has_more();
    for (const FirstById::Row& row : shard.rows()) rows.emplace_back(&row, &shard);
  }
  std::ranges::sort(rows, {}, [](const auto& row) { return std::string_view(row.first->id); });
  has_more |= rows.size() > rows_max;
  if (rows.size() > rows_max) rows.resize(rows_max);

  TwinPage page;
  const Time now = sources.now();
  page.json = "[";
  for (const auto& [row, shard] : rows) {
    page.json += page.json.size() == 1 ? "\n{\"id\":" : ",\n{\"id\":";
    AppendJsonText(row->id, page.json);
    page.json += ',';
    AppendFields(
        sources, model, shard->state(*row), [](const auto&) { return true; }, page.json);
    AppendAge(now, row->last_telemetry, page.json);
    page.json += '}';
  }
  page.json += "]\n";
  if (has_more && !rows.empty()) page.next_after = rows.back().first->id;
  return page;
}

std::optional<std::string> GetTwin(const Sources& sources, uint16_t model, std::string_view id) {
  const auto twin = sources.shards.Get(model, id);
  if (!twin) return std::nullopt;
  const auto is_profile = [](const gemel_field& field) {
    return field.source == GEMEL_FROM_PROFILE;
  };
  std::string out = "{\"id\":";
  AppendJsonText(twin->id, out);
  out += ",\"model\":";
  AppendJsonText(sources.world.models[model].model->name(), out);
  out += ",\"state\":{";
  AppendFields(sources, model, twin->state.data(), std::not_fn(is_profile), out);
  EndObject(out);
  out += ",\"profile\":{";
  AppendFields(sources, model, twin->state.data(), is_profile, out);
  EndObject(out);
  out += ',';
  AppendAlerts(sources, model, *twin, out);
  out += ',';
  AppendTimers(sources, *twin, out);
  out += ',';
  AppendCommands(sources, model, *twin, out);
  out += ',';
  AppendAge(sources.now(), twin->last_telemetry, out);
  // As text and in hexadecimal, as in the ids of effects: a double could not hold it.
  fmt::format_to(std::back_inserter(out), ",\"applied_lsn\":\"{:x}\"}}\n", twin->applied_lsn);
  return out;
}

std::string ListModels(const Sources& sources) {
  std::string out = "[";
  for (size_t i = 0; i < sources.world.models.size(); ++i) {
    const model::Model& model = *sources.world.models[i].model;
    out += i == 0 ? "\n{" : ",\n{";
    AppendName("name", out);
    AppendJsonText(model.name(), out);
    out += ',';
    AppendName("meaning", out);
    AppendJsonText(model.meaning(), out);
    fmt::format_to(std::back_inserter(out), ",\"twins\":{},\"fields\":[", sources.shards.twins(i));
    for (const gemel_field& field : model.fields()) {
      if (&field != model.fields().data()) out += ',';
      AppendFieldDescription(field, out);
    }
    out += "]}";
  }
  out += "]\n";
  return out;
}

}  // namespace gemel::http
