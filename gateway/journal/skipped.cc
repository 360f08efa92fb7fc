#include "gateway/journal/skipped.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <optional>
#include <vector>

#include "gateway/journal/frame.h"
#include "gateway/journal/record.h"
#include "gateway/journal/segment.h"

namespace gemel::journal {
namespace {

// One that begins with such a record holds nothing else; most others are longer.
constexpr size_t kFirstFrameBytes = 4'096;
static_assert(kFirstFrameBytes >= kFrameHeadBytes + 128 + kShardsMax * sizeof(Lsn));

void AddFrom(const Frame& frame, std::set<Lsn>& skipped) {
  EntryReader entries(frame.body);
  while (const std::optional<Entry> entry = entries.Next()) {
    if (entry->kind != EntryKind::kRecord || !IsRecord(entry->content)) continue;
    const RecordView record(entry->content);
    if (record.kind() != RecordKind::kSkipped) continue;
    std::string_view rest = record.payload();
    for (Lsn lsn = kNoLsn; rest.size() >= sizeof lsn; rest.remove_prefix(sizeof lsn)) {
      std::memcpy(&lsn, rest.data(), sizeof lsn);
      skipped.insert(lsn);
    }
  }
}

}  // namespace

void EncodeSkipped(std::span<const Lsn> lsns, std::string& payload) {
  payload.assign(reinterpret_cast<const char*>(lsns.data()), lsns.size_bytes());
}

Result<std::set<Lsn>> FindSkipped(const std::filesystem::path& folder) {
  GEMEL_TRY_LET(const std::vector<std::filesystem::path> paths, FindSegments(folder));
  std::vector<uint64_t> words((kFirstFrameBytes + kSegmentTailBytes) /
                              sizeof(uint64_t));  // aligned
  std::set<Lsn> skipped;
  for (const std::filesystem::path& path : paths) {
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.number < 0) return Failed(path, "cannot be read");
    const ssize_t size =
        ::pread(file.number, words.data(), kFirstFrameBytes, static_cast<off_t>(kSegmentHeadBytes));
    if (size < 0) return Failed(path, "cannot be read");
    const auto bytes = std::as_bytes(std::span(words)).first(static_cast<size_t>(size));
    const Lsn first = *LsnOfName(path.filename().string());
    if (const auto frame = ParseFrame(bytes, first, kSegmentHeadBytes)) AddFrom(*frame, skipped);
  }
  return skipped;
}

}  // namespace gemel::journal
