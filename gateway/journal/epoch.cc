#include "gateway/journal/epoch.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "gateway/base/lsn.h"
#include "gateway/journal/descriptor.h"
#include "gateway/journal/folder.h"

namespace gemel::journal {
namespace {

// "17 ~17\n": the number and its complement, so that a torn or foreign file is recognised.
std::string Format(uint64_t epoch) { return fmt::format("{} {}\n", epoch, ~epoch); }

Result<uint64_t> ReadEpoch(const std::filesystem::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.number < 0) {
    if (errno == ENOENT) return uint64_t{0};
    return Failed(path, "cannot be read");
  }
  char text[64];
  const ssize_t size = ::read(file.number, text, sizeof text);
  if (size < 0) return Failed(path, "cannot be read");
  uint64_t epoch = 0;
  std::from_chars(text, text + size, epoch);
  if (std::string_view(text, static_cast<size_t>(size)) != Format(epoch)) {
    return Damaged(
        fmt::format("{}: damaged; it must hold the number of the last start and its complement, as "
                    "in \"{}\". Write a number "
                    "above that of any command id still in use",
                    path.string(), "17 18446744073709551598"));
  }
  return epoch;
}

Status WriteEpoch(const std::filesystem::path& folder, uint64_t epoch) {
  const std::filesystem::path path = folder / "epoch.new";
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
  if (file.number < 0) return Failed(path, "cannot be created");
  const std::string text = Format(epoch);
  if (::write(file.number, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return Failed(path, "cannot be written");
  }
  if (::fsync(file.number) != 0) return Failed(path, "cannot be synced");
  if (::rename(path.c_str(), (folder / "epoch").c_str()) != 0)
    return Failed(path, "cannot be renamed");
  return SyncFolder(folder);
}

}  // namespace

Result<Epoch> Epoch::Raise(const std::filesystem::path& journal) {
  GEMEL_TRY(MakeFolder(journal));
  GEMEL_TRY_LET(std::optional<Descriptor> lock, TryLock(journal));
  if (!lock) {
    return Unavailable(
        fmt::format("{}: another gateway uses this journal; each needs a journal.path of its own",
                    journal.string()));
  }
  return RaiseLocked(journal, *std::move(lock));
}

Result<std::optional<Descriptor>> Epoch::TryLock(const std::filesystem::path& journal) {
  const std::filesystem::path path = journal / "lock";
  std::error_code error;
  if (!std::filesystem::exists(journal, error))
    return NotFound(fmt::format("{}: there is no such folder", journal.string()));
  Descriptor lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
  if (lock.number < 0) return Failed(path, "cannot be opened");
  if (::flock(lock.number, LOCK_EX | LOCK_NB) != 0) return std::optional<Descriptor>();
  return std::optional<Descriptor>(std::move(lock));
}

Result<Epoch> Epoch::RaiseLocked(const std::filesystem::path& journal, Descriptor lock) {
  GEMEL_TRY_LET(const uint64_t last, ReadEpoch(journal / "epoch"));
  if (last >= kEpochMax) {
    return Damaged(fmt::format("{}: epoch {} is the last one", journal.string(), last));
  }
  GEMEL_TRY(WriteEpoch(journal, last + 1));
  return Epoch(lock.Release(), last + 1);
}

Epoch::Epoch(Epoch&& other) noexcept
    : lock_(std::exchange(other.lock_, -1)), number_(other.number_) {}

Epoch& Epoch::operator=(Epoch&& other) noexcept {
  std::swap(lock_, other.lock_);
  std::swap(number_, other.number_);
  return *this;
}

Epoch::~Epoch() {
  if (lock_ >= 0) ::close(lock_);
}

}  // namespace gemel::journal
