#pragma once

#include <cstdint>
#include <filesystem>

#include "gateway/base/lsn.h"
#include "gateway/base/status.h"

namespace gemel::store {

// What a check has found to be whole.
struct VerifiedDatabase {
  uint64_t tables = 0;
  uint64_t rows = 0;
  bool is_there = true;
  // The lowest checkpoint: the journal is needed from behind it. And the newest record that a twin
  // has seen, which the journal must reach.
  Lsn checkpoint = kNoLsn;
  Lsn newest = kNoLsn;
};
struct VerifiedJournal {
  uint64_t segments = 0;
  uint64_t frames = 0;
  uint64_t records = 0;
  // Of frames that were being written when the machine stopped, which is no damage.
  uint64_t torn_bytes = 0;
  uint64_t lost_segments = 0;
};

// Reads every row of a twins' database against its checksum and its table's sum, and has SQLite
// check what lies between them, as of one moment: a gateway may be writing. Damaged, naming table
// and row; Unavailable if it can't be read. A file that is missing is a gateway that has saved
// nothing yet.
Result<VerifiedDatabase> VerifyDatabase(const std::filesystem::path& path);

// Reads every frame of a journal and every entry in them. Damaged, naming file and place;
// Unavailable if it can't be read. While a gateway writes, what is half written may look damaged:
// damage is what is so a second time.
Result<VerifiedJournal> VerifyJournal(const std::filesystem::path& folder);

}  // namespace gemel::store
