#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gateway/base/status.h"
#include "gateway/journal/journal.h"
#include "gateway/journal/segment.h"

namespace gemel::journal {

// Reads a journal from its oldest segment on, frame by frame, and notices what is missing, moved or
// changed before it is believed. One thread.
class JournalReader {
 public:
  // Unavailable if the folder can't be read. A folder without segments is an empty journal. With
  // `after`, begins with the segment that holds what follows that LSN, and Next is Damaged if some
  // of it is gone; without it, the oldest segment that is there is the beginning.
  static Result<JournalReader> Open(const std::filesystem::path& folder,
                                    std::optional<Lsn> after = std::nullopt);

  // The next frame; lives until the next call. Nothing at the end. Damaged, naming file and place,
  // if a segment is missing between two others, if frames are missing at a segment's end, if one is
  // not what was written, or if LSNs don't rise. A loss of power may take frames that were not
  // synced and leave later ones: where no later frame knows that they were, that is the end.
  Result<std::optional<Frame>> Next();

  // Once Next has given nothing: where a Journal goes on.
  JournalEnd end() const { return end_; }
  // The segment that was read last and how far; at the end, the bytes behind it there that are no
  // whole frame, and the segments that follow it: what was written last and not synced.
  const std::filesystem::path& path() const { return path_; }
  uint64_t offset() const { return segment_ ? segment_->offset() : 0; }
  uint64_t torn_bytes() const { return torn_bytes_; }
  std::span<const std::filesystem::path> lost_segments() const { return lost_; }
  // Takes the torn bytes and what was reserved behind them out of the file, and the lost segments
  // out of the journal (their names end in ".lost" then); what was read survives a loss of power
  // from then on. Unavailable if the disk fails. REQUIRES: Next has given nothing
  Status Cut();

 private:
  explicit JournalReader(std::vector<std::filesystem::path> paths) : paths_(std::move(paths)) {}
  Status OpenNext();
  // Ends here if a loss of power explains it; else says what is damaged.
  Status EndEarly(std::string damage);

  std::vector<std::filesystem::path> paths_;
  std::optional<Lsn> after_;
  size_t next_ = 0;  // of paths_
  std::filesystem::path path_;
  std::optional<SegmentReader> segment_;
  JournalEnd end_;
  bool is_at_end_ = false;
  uint64_t torn_bytes_ = 0;
  std::vector<std::filesystem::path> lost_;
};

}  // namespace gemel::journal
