#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "gateway/base/lsn.h"
#include "gateway/journal/record.h"

namespace gemel::store {

// While a journal is replayed, records that twins send are made again, and most of them are in the
// journal: which are not, because the process ended before they were written, and which are not the
// same. Any thread.
class SentRecords {
 public:
  // Twins have made these.
  void Made(const std::vector<journal::OwnedRecord>& records);
  // The journal holds this one. REQUIRES: IsSentByTwin(record.kind())
  void Found(const journal::RecordView& record);

  // Those that were made and not found, by their causes: to be appended.
  std::vector<journal::OwnedRecord> Missing();
  // How many were made otherwise than the journal holds them: a model looks at something beside its
  // arguments, or is another one than it was.
  uint64_t differing();

 private:
  using Key = std::pair<Lsn, uint32_t>;
  void Compare(uint64_t made, uint64_t found) { differing_ += made == found ? 0 : 1; }

  // A lock, because shards make what the replaying thread finds; held for a look-up.
  std::mutex mutex_;
  std::map<Key, journal::OwnedRecord> made_;  // and not found yet
  std::map<Key, uint64_t> found_;             // and not made yet: a hash of what it says
  uint64_t differing_ = 0;
};

}  // namespace gemel::store
