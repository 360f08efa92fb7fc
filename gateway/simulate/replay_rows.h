#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "gateway/base/status.h"
#include "gateway/sdk/types.hpp"
#include "gateway/simulate/replay_map.h"

namespace gemel::simulate {

// One row of a set as a message.
struct ReplayRow {
  Time at = kNoTime;  // event time; a row without one has that of the row before it
  // When it is sent: by event time, and of a recording in its own order by the time of receipt.
  Time due = kNoTime;
  std::string topic;
  std::string payload;
  uint64_t number = 0;  // in the file, from 0, with those skipped
};

struct ReplaySet {
  std::vector<ReplayRow> rows;  // in the order of the file
  uint64_t rows_total = 0;      // with those skipped
  uint64_t skipped = 0;         // nothing to fill their topic with
  // Of every row of the file, as it stands there; empty unless asked for.
  std::vector<std::string> time_texts;
};

enum class TimeTexts : uint8_t { kDropped, kKept };

// Reads a whole set into memory: CSV, or JSON lines (told by the first byte, a brace), plain or
// gzip.
//
// A topic is filled with texts, numbers and booleans, their bytes that may not stand in a topic
// level percent-encoded; a row where such a value is missing, empty or an object is skipped. The
// payload of CSV is an object: a cell that is a JSON number is one, an empty one is null, any other
// is a string. That of JSON lines is the line itself; with `keep` an object of what stands at those
// pointers, and of the event time, which a route needs.
//
// Invalid with file and line for a row that can't be read or has an unreadable time, and for a
// column that the map names and the file has not; else as codec::LineReader.
Result<ReplaySet> ReadReplaySet(const std::filesystem::path& path, const ReplayMap& map,
                                TimeTexts time_texts = TimeTexts::kDropped);

struct ReplayOrder {
  bool is_sorted = false;           // by event time, as it came where that is equal
  std::optional<Duration> shuffle;  // each row late by a random delay of at most so much
  uint64_t seed = 1;
};

// Brings rows into the order in which they are sent, and sets when they are due: never before the
// row in front. The same seed gives the same order on every machine.
void OrderRows(const ReplayOrder& order, std::vector<ReplayRow>& rows);

}  // namespace gemel::simulate
