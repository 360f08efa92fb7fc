#include "gateway/journal/cursor.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace gemel::journal {
namespace {

constexpr size_t kReadBytes = 1024 * 1024;

}  // namespace

Result<std::optional<Frame>> Cursor::Next(JournalPlace end) {
  if (place_ == end) return std::optional<Frame>();
  if (!file_) GEMEL_TRY(OpenSegment());
  while (true) {
    GEMEL_TRY(Fill(kFrameHeadBytes, end));
    uint32_t body = 0;
    if (buffered().size() >= kFrameHeadBytes) std::memcpy(&body, buffered().data(), sizeof body);
    if (body != 0 || place_.segment == end.segment) {
      const size_t size = kFrameHeadBytes + std::min<size_t>(body, kFrameBytesMax);
      GEMEL_TRY(Fill(size, end));
      const std::optional<Frame> frame = ParseFrame(buffered(), place_.segment, place_.offset);
      if (frame) {
        place_.offset += size;
        return frame;
      }
      return Damaged(fmt::format("{}: at offset {} stands no longer what was written",
                                 path_.string(), place_.offset));
    }
    GEMEL_TRY_LET(const std::filesystem::path next, FollowerOf(place_.segment));
    place_ = {*LsnOfName(next.filename().string()), kSegmentHeadBytes};
    GEMEL_TRY(OpenSegment());
    if (place_ == end) return std::optional<Frame>();
  }
}

Status Cursor::OpenSegment() {
  path_ = folder_ / SegmentName(place_.segment);
  file_.emplace(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  if (file_->number < 0) return Failed(path_, "cannot be read");
  buffered_from_ = place_.offset;
  buffered_ = 0;
  return Status::Ok();
}

std::span<const std::byte> Cursor::buffered() const {
  const auto used = static_cast<size_t>(place_.offset - buffered_from_);
  return {reinterpret_cast<const std::byte*>(words_.data()) + used, buffered_ - used};
}

Status Cursor::Fill(size_t bytes, JournalPlace end) {
  if (buffered().size() >= bytes) return Status::Ok();
  const uint64_t room =
      place_.segment == end.segment ? end.offset - place_.offset : kFrameBytesMax + kReadBytes;
  const size_t wanted = std::min<uint64_t>(std::max(bytes, kReadBytes), room);
  const std::span<const std::byte> kept = buffered();
  const size_t kept_size = kept.size();
  if (kept_size > 0) std::memmove(words_.data(), kept.data(), kept_size);
  words_.resize(std::max(words_.size(), (wanted + kSegmentTailBytes) / sizeof(uint64_t) + 1));
  buffered_from_ = place_.offset;
  buffered_ = kept_size;
  auto* const buffer = reinterpret_cast<std::byte*>(words_.data());
  while (buffered_ < std::min(bytes, wanted)) {
    const ssize_t size = ::pread(file_->number, buffer + buffered_, wanted - buffered_,
                                 static_cast<off_t>(buffered_from_ + buffered_));
    if (size < 0) return Failed(path_, "cannot be read");
    if (size == 0) break;
    buffered_ += static_cast<size_t>(size);
  }
  return Status::Ok();
}

Result<std::filesystem::path> Cursor::FollowerOf(Lsn segment) const {
  GEMEL_TRY_LET(const std::vector<std::filesystem::path> paths, FindSegments(folder_));
  for (const std::filesystem::path& path : paths) {
    if (*LsnOfName(path.filename().string()) > segment) return path;
  }
  return Damaged(fmt::format("{}: no segment follows it", path_.string()));
}

}  // namespace gemel::journal
