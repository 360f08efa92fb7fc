#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "gateway/base/status.h"
#include "gateway/base/symbols.h"
#include "gateway/journal/frame.h"
#include "gateway/journal/reader.h"
#include "gateway/journal/record.h"

namespace gemel::journal {

// The records of a journal, one after the other, whichever process has written them. One thread.
class RecordStream {
 public:
  // As JournalReader::Open. Both outlive the stream.
  static Result<RecordStream> Open(const std::filesystem::path& folder, std::optional<Lsn> after,
                                   const Catalog& catalog, Symbols& symbols);

  // The next record as it was written: key and LSN mean the same everywhere. Lives until the next
  // call, with room to read ahead behind it. Nothing at the end; Damaged, naming file and frame,
  // where the reader says so or a frame holds what is no record.
  Result<std::optional<RecordView>> Next();
  // Gives that record the numbers that this process has for models, routes, fields and symbols.
  // Invalid, saying what can be done, if the catalog lacks its model or route.
  Result<std::span<const std::byte>> Translate();

  // The frame that holds it: what came in one message shares one.
  Lsn frame() const { return frame_; }
  JournalReader& reader() { return reader_; }
  const JournalReader& reader() const { return reader_; }

 private:
  RecordStream(JournalReader reader, const Catalog& catalog, Symbols& symbols)
      : reader_(std::move(reader)), translation_(catalog, symbols) {}
  // Which frame it is that can't be read, and what can be done.
  Status At(const Status& status) const;

  JournalReader reader_;
  Translation translation_;
  std::optional<EntryReader> entries_;  // of the present frame
  Lsn frame_ = kNoLsn;
  Lsn segment_ = kNoLsn;
  std::vector<uint64_t> words_;  // aligned
  std::span<std::byte> record_;
};

}  // namespace gemel::journal
