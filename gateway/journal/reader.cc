#include "gateway/journal/reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "gateway/journal/descriptor.h"
#include "gateway/journal/folder.h"

namespace gemel::journal {

Result<JournalReader> JournalReader::Open(const std::filesystem::path& folder,
                                          std::optional<Lsn> after) {
  GEMEL_TRY_LET(std::vector<std::filesystem::path> paths, FindSegments(folder));
  if (after) {
    const auto is_behind = [after](const std::filesystem::path& path) {
      return *LsnOfName(path.filename().string()) > *after;
    };
    const auto first = std::ranges::find_if(paths, is_behind);
    if (first != paths.begin()) paths.erase(paths.begin(), std::prev(first));
  }
  JournalReader reader(std::move(paths));
  reader.after_ = after;
  return reader;
}

Result<std::optional<Frame>> JournalReader::Next() {
  while (!is_at_end_) {
    if (!segment_) {
      if (next_ == paths_.size()) break;
      GEMEL_TRY(OpenNext());
      continue;
    }
    if (std::optional<Frame> frame = segment_->Next()) {
      if (frame->first <= end_.frame) {
        return Damaged(fmt::format("{}: the frame before offset {} has LSN {:x}, not above {:x}",
                                   path_.string(), segment_->offset(), frame->first, end_.frame));
      }
      end_.frame = frame->first;
      return frame;
    }
    torn_bytes_ = segment_->torn_bytes();
    if (next_ == paths_.size() && torn_bytes_ == 0) break;
    if (torn_bytes_ > 0) {
      GEMEL_TRY(EndEarly(fmt::format("{}: from offset {} on it is not what was written",
                                     path_.string(), segment_->offset())));
    } else {
      GEMEL_TRY(OpenNext());
    }
  }
  is_at_end_ = true;
  return std::optional<Frame>();
}

Status JournalReader::OpenNext() {
  Result<SegmentReader> opened = SegmentReader::Open(paths_[next_]);
  if (!opened.ok()) {
    if (opened.status().code() != Code::kDamaged) return std::move(opened).status();
    GEMEL_TRY_LET(const SegmentReader::Traces traces, SegmentReader::TracesIn(paths_[next_]));
    // Its name may survive a loss of power that its head does not.
    if (traces.has_head) return std::move(opened).status();
    return EndEarly(opened.status().message());
  }
  SegmentReader next = *std::move(opened);
  const SegmentHead& head = next.head();
  const bool is_oldest = next_ == 0;
  if (is_oldest && after_ && head.IsTooLateFor(*after_)) {
    return Damaged(fmt::format("{}: what was written from {:x} to {:x} is missing before it",
                               paths_[next_].string(), *after_ + 1, head.previous_last));
  }
  if (!is_oldest && head.previous != end_.segment) {
    return EndEarly(fmt::format("{}: it follows segment {}, which is missing",
                                paths_[next_].string(), SegmentName(head.previous)));
  }
  if (!is_oldest && head.previous_last != end_.frame) {
    return EndEarly(fmt::format("{}: frames are missing at its end: the last one is {:x}, was {:x}",
                                path_.string(), end_.frame, head.previous_last));
  }
  path_ = paths_[next_++];
  end_.segment = head.first;
  segment_ = std::move(next);
  return Status::Ok();
}

Status JournalReader::EndEarly(std::string damage) {
  if (segment_ && segment_->synced_behind() > end_.frame) return Damaged(std::move(damage));
  for (size_t later = next_; later < paths_.size(); ++later) {
    GEMEL_TRY_LET(const SegmentReader::Traces traces, SegmentReader::TracesIn(paths_[later]));
    if (traces.synced > end_.frame) return Damaged(std::move(damage));
  }
  lost_.assign(paths_.begin() + static_cast<std::ptrdiff_t>(next_), paths_.end());
  is_at_end_ = true;
  return Status::Ok();
}

Status JournalReader::Cut() {
  for (const std::filesystem::path& path : lost_) {
    if (::rename(path.c_str(), (path.string() + ".lost").c_str()) != 0)
      return Failed(path, "cannot be set aside");
  }
  lost_.clear();
  for (size_t read = 0; read < next_; ++read) {
    const std::filesystem::path& path = paths_[read];
    const Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (file.number < 0) return Failed(path, "cannot be opened");
    const bool is_last = read + 1 == next_;
    if (is_last && ::ftruncate(file.number, static_cast<off_t>(segment_->offset())) != 0)
      return Failed(path, "cannot be cut");
    // A process that was killed has synced nothing of what it wrote last, maybe in several of them.
    if (::fsync(file.number) != 0) return Failed(path, "cannot be synced");
  }
  torn_bytes_ = 0;
  return paths_.empty() ? Status::Ok() : SyncFolder(paths_.front().parent_path());
}

}  // namespace gemel::journal
