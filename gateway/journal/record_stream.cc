#include "gateway/journal/record_stream.h"

#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace gemel::journal {

Result<RecordStream> RecordStream::Open(const std::filesystem::path& folder,
                                        std::optional<Lsn> after, const Catalog& catalog,
                                        Symbols& symbols) {
  GEMEL_TRY_LET(JournalReader reader, JournalReader::Open(folder, after));
  return RecordStream(std::move(reader), catalog, symbols);
}

Result<std::optional<RecordView>> RecordStream::Next() {
  while (true) {
    while (entries_) {
      const std::optional<Entry> entry = entries_->Next();
      if (!entry && !entries_->is_at_end()) return At(Invalid("an entry that does not end"));
      if (!entry) break;
      if (entry->kind != EntryKind::kRecord) {
        if (Status status = translation_.Define(*entry); !status.ok()) return At(status);
        continue;
      }
      if (!IsRecord(entry->content)) return At(Invalid("an entry that is no record"));
      words_.resize((entry->content.size() + kReadAhead) / sizeof(uint64_t) + 1);
      std::memcpy(words_.data(), entry->content.data(), entry->content.size());
      record_ = {reinterpret_cast<std::byte*>(words_.data()), entry->content.size()};
      return std::optional(RecordView(record_));
    }
    GEMEL_TRY_LET(const std::optional<Frame> frame, reader_.Next());
    if (!frame) return std::optional<RecordView>();
    if (reader_.end().segment != segment_) {
      segment_ = reader_.end().segment;
      translation_.BeginSegment();
    }
    frame_ = frame->first;
    entries_.emplace(frame->body);
  }
}

Result<std::span<const std::byte>> RecordStream::Translate() {
  if (Status status = translation_.Apply(record_); !status.ok()) return At(status);
  return std::span<const std::byte>(record_);
}

Status RecordStream::At(const Status& status) const {
  if (status.code() == Code::kNotFound) {
    return Invalid(fmt::format(
        "{}: the record {:x} is of {}, which the configuration has no more: start with one that "
        "has it until `gemel` is ready, then stop and take it out",
        reader_.path().string(), frame_, status.message()));
  }
  return Damaged(fmt::format("{}: the frame {:x} holds {}", reader_.path().string(), frame_,
                             status.message()));
}

}  // namespace gemel::journal
