#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "gateway/base/status.h"
#include "gateway/journal/frame.h"
#include "gateway/journal/reader.h"
#include "gateway/journal/record.h"
#include "gateway/twin/world.h"

namespace gemel::playback {

// The records of one twin, or all, out of a journal that is perhaps still written to. One thread.
class TwinRecords {
 public:
  // As journal::JournalReader::Open. The world outlives it.
  static Result<TwinRecords> Open(const std::filesystem::path& journal, std::optional<Lsn> after,
                                  const twin::World& world);

  // The next record that `wants(view)` lets through, with this process's numbers of models, routes,
  // fields and symbols; lives until the next call. `wants` sees records as they were written: keys
  // and LSNs mean the same there. Nothing at the end.
  template <typename Wants>
  Result<std::optional<std::span<const std::byte>>> Next(const Wants& wants) {
    while (true) {
      GEMEL_TRY_LET(const bool has_one, NextRaw());
      if (!has_one) return std::optional<std::span<const std::byte>>();
      if (!wants(journal::RecordView(record_))) continue;
      GEMEL_TRY(translation_->Apply(record_));
      return std::optional<std::span<const std::byte>>(record_);
    }
  }

 private:
  TwinRecords(journal::JournalReader reader, const twin::World& world);
  Result<bool> NextRaw();

  journal::JournalReader reader_;
  std::unique_ptr<journal::Catalog> catalog_;
  std::unique_ptr<journal::Translation> translation_;
  std::optional<journal::EntryReader> entries_;  // of the present frame
  Lsn segment_ = kNoLsn;
  std::vector<uint64_t> words_;  // aligned
  std::span<std::byte> record_;
};

}  // namespace gemel::playback
