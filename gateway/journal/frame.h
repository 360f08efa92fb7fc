#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/status.h"
#include "gateway/base/symbols.h"
#include "gateway/journal/record.h"
#include "gateway/journal/segment.h"

namespace gemel::journal {

// A frame's body holds entries: records, and before them what the numbers in them stand for, each
// once a segment, so that a segment can be read by itself and by a process that numbers otherwise.

// What the numbers in records stand for.
struct Catalog {
  struct Model {
    std::string name;
    std::vector<std::string> fields;
  };
  std::vector<Model> models;
  std::vector<std::string> routes;
  const Symbols* symbols = nullptr;
};

// The numbers are written to disk.
enum class EntryKind : uint16_t { kRecord = 1, kModel = 2, kRoute = 3, kSymbol = 4 };

struct Entry {
  EntryKind kind = EntryKind::kRecord;
  std::span<const std::byte> content;  // 8-byte aligned if the body is
};

// Reads the entries of a body in place.
class EntryReader {
 public:
  explicit EntryReader(std::span<const std::byte> body) : rest_(body) {}
  // Nothing at the end, or where the bytes are no entry.
  std::optional<Entry> Next();
  bool is_at_end() const { return rest_.empty(); }

 private:
  std::span<const std::byte> rest_;
};

// Writes frames. One thread; its memory is used again.
class FrameBuilder {
 public:
  explicit FrameBuilder(Catalog catalog) : catalog_(std::move(catalog)) {}

  // A frame of these records, behind room for its head: what SegmentWriter::Append takes. Lives
  // until the next call.
  std::span<std::byte> Build(std::span<const Record> records);
  // The bytes of the record at this index of the last frame, without read-ahead.
  std::span<const std::byte> record(size_t index) const;
  // What comes next goes to a segment that defines nothing yet.
  void BeginSegment();

 private:
  void DefineFor(const Record& record);
  void Define(EntryKind kind, uint32_t number, std::span<const std::string_view> texts);
  std::byte* AddEntry(EntryKind kind, size_t bytes);

  const Catalog catalog_;
  std::vector<uint64_t> words_;  // aligned; grows to the largest frame
  size_t size_ = 0;
  struct Place {
    size_t offset;
    size_t bytes;
  };
  std::vector<Place> records_;
  // What the present segment defines, by number.
  std::vector<bool> models_;
  std::vector<bool> routes_;
  std::vector<bool> symbols_;
};

// Rewrites records of another process, whose models, routes, fields and symbols had other numbers.
class Translation {
 public:
  // Both outlive it. New symbols are interned.
  Translation(const Catalog& ours, Symbols& symbols) : ours_(ours), symbols_(symbols) {}

  // Forgets what the last segment defined.
  void BeginSegment();
  // Takes in an entry that is no record. Invalid if it is none of the format.
  Status Define(const Entry& entry);
  // Rewrites the record in place. NotFound, naming it, if the configuration has no such model or
  // route any more; Invalid if the segment does not define what the record names. A field that the
  // model has no more is left out; a symbol that does not fit into the table reads as null.
  // REQUIRES: IsRecord(record)
  Status Apply(std::span<std::byte> record) const;

 private:
  struct Model {
    std::string name;
    std::optional<uint16_t> number;  // ours
    std::vector<uint16_t> fields;    // ours, by theirs
  };
  struct Route {
    std::string name;
    std::optional<uint16_t> number;
  };
  Model TranslateModel(const std::vector<std::string_view>& texts) const;

  const Catalog& ours_;
  Symbols& symbols_;
  std::map<uint32_t, Model> models_;
  std::map<uint32_t, Route> routes_;
  std::vector<std::optional<RecordSymbol>> numbers_;  // of symbols, by theirs
};

}  // namespace gemel::journal
