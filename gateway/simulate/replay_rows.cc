#include "gateway/simulate/replay_rows.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "gateway/base/json_text.h"
#include "gateway/base/quote.h"
#include "gateway/base/time_text.h"
#include "gateway/codec/csv.h"
#include "gateway/codec/json_row.h"
#include "gateway/codec/lines.h"
#include "gateway/codec/rule.h"
#include "gateway/codec/scalar.h"
#include "gateway/config/words.h"
#include "gateway/route/id.h"

namespace gemel::simulate {
namespace {

constexpr size_t kMqttTopicBytesMax = 65'535;

std::optional<int64_t> StepsToMicroseconds(const codec::Scalar& steps, Duration step) {
  using Kind = codec::Scalar::Kind;
  if (steps.kind != Kind::kInteger && steps.kind != Kind::kDouble) return std::nullopt;
  const double count =
      steps.kind == Kind::kInteger ? static_cast<double>(steps.integer) : steps.number;
  const double us = std::round(count * static_cast<double>(step.count()));
  if (!(std::abs(us) < static_cast<double>(kTimeMaxUs))) return std::nullopt;
  return static_cast<int64_t>(us);
}

// What both kinds of file share: the event time and what becomes of a topic.
class SetBuilder {
 public:
  SetBuilder(const ReplayMap& map, TimeTexts time_texts) : map_(map), time_texts_(time_texts) {}

  // `text` is what stands where the map says; empty if there is nothing. Once a row.
  std::optional<Time> TimeOf(std::string_view text) {
    if (time_texts_ == TimeTexts::kKept) set_.time_texts.emplace_back(text);
    const auto number = static_cast<int64_t>(set_.rows_total);
    if (!map_.time && map_.time_step) return last_ = Time{*map_.time_step * number};
    if (text.empty()) return last_;
    const auto us =
        map_.time_step
            ? StepsToMicroseconds(codec::NumberOf(text), *map_.time_step)
            : codec::TimeOf({.kind = codec::Scalar::Kind::kText, .text = text}, map_.time_format);
    if (!us) return std::nullopt;
    return last_ = Time{Duration{*us}};
  }

  // The topic, or nothing if a value is empty. `value(i)` is that of part i.
  template <typename ValueOf>
  std::optional<std::string> TopicOf(const ValueOf& value) {
    std::string topic;
    for (size_t i = 0; i < map_.topic.size(); ++i) {
      topic += map_.topic[i].literal;
      if (!map_.topic[i].value) continue;
      const std::string_view text = value(i);
      if (text.empty()) return std::nullopt;
      // As a route reads an id from a payload, so that a device has one id by either way.
      if (route::EncodeId(text, level_)) level_ = config::PercentEncoded(text);
      topic += level_;
    }
    if (topic.size() > kMqttTopicBytesMax) return std::nullopt;
    return topic;
  }

  void Add(Time at, std::optional<std::string> topic, std::string payload) {
    ++set_.rows_total;
    if (!topic) {
      ++set_.skipped;
      return;
    }
    set_.rows.push_back({.at = at,
                         .due = at,
                         .topic = std::move(*topic),
                         .payload = std::move(payload),
                         .number = set_.rows_total - 1});
  }
  ReplaySet Done() { return std::move(set_); }

 private:
  const ReplayMap& map_;
  const TimeTexts time_texts_;
  ReplaySet set_;
  Time last_ = Time{};
  std::string level_;
};

class CsvRows {
 public:
  CsvRows(const ReplayMap& map, codec::CsvReader reader, TimeTexts time_texts)
      : map_(map), reader_(std::move(reader)), builder_(map, time_texts) {}

  Result<ReplaySet> Read() {
    GEMEL_TRY(Bind());
    for (;;) {
      GEMEL_TRY_LET(const bool has_row, reader_.Next());
      if (!has_row) return builder_.Done();
      const std::string_view time = time_ ? reader_.cells()[*time_] : std::string_view{};
      const auto at = builder_.TimeOf(time);
      if (!at) {
        return reader_.Wrong(fmt::format("column {}: {} is no time of the map's format",
                                         reader_.columns()[*time_], Quote(time)));
      }
      auto topic = builder_.TopicOf([&](size_t part) { return reader_.cells()[topic_[part]]; });
      builder_.Add(*at, std::move(topic), Payload());
    }
  }

 private:
  // Finds the columns that the map names.
  Status Bind() {
    topic_.resize(map_.topic.size());
    for (size_t i = 0; i < map_.topic.size(); ++i) {
      if (!map_.topic[i].value) continue;
      GEMEL_TRY_LET(topic_[i], Column(*map_.topic[i].value));
    }
    if (map_.time) {
      GEMEL_TRY_LET(time_, Column(*map_.time));
    }
    for (const Pointer& pointer : map_.keep) {
      GEMEL_TRY_LET(const size_t column, Column(pointer));
      kept_.push_back(column);
    }
    if (kept_.empty()) {
      for (size_t i = 0; i < reader_.columns().size(); ++i) kept_.push_back(i);
    } else if (time_ && std::ranges::find(kept_, *time_) == kept_.end()) {
      kept_.push_back(*time_);
    }
    is_string_.resize(reader_.columns().size());
    for (const std::string& name : map_.strings) {
      GEMEL_TRY_LET(const size_t column, Column(name));
      is_string_[column] = true;
    }
    for (const size_t column : kept_) {
      std::string& name = names_.emplace_back();
      AppendJsonText(reader_.columns()[column], name);
    }
    return Status::Ok();
  }

  Result<size_t> Column(const Pointer& pointer) const {
    if (pointer.tokens.size() == 1) return Column(pointer.tokens.front());
    return Invalid(fmt::format("{}: {}: a pointer into CSV has one level: the name of a column",
                               map_.file_name, Quote(pointer.text)));
  }
  Result<size_t> Column(const std::string& name) const {
    const auto& columns = reader_.columns();
    const auto found = std::ranges::find(columns, name);
    if (found != columns.end()) return static_cast<size_t>(found - columns.begin());
    return reader_.Wrong(fmt::format("{} names column {}, which the file has not; it has {}{}",
                                     map_.file_name, Quote(name), fmt::join(columns, ", "),
                                     config::Suggestion(name, columns)));
  }

  std::string Payload() const {
    std::string payload;
    for (size_t i = 0; i < kept_.size(); ++i) {
      const std::string_view cell = reader_.cells()[kept_[i]];
      payload += i == 0 ? '{' : ',';
      payload += names_[i];
      payload += ':';
      if (cell.empty()) {
        payload += "null";
      } else if (!is_string_[kept_[i]] &&
                 codec::NumberOf(cell).kind != codec::Scalar::Kind::kAbsent) {
        payload += cell;
      } else {
        AppendJsonText(cell, payload);
      }
    }
    payload += '}';
    return payload;
  }

  const ReplayMap& map_;
  codec::CsvReader reader_;
  SetBuilder builder_;
  std::vector<size_t> topic_;  // column of each part of the topic
  std::optional<size_t> time_;
  std::vector<size_t> kept_;
  std::vector<std::string> names_;  // of those kept, as JSON
  std::vector<bool> is_string_;
};

class JsonRows {
 public:
  JsonRows(const ReplayMap& map, codec::LineReader lines, TimeTexts time_texts)
      : map_(map), lines_(std::move(lines)), builder_(map, time_texts), texts_(map.topic.size()) {
    for (const Pointer& pointer : map.keep) kept_.Add(pointer.tokens);
    if (!map.keep.empty() && map.time) kept_.Add(map.time->tokens);
  }

  Result<ReplaySet> Read() {
    for (;;) {
      GEMEL_TRY_LET(const std::optional<std::string_view> line, lines_.Next());
      if (!line) return builder_.Done();
      if (line->find_first_not_of(" \t") == std::string_view::npos) continue;
      if (const Status status = row_.Parse(*line); !status.ok())
        return lines_.Wrong(status.message());
      GEMEL_TRY(Take(*line));
    }
  }

 private:
  Status Take(std::string_view line) {
    std::string scratch;
    const std::string_view time = map_.time ? row_.ScalarAt(map_.time->text, scratch) : "";
    const auto at = builder_.TimeOf(time);
    if (!at) {
      return lines_.Wrong(
          fmt::format("{}: {} is no time of the map's format", map_.time->text, Quote(time)));
    }
    auto topic = builder_.TopicOf(
        [&](size_t part) { return row_.ScalarAt(map_.topic[part].value->text, texts_[part]); });
    std::string payload;
    if (map_.keep.empty()) {
      payload = line;
    } else {
      row_.AppendKept(kept_, payload);
    }
    builder_.Add(*at, std::move(topic), std::move(payload));
    return Status::Ok();
  }

  const ReplayMap& map_;
  codec::LineReader lines_;
  SetBuilder builder_;
  codec::JsonRow row_;
  codec::KeptMembers kept_;
  std::vector<std::string> texts_;  // of topic values that are no strings
};

}  // namespace

Result<ReplaySet> ReadReplaySet(const std::filesystem::path& path, const ReplayMap& map,
                                TimeTexts time_texts) {
  GEMEL_TRY_LET(const std::optional<char> first, codec::FirstByte(path));
  if (first == '{' && !map.is_for_csv()) {
    GEMEL_TRY_LET(codec::LineReader lines, codec::LineReader::Open(path));
    return JsonRows(map, std::move(lines), time_texts).Read();
  }
  GEMEL_TRY_LET(codec::ByteWindow bytes, codec::ByteWindow::Open(path));
  GEMEL_TRY_LET(codec::CsvReader reader,
                codec::CsvReader::Open(std::move(bytes), {.separator = map.separator.value_or(','),
                                                          .columns = map.columns}));
  return CsvRows(map, std::move(reader), time_texts).Read();
}

void OrderRows(const ReplayOrder& order, std::vector<ReplayRow>& rows) {
  for (ReplayRow& row : rows) row.due = row.at;
  if (order.is_sorted) std::ranges::stable_sort(rows, {}, &ReplayRow::at);
  if (order.shuffle) {
    // The engine's numbers are laid down by the standard, those of its distributions are not. The
    // remainder favours short delays by less than the window over 2^64.
    std::mt19937_64 engine(order.seed);
    const auto delays = static_cast<uint64_t>(order.shuffle->count()) + 1;
    for (ReplayRow& row : rows) row.due += Duration(static_cast<int64_t>(engine() % delays));
    std::ranges::stable_sort(rows, {}, &ReplayRow::due);
  }
  Time latest = rows.empty() ? kNoTime : rows.front().due;
  for (ReplayRow& row : rows) latest = row.due = std::max(latest, row.due);
}

}  // namespace gemel::simulate
