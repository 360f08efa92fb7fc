#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "gateway/base/status.h"
#include "gateway/journal/descriptor.h"
#include "gateway/journal/journal.h"

namespace gemel::journal {

// Reads the frames of a journal while it is being written, from a place on: what a shard does whose
// mailbox was full. One thread.
class Cursor {
 public:
  // `from` is where a frame begins, or the end of a segment.
  Cursor(std::filesystem::path folder, JournalPlace from)
      : folder_(std::move(folder)), place_(from) {}

  // The next frame before `end`, a place behind a whole frame; nothing there. The frame lives until
  // the next call, with kSegmentTailBytes readable behind its body. Unavailable if the disk fails;
  // Damaged, naming file and offset, if no valid frame stands where one was written.
  Result<std::optional<Frame>> Next(JournalPlace end);
  // Of the frame that Next gives next.
  JournalPlace place() const { return place_; }

 private:
  Status OpenSegment();
  // Has at least this much from place_ on in the buffer, as far as there is so much before `end`:
  // what lies behind it may be written only later.
  Status Fill(size_t bytes, JournalPlace end);
  std::span<const std::byte> buffered() const;  // from place_ on
  Result<std::filesystem::path> FollowerOf(Lsn segment) const;

  const std::filesystem::path folder_;
  JournalPlace place_;
  std::filesystem::path path_;
  std::optional<Descriptor> file_;
  std::vector<uint64_t> words_;  // aligned; grows to the largest frame
  uint64_t buffered_from_ = 0;   // offset in the file of the first byte
  size_t buffered_ = 0;
};

}  // namespace gemel::journal
