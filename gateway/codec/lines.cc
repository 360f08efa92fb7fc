#include "gateway/codec/lines.h"

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace gemel::codec {
namespace {

constexpr size_t kChunk = 128 * 1'024;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

Status ReadFailure(const std::string& name, gzFile_s* file) {
  int code = Z_OK;
  const char* said = gzerror(file, &code);
  if (code == Z_ERRNO)
    return Unavailable(fmt::format("{}: can't be read: {}", name, std::strerror(errno)));
  if (code == Z_BUF_ERROR) return Damaged(name + ": gzip data ends too early");
  return Damaged(fmt::format("{}: gzip data is broken: {}", name, said));
}

}  // namespace

void ByteWindow::Close::operator()(gzFile_s* file) const { gzclose_r(file); }

Result<ByteWindow> ByteWindow::Open(const std::filesystem::path& path) {
  ByteWindow bytes(path.string());
  errno = 0;
  // zlib reads a file without the gzip magic as it is.
  bytes.file_.reset(gzopen(path.c_str(), "rbe"));
  if (!bytes.file_) {
    const int error = errno;
    std::string message = fmt::format("{}: can't be opened: {}", path.string(),
                                      error == 0 ? "out of memory" : std::strerror(error));
    return error == ENOENT ? NotFound(std::move(message)) : Unavailable(std::move(message));
  }
  gzbuffer(bytes.file_.get(), kChunk);
  return bytes;
}

ByteWindow ByteWindow::OfText(std::string_view text, std::string name) {
  ByteWindow bytes(std::move(name));
  bytes.buffer_ = std::make_unique<char[]>(text.size() + 1);
  bytes.capacity_ = text.size() + 1;
  bytes.end_ = text.size();
  std::copy(text.begin(), text.end(), bytes.buffer_.get());
  return bytes;
}

void ByteWindow::Consume(size_t size) {
  GEMEL_ASSERT(size <= end_ - begin_);
  begin_ += size;
}

void ByteWindow::MakeRoom() {
  const size_t kept = end_ - begin_;
  if (kept + kChunk <= capacity_) {
    if (begin_ > 0) std::memmove(buffer_.get(), buffer_.get() + begin_, kept);
  } else {
    const size_t capacity = 2 * (kept + kChunk);
    auto buffer = std::make_unique<char[]>(capacity);
    if (kept > 0) std::memcpy(buffer.get(), buffer_.get() + begin_, kept);
    buffer_ = std::move(buffer);
    capacity_ = capacity;
  }
  begin_ = 0;
  end_ = kept;
}

Result<bool> ByteWindow::Grow() {
  if (!file_) return false;
  MakeRoom();
  const int size = gzread(file_.get(), buffer_.get() + end_, static_cast<unsigned>(kChunk));
  if (size < 0) return ReadFailure(name_, file_.get());
  if (size == 0) {
    int code = Z_OK;
    gzerror(file_.get(), &code);
    if (code != Z_OK && code != Z_STREAM_END) return ReadFailure(name_, file_.get());
    file_.reset();
    return false;
  }
  end_ += static_cast<size_t>(size);
  return true;
}

Result<LineReader> LineReader::Open(const std::filesystem::path& path) {
  GEMEL_TRY_LET(ByteWindow bytes, ByteWindow::Open(path));
  return LineReader(std::move(bytes));
}

Result<std::optional<std::string_view>> LineReader::Next() {
  if (line_ == 0) GEMEL_TRY(SkipByteOrderMark(bytes_));
  bytes_.Consume(std::exchange(consume_, 0));
  ++line_;
  size_t searched = 0;
  for (;;) {
    const size_t newline = bytes_.view().find('\n', searched);
    const bool is_found = newline != std::string_view::npos;
    const size_t size = is_found ? newline : bytes_.view().size();
    if (size > kRowBytesMax)
      return Wrong(fmt::format("a line of more than {} bytes", kRowBytesMax));
    if (!is_found) {
      searched = size;
      GEMEL_TRY_LET(const bool has_more, bytes_.Grow());
      if (has_more) continue;
      if (size == 0) return std::optional<std::string_view>{};
    }
    consume_ = is_found ? size + 1 : size;
    std::string_view line = bytes_.view().substr(0, size);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return std::optional(line);
  }
}

Status LineReader::Wrong(std::string_view message) const {
  return Invalid(fmt::format("{}:{}: {}", bytes_.name(), line_, message));
}

Result<std::optional<char>> FirstByte(const std::filesystem::path& path) {
  GEMEL_TRY_LET(ByteWindow bytes, ByteWindow::Open(path));
  GEMEL_TRY(SkipByteOrderMark(bytes));
  for (;;) {
    const size_t first = bytes.view().find_first_not_of(" \t\r\n");
    if (first != std::string_view::npos) return std::optional(bytes.view()[first]);
    if (bytes.view().size() > kRowBytesMax) return std::optional<char>{};
    GEMEL_TRY_LET(const bool has_more, bytes.Grow());
    if (!has_more) return std::optional<char>{};
  }
}

Status SkipByteOrderMark(ByteWindow& bytes) {
  while (bytes.view().size() < kByteOrderMark.size()) {
    GEMEL_TRY_LET(const bool has_more, bytes.Grow());
    if (!has_more) break;
  }
  if (bytes.view().starts_with(kByteOrderMark)) bytes.Consume(kByteOrderMark.size());
  return Status::Ok();
}

}  // namespace gemel::codec
