#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/status.h"
#include "gateway/codec/field_map.h"
#include "gateway/sdk/types.hpp"

namespace gemel::simulate {

// A JSON pointer (RFC 6901), as written and taken apart. A column of a CSV file is one of a single
// token.
struct Pointer {
  std::string text;
  std::vector<std::string> tokens;  // unescaped

  friend bool operator==(const Pointer&, const Pointer&) = default;
};

// How the rows of a recorded set become messages: conf/replay/<set>.json.
struct ReplayMap {
  // What a topic is made of, one after the other.
  struct TopicPart {
    std::string literal;
    std::optional<Pointer> value;  // stands behind the literal

    friend bool operator==(const TopicPart&, const TopicPart&) = default;
  };

  std::string file_name;  // of the map, for messages
  std::vector<TopicPart> topic;
  int qos = 1;
  std::optional<Pointer> time;  // where the event time stands
  codec::TimeFormat time_format = codec::TimeFormat::kMilliseconds;
  // What the time counts, from the epoch; without `time` the number of the row, from 0.
  std::optional<Duration> time_step;
  std::vector<Pointer> keep;         // what the payload holds; empty: all
  std::vector<std::string> strings;  // CSV columns whose cells are never numbers
  std::optional<char> separator;     // of CSV
  std::vector<std::string> columns;  // of CSV without a header row

  // Whether rows have times to go by.
  bool has_time() const { return time.has_value() || time_step.has_value(); }
  // Only CSV has these.
  bool is_for_csv() const { return separator.has_value() || !columns.empty() || !strings.empty(); }
};

// JSON with comments. NotFound or Unavailable if the file can't be read; Invalid, naming file, key,
// value and what is allowed, for anything wrong, a key that is unknown included.
Result<ReplayMap> LoadReplayMap(const std::filesystem::path& path);
// The same for a text; `file_name` is what messages call it.
Result<ReplayMap> ParseReplayMap(std::string_view text, std::string_view file_name);

}  // namespace gemel::simulate
