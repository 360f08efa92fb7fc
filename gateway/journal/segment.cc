#include "gateway/journal/segment.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "gateway/base/crc32c.h"
#include "gateway/journal/descriptor.h"
#include "gateway/journal/folder.h"

namespace gemel::journal {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is");

constexpr std::array<char, 8> kMagic = {'G', 'E', 'M', 'E', 'L', 'J', 'N', 'L'};
constexpr std::string_view kSuffix = ".journal";
constexpr size_t kNameDigits = 16;
// Of a segment that is not begun yet.
constexpr const char* kSpareName = "spare";
// What of a segment is read before it is written: longer ones would keep their thread from syncing.
constexpr uint64_t kInMemoryMax = uint64_t{64} << 20;

// The head as it stands in the file.
struct FileHead {
  std::array<char, 8> magic;
  uint32_t version;
  uint32_t head_bytes;
  uint64_t first;
  uint64_t previous;
  uint64_t previous_last;
  int64_t created_us;
  std::array<uint8_t, 12> reserved;
  uint32_t crc;  // of all that stands before it
};
static_assert(sizeof(FileHead) == kSegmentHeadBytes);

struct FrameHead {
  uint32_t body_bytes;
  uint32_t crc;  // of the place, all else here and the body
  uint64_t first;
  uint64_t synced;
};
static_assert(sizeof(FrameHead) == kFrameHeadBytes);

template <typename T>
std::span<const std::byte> BytesOf(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

// A frame is valid in its own place only, so that one which was copied or moved is none.
uint32_t FrameCrc(Lsn segment, uint64_t offset, const Frame& frame) {
  const std::array<uint64_t, 5> about = {segment, offset, frame.first, frame.synced,
                                         frame.body.size()};
  return Crc32c(Crc32c(0, BytesOf(about)), frame.body);
}

uint32_t HeadCrc(const FileHead& head) {
  return Crc32c(0, BytesOf(head).first(offsetof(FileHead, crc)));
}

FileHead ToFile(const SegmentHead& head) {
  FileHead file{};
  file.magic = kMagic;
  file.version = kFormatVersion;
  file.head_bytes = kSegmentHeadBytes;
  file.first = head.first;
  file.previous = head.previous;
  file.previous_last = head.previous_last;
  file.created_us = head.created.time_since_epoch().count();
  file.crc = HeadCrc(file);
  return file;
}

Result<SegmentHead> ParseHead(std::span<const std::byte> bytes, const std::filesystem::path& path) {
  const auto damaged = [&](std::string_view why) {
    return Damaged(fmt::format("{}: {}", path.string(), why));
  };
  FileHead head;
  if (bytes.size() < sizeof head) return damaged("too short for a segment of the journal");
  std::memcpy(&head, bytes.data(), sizeof head);
  if (head.magic != kMagic) return damaged("no segment of a journal");
  if (head.crc != HeadCrc(head)) return damaged("its head is not what was written");
  if (head.version > kFormatVersion || head.head_bytes != kSegmentHeadBytes) {
    return Invalid(fmt::format("{}: of format {}; this program knows formats up to {}",
                               path.string(), head.version, kFormatVersion));
  }
  if (path.filename() != SegmentName(head.first)) {
    return damaged(fmt::format("it is segment {}", SegmentName(head.first)));
  }
  return SegmentHead{head.first, head.previous, head.previous_last,
                     Time{Duration{head.created_us}}};
}

Status WriteAll(int file, const std::filesystem::path& path, std::span<const std::byte> bytes) {
  const ssize_t written = ::write(file, bytes.data(), bytes.size());
  if (written == static_cast<ssize_t>(bytes.size())) return Status::Ok();
  // Room was reserved, so a part of it is as bad as nothing.
  if (written >= 0) errno = EIO;
  return Failed(path, "cannot be written");
}

// Brings the first pages of a file that is all zeros into memory, so that an append finds its page
// there instead of having the kernel find, zero and map one. Page by page, because each write to a
// large folio walks all of its blocks. It is no matter if it fails.
void BringIntoMemory(int file, uint64_t bytes) {
  std::array<std::byte, 64 * 1'024> read;
  static_cast<void>(::posix_fadvise(file, 0, 0, POSIX_FADV_RANDOM));
  for (uint64_t at = 0; at < std::min(bytes, kInMemoryMax); at += read.size()) {
    if (::pread(file, read.data(), read.size(), static_cast<off_t>(at)) <= 0) return;
  }
}

}  // namespace

std::string SegmentName(Lsn first) { return fmt::format("{:016x}{}", first, kSuffix); }

std::optional<Lsn> LsnOfName(std::string_view name) {
  if (name.size() != kNameDigits + kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  Lsn first = kNoLsn;
  const char* const end = name.data() + kNameDigits;
  const auto [stop, error] = std::from_chars(name.data(), end, first, 16);
  if (error != std::errc() || stop != end || SegmentName(first) != name) return std::nullopt;
  return first;
}

Result<SegmentWriter> SegmentWriter::Reserve(const std::filesystem::path& folder, uint64_t bytes) {
  GEMEL_ASSERT(bytes >= kSegmentHeadBytes + kSegmentTailBytes);
  const std::filesystem::path path = folder / kSpareName;
  Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
  if (file.number < 0) return Failed(path, "cannot be created");
  errno = ::posix_fallocate(file.number, 0, static_cast<off_t>(bytes));
  if (errno == 0 && ::fsync(file.number) == 0) {
    BringIntoMemory(file.number, bytes);
    return SegmentWriter(std::move(file), path, bytes);
  }
  Status status = Failed(path, "room for the next segment cannot be reserved");
  ::unlink(path.c_str());
  return status;
}

Status SegmentWriter::Begin(const SegmentHead& head) {
  GEMEL_ASSERT(offset_ == 0);
  const FileHead file_head = ToFile(head);
  GEMEL_TRY(WriteAll(file_.number, path_, BytesOf(file_head)));
  const std::filesystem::path named = path_.parent_path() / SegmentName(head.first);
  if (::rename(path_.c_str(), named.c_str()) != 0) return Failed(path_, "cannot be renamed");
  path_ = named;
  head_ = head;
  offset_ = kSegmentHeadBytes;
  return Status::Ok();
}

Status SegmentWriter::Append(Lsn first, Lsn synced, std::span<std::byte> frame) {
  GEMEL_ASSERT(frame.size() > kFrameHeadBytes && frame.size() % kFrameAlignment == 0);
  const std::span<std::byte> body = frame.subspan(kFrameHeadBytes);
  GEMEL_ASSERT(body.size() <= kFrameBytesMax && HasRoomFor(body.size()));
  const FrameHead head{static_cast<uint32_t>(body.size()),
                       FrameCrc(head_.first, offset_, {first, synced, body}), first, synced};
  std::memcpy(frame.data(), &head, sizeof head);
  GEMEL_TRY(WriteAll(file_.number, path_, frame));
  offset_ += frame.size();
  return Status::Ok();
}

void SegmentWriter::Trim() {
  // Readers end at zeros as well, so it is no matter if it fails.
  static_cast<void>(::ftruncate(file_.number, static_cast<off_t>(offset_)) == 0);
}

Status SegmentWriter::Sync() {
  if (::fdatasync(file_.number) != 0) return Failed(path_, "cannot be synced");
  if (!is_name_synced_) GEMEL_TRY(SyncFolder(path_.parent_path()));
  is_name_synced_ = true;
  return Status::Ok();
}

Result<SegmentReader> SegmentReader::Load(const std::filesystem::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat about {};
  if (file.number < 0 || ::fstat(file.number, &about) != 0) return Failed(path, "cannot be read");
  SegmentReader reader;
  reader.path_ = path;
  reader.size_ = static_cast<uint64_t>(about.st_size);
  reader.bytes_.resize(reader.size_ + kSegmentTailBytes);
  for (uint64_t at = 0; at < reader.size_;) {
    const ssize_t size = ::read(file.number, reader.bytes_.data() + at, reader.size_ - at);
    if (size < 0) return Failed(path, "cannot be read");
    if (size == 0) return Damaged(fmt::format("{}: it shrank while it was read", path.string()));
    at += static_cast<uint64_t>(size);
  }
  return reader;
}

Result<SegmentReader> SegmentReader::Open(const std::filesystem::path& path) {
  GEMEL_TRY_LET(SegmentReader reader, Load(path));
  GEMEL_TRY_LET(reader.head_, ParseHead(std::span(reader.bytes_).first(reader.size_), path));
  return reader;
}

Result<SegmentReader::Traces> SegmentReader::TracesIn(const std::filesystem::path& path) {
  GEMEL_TRY_LET(SegmentReader reader, Load(path));
  const auto head = std::span(reader.bytes_).first(std::min(reader.size_, kSegmentHeadBytes));
  reader.head_.first = LsnOfName(path.filename().string()).value_or(kNoLsn);
  reader.offset_ = head.size();
  reader.LookBehindEnd(reader.offset_);
  const bool has_head =
      std::ranges::any_of(head, [](std::byte byte) { return byte != std::byte{0}; });
  return Traces{.has_head = has_head, .synced = reader.synced_behind_};
}

Result<SegmentHead> ReadSegmentHead(const std::filesystem::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<std::byte, kSegmentHeadBytes> bytes{};
  if (file.number < 0) return Failed(path, "cannot be read");
  const ssize_t size = ::read(file.number, bytes.data(), bytes.size());
  if (size < 0) return Failed(path, "cannot be read");
  return ParseHead(std::span(bytes).first(static_cast<size_t>(size)), path);
}

std::optional<Frame> ParseFrame(std::span<const std::byte> bytes, Lsn segment, uint64_t offset) {
  FrameHead head;
  if (bytes.size() < sizeof head) return std::nullopt;
  std::memcpy(&head, bytes.data(), sizeof head);
  const uint64_t room = bytes.size() - sizeof head;
  const bool is_size = head.body_bytes > 0 && head.body_bytes % kFrameAlignment == 0 &&
                       head.body_bytes <= std::min<uint64_t>(room, kFrameBytesMax);
  if (!is_size) return std::nullopt;
  const Frame frame{head.first, head.synced, bytes.subspan(sizeof head, head.body_bytes)};
  if (head.crc != FrameCrc(segment, offset, frame)) return std::nullopt;
  return frame;
}

std::optional<Frame> SegmentReader::FrameAt(uint64_t offset) const {
  return ParseFrame(std::span(bytes_).subspan(offset, size_ - offset), head_.first, offset);
}

std::optional<Frame> SegmentReader::Next() {
  std::optional<Frame> frame = FrameAt(offset_);
  if (!frame) {
    LookBehindEnd(offset_ + kFrameAlignment);
    return frame;
  }
  offset_ += kFrameHeadBytes + frame->body.size();
  last_ = frame->first;
  return frame;
}

// Nothing follows the last frame, or the beginning of one that was being written, or, after a loss
// of power or damage, other frames, which begin at any word.
void SegmentReader::LookBehindEnd(uint64_t from) {
  const std::span<const std::byte> rest = std::span(bytes_).subspan(offset_, size_ - offset_);
  const auto last =
      std::find_if(rest.rbegin(), rest.rend(), [](std::byte byte) { return byte != std::byte{0}; });
  torn_bytes_ = static_cast<uint64_t>(rest.rend() - last);
  const uint64_t end = offset_ + torn_bytes_;
  for (uint64_t at = from; at < end;) {
    const std::optional<Frame> frame = FrameAt(at);
    if (frame) synced_behind_ = std::max(synced_behind_, frame->synced);
    at += frame ? kFrameHeadBytes + frame->body.size() : kFrameAlignment;
  }
}

Result<std::vector<std::filesystem::path>> FindSegments(const std::filesystem::path& folder) {
  std::vector<std::pair<Lsn, std::filesystem::path>> found;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::optional<Lsn> first = LsnOfName(entry->path().filename().string());
    if (first) found.emplace_back(*first, entry->path());
  }
  if (error) {
    return Unavailable(fmt::format("{}: cannot be read: {}", folder.string(), error.message()));
  }
  std::ranges::sort(found);
  std::vector<std::filesystem::path> paths;
  paths.reserve(found.size());
  for (auto& [first, path] : found) paths.push_back(std::move(path));
  return paths;
}

}  // namespace gemel::journal
