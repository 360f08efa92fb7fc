#include "gateway/store/sent_records.h"

#include <span>
#include <string_view>

#include "gateway/base/crc32c.h"

namespace gemel::store {
namespace {

uint64_t HashOf(journal::RecordKind kind, uint64_t key_hash, std::string_view payload) {
  const uint32_t checksum =
      Crc32c(static_cast<uint32_t>(kind), std::as_bytes(std::span(payload.data(), payload.size())));
  return key_hash ^ checksum;
}

}  // namespace

void SentRecords::Made(const std::vector<journal::OwnedRecord>& records) {
  const std::lock_guard lock(mutex_);
  for (const journal::OwnedRecord& owned : records) {
    const journal::Record record = owned.view();
    const Key key(record.cause.lsn, record.cause.ordinal);
    const auto found = found_.find(key);
    if (found == found_.end()) {
      made_.emplace(key, owned);
      continue;
    }
    Compare(HashOf(record.kind, record.key_hash, record.payload), found->second);
    found_.erase(found);
  }
}

void SentRecords::Found(const journal::RecordView& record) {
  const std::lock_guard lock(mutex_);
  const Key key(record.cause().lsn, record.cause().ordinal);
  const uint64_t hash = HashOf(record.kind(), record.key_hash(), record.payload());
  const auto made = made_.find(key);
  if (made == made_.end()) {
    found_.emplace(key, hash);
    return;
  }
  const journal::Record its = made->second.view();
  Compare(HashOf(its.kind, its.key_hash, its.payload), hash);
  made_.erase(made);
}

std::vector<journal::OwnedRecord> SentRecords::Missing() {
  const std::lock_guard lock(mutex_);
  std::vector<journal::OwnedRecord> missing;
  for (const auto& [key, record] : made_) missing.push_back(record);
  return missing;
}

uint64_t SentRecords::differing() {
  const std::lock_guard lock(mutex_);
  return differing_;
}

}  // namespace gemel::store
