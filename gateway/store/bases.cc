#include "gateway/store/bases.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "gateway/journal/folder.h"
#include "gateway/journal/segment.h"

namespace gemel::store {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".db";
constexpr size_t kNameDigits = 16;

std::optional<Lsn> CheckpointOfName(const std::string& name) {
  if (name.size() != kNameDigits + kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  Lsn lsn = kNoLsn;
  const char* const end = name.data() + kNameDigits;
  const auto [stop, error] = std::from_chars(name.data(), end, lsn, 16);
  if (error != std::errc() || stop != end) return std::nullopt;
  return lsn;
}

Time WrittenAt(const fs::path& path) {
  std::error_code error;
  const fs::file_time_type written = fs::last_write_time(path, error);
  if (error) return kNoTime;
  return std::chrono::floor<Duration>(std::chrono::file_clock::to_sys(written));
}

struct JournalOnDisk {
  std::optional<journal::SegmentHead> oldest;
  uint64_t bytes_behind = 0;  // of segments that begin behind the checkpoint asked for
  Time oldest_behind = kNoTime;
};

Result<JournalOnDisk> LookAt(const fs::path& folder, Lsn checkpoint) {
  GEMEL_TRY_LET(const std::vector<fs::path> paths, journal::FindSegments(folder));
  JournalOnDisk found;
  for (const fs::path& path : paths) {
    GEMEL_TRY_LET(const journal::SegmentHead head, journal::ReadSegmentHead(path));
    if (!found.oldest) found.oldest = head;
    if (head.first <= checkpoint) continue;
    std::error_code error;
    const uint64_t size = fs::file_size(path, error);
    if (!error) found.bytes_behind += size;
    if (found.oldest_behind == kNoTime) found.oldest_behind = head.created;
  }
  return found;
}

}  // namespace

Result<Lsn> CheckpointOf(sqlite::Database& database) {
  GEMEL_TRY_LET(const int64_t lsn,
                database.Integer("SELECT coalesce(min(lsn), 0) FROM gemel_checkpoints"));
  return static_cast<Lsn>(lsn);
}

fs::path BasesFolder(const fs::path& database) { return database.string() + ".bases"; }

std::vector<Base> FindBases(const fs::path& folder) {
  std::vector<Base> bases;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const auto lsn = CheckpointOfName(entry->path().filename().string());
    if (lsn) bases.push_back({entry->path(), *lsn, WrittenAt(entry->path())});
  }
  std::ranges::sort(bases, {}, &Base::checkpoint);
  return bases;
}

Result<bool> KeepBases(const fs::path& database, const fs::path& journal, Lsn checkpoint,
                       const BasePolicy& policy, Time now) {
  const fs::path folder = BasesFolder(database);
  std::vector<Base> bases = FindBases(folder);
  const Lsn newest = bases.empty() ? kNoLsn : bases.back().checkpoint;
  GEMEL_TRY_LET(const JournalOnDisk found, LookAt(journal, newest));
  std::error_code error;
  // A base needs every record after its checkpoint.
  for (const Base& base : bases) {
    if (found.oldest && found.oldest->IsTooLateFor(base.checkpoint)) fs::remove(base.path, error);
  }
  const bool is_due = found.bytes_behind >= policy.bytes ||
                      (found.oldest_behind != kNoTime && now - found.oldest_behind >= policy.time);
  if (!is_due || checkpoint <= newest) return false;
  GEMEL_TRY(journal::MakeFolder(folder));
  const fs::path unfinished = folder / "unfinished";
  fs::remove(unfinished, error);
  GEMEL_TRY_LET(auto opened, sqlite::Database::Open(database, sqlite::Database::Mode::kReadOnly));
  GEMEL_TRY(opened.CopyTo(unfinished));
  const fs::path named = folder / fmt::format("{:016x}{}", checkpoint, kSuffix);
  fs::rename(unfinished, named, error);
  if (error) {
    return Unavailable(
        fmt::format("{}: cannot be renamed: {}", unfinished.string(), error.message()));
  }
  return true;
}

}  // namespace gemel::store
