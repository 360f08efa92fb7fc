#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "gateway/base/status.h"

// Files of rows (CSV, JSON lines), read as a stream whether they are compressed or not.
struct gzFile_s;

namespace gemel::codec {

// The longest line or row. Real ones have a few hundred bytes; without a bound a binary file given
// by mistake would be read into memory as one line.
inline constexpr size_t kRowBytesMax = 1'024 * 1'024;

// A window that moves over the bytes of a file, plain or gzip (told by its first two bytes), or of
// a text in memory. What is in the window is contiguous and may be written to: readers unquote in
// place. One thread.
class ByteWindow {
 public:
  // NotFound if there is no such file, Unavailable if it can't be read.
  static Result<ByteWindow> Open(const std::filesystem::path& path);
  static ByteWindow OfText(std::string_view text, std::string name);

  // The path as given, for messages.
  const std::string& name() const { return name_; }
  char* data() { return buffer_.get() + begin_; }
  std::string_view view() const { return {buffer_.get() + begin_, end_ - begin_}; }
  // Forgets the first bytes. REQUIRES: size <= view().size()
  void Consume(size_t size);
  // Appends what comes next; false at the end of the file. What data() and view() gave moves.
  // Damaged if compressed data is broken or ends too early, Unavailable if the disk fails.
  Result<bool> Grow();

 private:
  struct Close {
    void operator()(gzFile_s* file) const;
  };
  explicit ByteWindow(std::string name) : name_(std::move(name)) {}
  void MakeRoom();

  std::string name_;
  std::unique_ptr<gzFile_s, Close> file_;  // null for a text, or at the end
  std::unique_ptr<char[]> buffer_;
  size_t capacity_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
};

// The lines of a file, without their ends (LF or CR LF). A byte order mark at the start is skipped.
class LineReader {
 public:
  static Result<LineReader> Open(const std::filesystem::path& path);
  explicit LineReader(ByteWindow bytes) : bytes_(std::move(bytes)) {}

  // The next line, or nothing at the end. It may be written to, and lives until the next call.
  // Invalid with file and line if it is longer than kRowBytesMax; else as ByteWindow::Grow.
  Result<std::optional<std::string_view>> Next();

  // Number of the line that Next returned last, from 1.
  size_t line() const { return line_; }
  // Invalid: "FILE:LINE: message".
  Status Wrong(std::string_view message) const;

 private:
  ByteWindow bytes_;
  size_t line_ = 0;
  size_t consume_ = 0;  // the line returned last and its end
};

// The first byte of the file that is no blank, tab, line end or byte order mark: what tells JSON
// from CSV. Nothing if there is none within the first kRowBytesMax bytes.
Result<std::optional<char>> FirstByte(const std::filesystem::path& path);

// Skips a byte order mark. REQUIRES: nothing was consumed yet
Status SkipByteOrderMark(ByteWindow& bytes);

}  // namespace gemel::codec
