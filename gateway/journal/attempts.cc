#include "gateway/journal/attempts.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "gateway/base/crc32c.h"
#include "gateway/base/log.h"
#include "gateway/journal/descriptor.h"
#include "gateway/journal/folder.h"

namespace gemel::journal {
namespace {

constexpr const char* kNotesName = "applying";
constexpr const char* kListName = "attempts";

struct List {
  uint64_t counted = 0;
  std::map<Lsn, unsigned> counts;
};

std::string Checksum(std::string_view text) {
  return fmt::format("crc32c {:08x}\n", Crc32c(0, std::as_bytes(std::span(text))));
}

// "epoch 17", a line "<LSN> <attempts>" for each record, and the checksum of the lines before it.
std::string Format(const List& list) {
  std::string text = fmt::format("epoch {}\n", list.counted);
  for (const auto& [lsn, attempts] : list.counts) text += fmt::format("{:x} {}\n", lsn, attempts);
  return text + Checksum(text);
}

std::optional<List> Parse(const std::string& text) {
  std::istringstream lines(text);
  List list;
  std::string word;
  lines >> word >> list.counted >> std::hex;
  Lsn lsn = kNoLsn;
  unsigned attempts = 0;
  while (lines >> lsn >> attempts) list.counts[lsn] = attempts;
  if (Format(list) != text) return std::nullopt;
  return list;
}

// The file with room for the notes. Written with zeros, so that no store into it has to find room
// on a disk that is full by then.
Result<Descriptor> OpenNotes(const std::filesystem::path& path, size_t bytes) {
  Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
  struct stat about {};
  if (file.number < 0 || ::fstat(file.number, &about) != 0) return Failed(path, "cannot be opened");
  if (about.st_size == static_cast<off_t>(bytes)) return file;
  const std::vector<std::byte> zeros(bytes);
  if (::ftruncate(file.number, 0) != 0) return Failed(path, "cannot be written");
  const ssize_t written = ::pwrite(file.number, zeros.data(), bytes, 0);
  if (written == static_cast<ssize_t>(bytes)) return file;
  if (written >= 0) errno = ENOSPC;
  return Failed(path, "cannot be written");
}

}  // namespace

Result<std::unique_ptr<Attempts>> Attempts::Open(const std::filesystem::path& journal,
                                                 uint64_t epoch) {
  const std::filesystem::path path = journal / kNotesName;
  GEMEL_TRY_LET(const Descriptor file, OpenNotes(path, sizeof(Page)));
  void* const mapped =
      ::mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED, file.number, 0);
  if (mapped == MAP_FAILED) return Failed(path, "cannot be mapped");
  std::unique_ptr<Attempts> attempts(new Attempts(journal, static_cast<Page*>(mapped)));
  attempts->Read();
  Page& page = *attempts->page_;
  // Not twice, should this start die before it takes the notes over.
  bool has_counted = false;
  if (page.epoch.lsn != attempts->counted_) {
    for (const Slot& slot : page.shards) {
      if (slot.lsn == kNoLsn) continue;
      ++attempts->counts_[slot.lsn];
      has_counted = true;
    }
  }
  if (has_counted) {
    attempts->counted_ = page.epoch.lsn;
    GEMEL_TRY(attempts->Write());
  }
  for (Slot& slot : page.shards) slot.lsn = kNoLsn;
  page.epoch.lsn = epoch;
  return attempts;
}

Attempts::~Attempts() { ::munmap(page_, sizeof(Page)); }

Status Attempts::Forget(Lsn lsn) { return counts_.erase(lsn) == 0 ? Status::Ok() : Write(); }

Status Attempts::ForgetAll() {
  if (counts_.empty()) return Status::Ok();
  counts_.clear();
  return Write();
}

void Attempts::Read() {
  std::ifstream file(journal_ / kListName);
  if (!file) return;
  std::ostringstream text;
  text << file.rdbuf();
  const std::optional<List> list = Parse(text.str());
  if (!list) {
    log::Warning("attempts=forgotten because={}",
                 log::Quoted((journal_ / kListName).string() + ": it is not what was written"));
    return;
  }
  counted_ = list->counted;
  counts_ = list->counts;
}

Status Attempts::Write() const {
  const std::filesystem::path path = journal_ / kListName;
  const std::filesystem::path new_path = path.string() + ".new";
  const std::string text = Format({counted_, counts_});
  {
    const Descriptor file(::open(new_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
    if (file.number < 0) return Failed(new_path, "cannot be created");
    if (::write(file.number, text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        ::fsync(file.number) != 0) {
      return Failed(new_path, "cannot be written");
    }
  }
  if (::rename(new_path.c_str(), path.c_str()) != 0) return Failed(new_path, "cannot be renamed");
  return SyncFolder(journal_);
}

}  // namespace gemel::journal
