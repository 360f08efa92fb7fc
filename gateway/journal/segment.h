#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gateway/base/lsn.h"
#include "gateway/base/status.h"
#include "gateway/journal/descriptor.h"
#include "gateway/sdk/types.hpp"

namespace gemel::journal {

// One file of the journal: a head, then frames, each with a checksum that knows its place.
// FORMAT.md describes it byte by byte.

inline constexpr uint32_t kFormatVersion = 1;
inline constexpr size_t kSegmentHeadBytes = 64;
inline constexpr size_t kFrameHeadBytes = 24;
// A frame's body: whole words, at least one.
inline constexpr size_t kFrameAlignment = 8;
// Left empty behind the last frame, so that readers of payloads may look beyond it.
inline constexpr size_t kSegmentTailBytes = 64;
// The largest body: a message of the largest size, once an item.
inline constexpr size_t kFrameBytesMax = 16 * 1'024 * 1'024;

// A frame as it is read. The body lives as long as its reader.
struct Frame {
  Lsn first = kNoLsn;   // of its first record
  Lsn synced = kNoLsn;  // the last frame that was known to be on the disk when this was written
  std::span<const std::byte> body;
};

// The frame that begins with these bytes, if they are one of this segment at this offset in it.
std::optional<Frame> ParseFrame(std::span<const std::byte> bytes, Lsn segment, uint64_t offset);

// What the first bytes of a segment say.
struct SegmentHead {
  Lsn first = kNoLsn;          // of the records in it, and its name
  Lsn previous = kNoLsn;       // `first` of the segment before it; kNoLsn if there was none
  Lsn previous_last = kNoLsn;  // of the last frame of that one
  Time created = kNoTime;
  // Whether records behind `lsn` are missing where a journal begins with this segment.
  bool IsTooLateFor(Lsn lsn) const { return first > lsn && previous_last > lsn; }
  friend bool operator==(const SegmentHead&, const SegmentHead&) = default;
};

// "00000100000000a1.journal": the first LSN in 16 hexadecimal digits.
std::string SegmentName(Lsn first);
// The LSN that a segment's name tells; nothing if the name is none of a segment.
std::optional<Lsn> LsnOfName(std::string_view name);

// Appends frames to a file of its own. Reserved ahead, because that takes the disk a while; begun
// once its first LSN is known. One thread at a time; Sync may run beside Append.
class SegmentWriter {
 public:
  // Makes a file without a name that counts, with room for `bytes` reserved on the disk. Full if
  // the disk has no room, Unavailable if it fails; nothing is left then. One a folder at a time.
  static Result<SegmentWriter> Reserve(const std::filesystem::path& folder, uint64_t bytes);
  // Gives it its head and its name. Unavailable if the disk fails. REQUIRES: called once, first
  Status Begin(const SegmentHead& head);

  bool HasRoomFor(size_t body_bytes) const {
    return offset_ + kFrameHeadBytes + body_bytes + kSegmentTailBytes <= bytes_;
  }
  // Writes one frame by one write(): `frame` is kFrameHeadBytes of space, to be filled in here, and
  // the body; `first` and `synced` are as in Frame. Unavailable if the disk fails: then it is not
  // known what of it was written, and this writer must not be used again. REQUIRES:
  // HasRoomFor(body); a body of kFrameAlignment
  Status Append(Lsn first, Lsn synced, std::span<std::byte> frame);
  // Gives back what is reserved and was not used. REQUIRES: nothing is appended any more
  void Trim();
  // Returns when all that was appended before it survives a loss of power, and the segment itself.
  // Unavailable if the disk fails: what was written since the last success may be lost, and can't
  // be synced again.
  Status Sync();

  const SegmentHead& head() const { return head_; }
  uint64_t offset() const { return offset_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  SegmentWriter(Descriptor file, std::filesystem::path path, uint64_t bytes)
      : file_(std::move(file)), path_(std::move(path)), bytes_(bytes) {}

  Descriptor file_;
  std::filesystem::path path_;
  uint64_t bytes_;
  SegmentHead head_;
  uint64_t offset_ = 0;
  bool is_name_synced_ = false;
};

// The head of a segment. Damaged, Invalid and Unavailable as SegmentReader::Open.
Result<SegmentHead> ReadSegmentHead(const std::filesystem::path& path);

// Reads a segment frame by frame and believes nothing that has no valid checksum.
class SegmentReader {
 public:
  // Loads the whole file. Damaged if its head is not one or is not of this name, Invalid if it is
  // of a newer format, Unavailable if it can't be read.
  static Result<SegmentReader> Open(const std::filesystem::path& path);

  // What can be said of a segment of which nothing is believed.
  struct Traces {
    bool has_head = false;  // something stands where the head should
    Lsn synced = kNoLsn;    // the highest Frame::synced of the valid frames anywhere in it
  };
  static Result<Traces> TracesIn(const std::filesystem::path& path);

  // The next frame, with kSegmentTailBytes readable behind its body. Nothing where none is valid:
  // the end.
  std::optional<Frame> Next();

  const SegmentHead& head() const { return head_; }
  // Where the frame that Next gives next begins; at the end, how much of the file counts.
  uint64_t offset() const { return offset_; }
  Lsn last() const { return last_; }  // of the last frame that Next gave
  // At the end: bytes behind the last frame that are not empty.
  uint64_t torn_bytes() const { return torn_bytes_; }
  // The highest Frame::synced of the valid frames among them; kNoLsn if there is none.
  Lsn synced_behind() const { return synced_behind_; }

 private:
  SegmentReader() = default;
  static Result<SegmentReader> Load(const std::filesystem::path& path);
  std::optional<Frame> FrameAt(uint64_t offset) const;
  // Frames are looked for from there on.
  void LookBehindEnd(uint64_t from);

  std::filesystem::path path_;
  std::vector<std::byte> bytes_;  // the file, and kSegmentTailBytes of zeros
  uint64_t size_ = 0;             // of the file
  SegmentHead head_;
  uint64_t offset_ = kSegmentHeadBytes;
  uint64_t torn_bytes_ = 0;
  Lsn synced_behind_ = kNoLsn;
  Lsn last_ = kNoLsn;
};

// The segments of a folder in their order, by their names; other files are none of ours.
// Unavailable if the folder can't be read.
Result<std::vector<std::filesystem::path>> FindSegments(const std::filesystem::path& folder);

}  // namespace gemel::journal
