#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "gateway/base/lsn.h"
#include "gateway/base/status.h"
#include "gateway/sdk/types.hpp"
#include "gateway/sqlite/database.h"

namespace gemel::store {

// A copy of the twins' database as it was once: with the journal from there on, the twins can be
// folded to any moment after it.
struct Base {
  std::filesystem::path path;
  Lsn checkpoint = kNoLsn;
  Time made = kNoTime;  // as the disk has it
};

// How far a saved database was: the lowest checkpoint of its shards, kNoLsn before the first
// snapshot.
Result<Lsn> CheckpointOf(sqlite::Database& database);

// How much of the journal lies between two bases: so many bytes of segments, or so much time.
struct BasePolicy {
  uint64_t bytes = 0;
  std::chrono::milliseconds time{0};
};

// The folder beside a database that holds its bases.
std::filesystem::path BasesFolder(const std::filesystem::path& database);
// All that there are, the oldest first; none if there is no such folder.
std::vector<Base> FindBases(const std::filesystem::path& folder);

// Called now and then by who has just saved the twins, and dropped segments: copies the database if
// enough of the journal has come since the newest base, and removes bases whose journal is gone.
// True if a copy was made. `now` is the time on the wall. Full or Unavailable if a disk refuses;
// then there is one base less.
Result<bool> KeepBases(const std::filesystem::path& database, const std::filesystem::path& journal,
                       Lsn checkpoint, const BasePolicy& policy, Time now);

}  // namespace gemel::store
