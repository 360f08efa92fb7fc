#include "tests/scenario/power_cut.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <random>

#include "gateway/base/assert.h"

namespace gemel::scenario {
namespace {

using Event = DiskHistory::Event;
using Random = std::mt19937_64;

constexpr size_t kSectorBytes = 512;
constexpr size_t kPageSectors = 8;

// What was done since the last sync, and how much of it each sync that has begun will cover.
class Unsynced {
 public:
  void Add(const Event& event) { events_.push_back(&event); }
  void BeginSync(uint32_t thread) { begun_[thread] = done_ + events_.size(); }
  // What is synced now.
  std::vector<const Event*> EndSync(uint32_t thread) {
    const size_t covered = std::max(begun_[thread], done_) - done_;
    const auto end = events_.begin() + static_cast<std::ptrdiff_t>(covered);
    std::vector<const Event*> synced(events_.begin(), end);
    events_.erase(events_.begin(), end);
    done_ += covered;
    return synced;
  }
  const std::vector<const Event*>& events() const { return events_; }

 private:
  std::vector<const Event*> events_;
  size_t done_ = 0;
  std::map<uint32_t, size_t> begun_;
};

uint64_t Mix(uint64_t seed, uint64_t number) {
  uint64_t mixed = seed + (number + 1) * 0x9E3779B97F4A7C15;
  mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
  return mixed ^ (mixed >> 31);
}

// How many of a file's unsynced changes a sector has seen. A file that was cut short is so as a
// whole or not at all: what was written behind the cut later has blocks that it did not have
// before.
class Sectors {
 public:
  Sectors(const std::vector<const Event*>& changes, Random& random)
      : seed_(random()), kind_(static_cast<Kind>(random() % 4)), last_(changes.size()) {
    for (size_t i = 0; i < changes.size(); ++i) {
      if (changes[i]->entry.op != DiskOp::kTruncate) continue;
      if (random() % 2 == 0) {
        last_ = i;
        break;
      }
      first_ = i + 1;
    }
  }
  size_t Seen(size_t sector) const {
    switch (kind_) {
      case Kind::kAll:
        return last_;
      case Kind::kNothing:
        return first_;
      case Kind::kMoment:
        return first_ + seed_ % (last_ - first_ + 1);
      case Kind::kMixture:
        break;
    }
    const uint64_t page = Mix(seed_, sector / kPageSectors);
    const bool is_torn = page % 8 == 0;
    return SeenOf(is_torn ? Mix(page, sector) : page);
  }
  // Likewise for its size.
  size_t SizeSeen() const {
    return kind_ == Kind::kMixture ? SeenOf(Mix(seed_, UINT64_MAX - 1)) : Seen(0);
  }

 private:
  enum class Kind : uint8_t { kAll, kNothing, kMoment, kMixture };
  size_t SeenOf(uint64_t number) const {
    if (number % 5 < 2) return last_;
    return number % 5 < 4 ? first_ : first_ + number / 5 % (last_ - first_ + 1);
  }
  const uint64_t seed_;
  const Kind kind_;
  // Between two cuts.
  size_t first_ = 0;
  size_t last_;
};

struct File {
  std::string synced;
  Unsynced unsynced;
};

uint64_t SizeAfter(const Event& event, uint64_t size) {
  switch (event.entry.op) {
    case DiskOp::kWrite:
      return std::max(size, event.entry.offset + event.bytes.size());
    case DiskOp::kReserve:
      return std::max(size, event.entry.offset);
    default:
      return event.entry.offset;
  }
}

void Apply(const Event& event, std::string& content) {
  content.resize(SizeAfter(event, content.size()));
  if (event.entry.op == DiskOp::kWrite && !event.bytes.empty())
    std::memcpy(content.data() + event.entry.offset, event.bytes.data(), event.bytes.size());
}

// The part of a change that falls into a sector; `content` is large enough.
void ApplyToSector(const Event& event, size_t sector, std::string& content) {
  const size_t begin = std::max(sector * kSectorBytes, event.entry.offset);
  size_t end = (sector + 1) * kSectorBytes;
  if (event.entry.op == DiskOp::kTruncate) {
    if (begin < end) std::memset(content.data() + begin, 0, end - begin);
    return;
  }
  end = std::min(end, event.entry.offset + event.bytes.size());
  if (begin < end) {
    std::memcpy(content.data() + begin, event.bytes.data() + (begin - event.entry.offset),
                end - begin);
  }
}

std::string WhatIsLeft(const File& file, Random& random) {
  const std::vector<const Event*>& changes = file.unsynced.events();
  if (changes.empty()) return file.synced;
  const Sectors sectors(changes, random);
  uint64_t size = file.synced.size();
  uint64_t size_left = size;
  uint64_t size_max = size;
  for (size_t i = 0; i < changes.size(); ++i) {
    size = SizeAfter(*changes[i], size);
    size_max = std::max(size_max, size);
    if (i + 1 == sectors.SizeSeen()) size_left = size;
  }
  std::string content = file.synced;
  content.resize((size_max / kSectorBytes + 1) * kSectorBytes);
  for (size_t i = 0; i < changes.size(); ++i) {
    const Event& change = *changes[i];
    if (change.entry.op == DiskOp::kReserve) continue;
    const bool is_cut = change.entry.op == DiskOp::kTruncate;
    const uint64_t end = is_cut ? content.size() : change.entry.offset + change.bytes.size();
    for (size_t at = change.entry.offset / kSectorBytes; at * kSectorBytes < end; ++at) {
      if (i < sectors.Seen(at)) ApplyToSector(change, at, content);
    }
  }
  content.resize(size_left);
  return content;
}

constexpr size_t kIsFolder = SIZE_MAX;
using Names = std::map<std::string, size_t>;  // to the file's number

struct Folder {
  Names now;
  Names synced;
  Unsynced unsynced;
  std::map<const Event*, size_t> meant;  // the file that a change of names was about
};

std::string LastOf(std::string_view path) { return std::string(path.substr(path.rfind('/') + 1)); }

std::string FolderOf(std::string_view path) {
  const size_t end = path.rfind('/');
  return std::string(path.substr(0, end == std::string_view::npos ? 0 : end));
}

void Apply(const Event& event, size_t file, Names& names) {
  if (event.entry.op == DiskOp::kRename) {
    names.erase(LastOf(event.path));
    names[LastOf(event.second_path)] = file;
  } else if (event.entry.op == DiskOp::kRemove) {
    names.erase(LastOf(event.path));
  } else {
    names[LastOf(event.path)] = file;
  }
}

Names WhatIsLeft(const Folder& folder, Random& random) {
  Names names = folder.synced;
  const uint64_t kind = random() % 4;  // all, none, the first, any
  const std::vector<const Event*>& changes = folder.unsynced.events();
  const size_t first = kind == 0 ? changes.size() : kind == 2 ? random() % (changes.size() + 1) : 0;
  for (size_t i = 0; i < changes.size(); ++i) {
    const bool is_there = kind == 3 ? random() % 2 == 0 : i < first;
    if (is_there) Apply(*changes[i], folder.meant.at(changes[i]), names);
  }
  return names;
}

// A disk with its cache.
class Disk {
 public:
  void Do(const Event& event) {
    switch (event.entry.op) {
      case DiskOp::kCreate:
      case DiskOp::kMakeFolder:
      case DiskOp::kRename:
      case DiskOp::kRemove:
        ChangeNames(event);
        break;
      case DiskOp::kSyncBegin:
        (event.entry.file == 0 ? folders_[std::string(event.path)].unsynced : Of(event).unsynced)
            .BeginSync(event.entry.thread);
        break;
      case DiskOp::kSyncEnd:
        EndSync(event);
        break;
      default:
        Of(event).unsynced.Add(event);
    }
  }
  void Leave(Random& random, const std::filesystem::path& to) { Leave("", random, to); }

 private:
  File& Of(const Event& event) { return files_[by_inode_.at(event.entry.file)]; }
  void ChangeNames(const Event& event) {
    Folder& folder = folders_[FolderOf(event.path)];
    size_t file = kIsFolder;
    if (event.entry.op == DiskOp::kCreate) {
      file = files_.size();
      files_.emplace_back();
      by_inode_[event.entry.file] = file;
    } else if (event.entry.op != DiskOp::kMakeFolder) {
      file = folder.now.at(LastOf(event.path));
    }
    folder.meant[&event] = file;
    folder.unsynced.Add(event);
    Apply(event, file, folder.now);
  }
  void EndSync(const Event& event) {
    if (event.entry.file != 0) {
      File& file = Of(event);
      for (const Event* change : file.unsynced.EndSync(event.entry.thread))
        Apply(*change, file.synced);
      return;
    }
    Folder& folder = folders_[std::string(event.path)];
    for (const Event* change : folder.unsynced.EndSync(event.entry.thread))
      Apply(*change, folder.meant.at(change), folder.synced);
  }
  void Leave(const std::string& path, Random& random, const std::filesystem::path& to) {
    for (const auto& [name, file] : WhatIsLeft(folders_[path], random)) {
      if (file == kIsFolder) {
        std::filesystem::create_directories(to / name);
        Leave((std::filesystem::path(path) / name).string(), random, to / name);
        continue;
      }
      const std::string content = WhatIsLeft(files_[file], random);
      std::ofstream(to / name, std::ios::binary)
          .write(content.data(), static_cast<std::streamsize>(content.size()));
    }
  }

  std::vector<File> files_;
  std::map<uint64_t, size_t> by_inode_;
  std::map<std::string, Folder> folders_;
};

}  // namespace

DiskHistory::DiskHistory(const std::filesystem::path& log) {
  std::ifstream file(log, std::ios::binary);
  text_.assign(std::istreambuf_iterator<char>(file), {});
  size_t at = 0;
  const auto take = [&](size_t size) {
    GEMEL_ASSERT(at + size <= text_.size());
    const std::string_view taken = std::string_view(text_).substr(at, size);
    at += size;
    return taken;
  };
  while (at < text_.size()) {
    Event& event = events_.emplace_back();
    std::memcpy(&event.entry, take(sizeof event.entry).data(), sizeof event.entry);
    event.path = take(event.entry.path_bytes);
    event.second_path = take(event.entry.second_path_bytes);
    event.bytes = take(event.entry.bytes);
  }
}

void DiskHistory::Restore(size_t cut, uint64_t seed, const std::filesystem::path& folder) const {
  Disk disk;
  for (size_t i = 0; i < cut; ++i) disk.Do(events_[i]);
  Random random(seed);
  disk.Leave(random, folder);
}

}  // namespace gemel::scenario
