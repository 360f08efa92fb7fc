#include "gateway/playback/twin_records.h"

#include <cstring>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "gateway/store/recovery.h"

namespace gemel::playback {

Result<TwinRecords> TwinRecords::Open(const std::filesystem::path& journal,
                                      std::optional<Lsn> after, const twin::World& world) {
  GEMEL_TRY_LET(auto reader, journal::JournalReader::Open(journal, after));
  return TwinRecords(std::move(reader), world);
}

TwinRecords::TwinRecords(journal::JournalReader reader, const twin::World& world)
    : reader_(std::move(reader)),
      catalog_(std::make_unique<journal::Catalog>(store::CatalogOf(world))),
      translation_(std::make_unique<journal::Translation>(*catalog_, *world.symbols)) {}

Result<bool> TwinRecords::NextRaw() {
  while (true) {
    while (entries_) {
      const std::optional<journal::Entry> entry = entries_->Next();
      if (!entry) break;
      if (entry->kind != journal::EntryKind::kRecord) {
        GEMEL_TRY(translation_->Define(*entry));
        continue;
      }
      if (!journal::IsRecord(entry->content)) {
        return Damaged(
            fmt::format("{}: it holds an entry that is no record", reader_.path().string()));
      }
      words_.resize((entry->content.size() + journal::kReadAhead) / sizeof(uint64_t) + 1);
      std::memcpy(words_.data(), entry->content.data(), entry->content.size());
      record_ = {reinterpret_cast<std::byte*>(words_.data()), entry->content.size()};
      return true;
    }
    GEMEL_TRY_LET(const auto frame, reader_.Next());
    if (!frame) return false;
    if (reader_.end().segment != segment_) {
      segment_ = reader_.end().segment;
      translation_->BeginSegment();
    }
    entries_.emplace(frame->body);
  }
}

}  // namespace gemel::playback
