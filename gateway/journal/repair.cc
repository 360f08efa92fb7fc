#include "gateway/journal/repair.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "gateway/journal/descriptor.h"
#include "gateway/journal/folder.h"
#include "gateway/journal/reader.h"
#include "gateway/journal/record.h"

namespace gemel::journal {
namespace {

// Where new segments are made, before they take the names of the old ones.
constexpr const char* kWorkshop = "repair";
// Stands for a segment before the oldest one of which nothing is known but that it was there.
constexpr Lsn kUnknownSegment = 1;

// A file, aligned, with room behind it for those who look ahead.
struct Loaded {
  std::vector<uint64_t> words;
  size_t size = 0;
  std::span<const std::byte> bytes() const { return std::as_bytes(std::span(words)).first(size); }
};

Result<Loaded> Load(const std::filesystem::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat about {};
  if (file.number < 0 || ::fstat(file.number, &about) != 0) return Failed(path, "cannot be read");
  Loaded loaded;
  loaded.size = static_cast<size_t>(about.st_size);
  loaded.words.resize((loaded.size + kSegmentTailBytes) / sizeof(uint64_t) + 1);
  auto* const to = reinterpret_cast<char*>(loaded.words.data());
  for (size_t at = 0; at < loaded.size;) {
    const ssize_t size = ::read(file.number, to + at, loaded.size - at);
    if (size <= 0) return Failed(path, "cannot be read");
    at += static_cast<size_t>(size);
  }
  return loaded;
}

// Calls visit(entry) for each entry. False if the body does not hold entries from end to end.
template <typename Visit>
bool ForEachEntry(std::span<const std::byte> body, const Visit& visit) {
  EntryReader entries(body);
  while (const std::optional<Entry> entry = entries.Next()) {
    const bool is_one = entry->kind == EntryKind::kRecord
                            ? IsRecord(entry->content)
                            : entry->content.size() >= sizeof(uint32_t);
    if (!is_one) return false;
    visit(*entry);
  }
  return entries.is_at_end();
}

uint32_t NumberOf(const Entry& definition) {
  uint32_t number = 0;
  std::memcpy(&number, definition.content.data(), sizeof number);
  return number;
}

// What a record needs to have defined.
std::vector<std::pair<EntryKind, uint32_t>> NeedsOf(const RecordView& record) {
  std::vector<std::pair<EntryKind, uint32_t>> needs;
  if (!IsOfTwin(record.kind())) return needs;
  needs.emplace_back(EntryKind::kModel, record.model());
  if (record.kind() == RecordKind::kTelemetry)
    needs.emplace_back(EntryKind::kRoute, record.route());
  for (const RecordSymbol& symbol : record.symbols()) {
    if (symbol.is_refused == 0) needs.emplace_back(EntryKind::kSymbol, symbol.number);
  }
  return needs;
}

size_t CountFrames(std::span<const std::byte> bytes, Lsn segment) {
  size_t frames = 0;
  for (uint64_t at = kSegmentHeadBytes; at < bytes.size();) {
    const auto frame = ParseFrame(bytes.subspan(at), segment, at);
    if (!frame) break;
    at += kFrameHeadBytes + frame->body.size();
    ++frames;
  }
  return frames;
}

// By which first LSN a file's frames are valid: that of its name, unless it was renamed.
Lsn FirstOf(std::span<const std::byte> bytes, Lsn named) {
  constexpr size_t kFirstOffset = 16;
  if (bytes.size() < kSegmentHeadBytes || CountFrames(bytes, named) > 0) return named;
  Lsn first = kNoLsn;
  std::memcpy(&first, bytes.data() + kFirstOffset, sizeof first);
  return CountFrames(bytes, first) > 0 ? first : named;
}

// What a start would say to the journal, and what it holds.
Status ReadWhole(const std::filesystem::path& folder, const JournalRepair::Needs& needs,
                 uint64_t& frames, uint64_t& records) {
  if (needs.checkpoint != kNoLsn) {
    GEMEL_TRY_LET(JournalReader behind, JournalReader::Open(folder, needs.checkpoint));
    GEMEL_TRY(behind.Next().status());
  }
  GEMEL_TRY_LET(JournalReader reader, JournalReader::Open(folder));
  Lsn newest = kNoLsn;
  while (true) {
    GEMEL_TRY_LET(const std::optional<Frame> frame, reader.Next());
    if (!frame) break;
    ++frames;
    const bool is_whole = ForEachEntry(frame->body, [&](const Entry& entry) {
      if (entry.kind != EntryKind::kRecord) return;
      ++records;
      newest = RecordView(entry.content).lsn();
    });
    if (!is_whole) {
      return Damaged(fmt::format("{}: the frame {:x} holds what is no record",
                                 reader.path().string(), frame->first));
    }
  }
  if (newest >= needs.newest) return Status::Ok();
  return Damaged(fmt::format("{}: it ends with {:x}, and a saved twin has seen {:x}",
                             folder.string(), newest, needs.newest));
}

}  // namespace

// A frame as it is written anew.
struct JournalRepair::Rebuilt {
  std::vector<uint64_t> words = std::vector<uint64_t>(kFrameHeadBytes / sizeof(uint64_t));
  Lsn synced = kNoLsn;
  std::vector<Lsn> records;  // that are kept
  bool has_lost = false;     // some are not

  std::span<std::byte> bytes() { return std::as_writable_bytes(std::span(words)); }
  void Add(EntryKind kind, std::span<const std::byte> content) {
    const size_t at = words.size();
    words.resize(at + 1 + (content.size() + sizeof(uint64_t) - 1) / sizeof(uint64_t));
    words[at] = content.size() | uint64_t{static_cast<uint16_t>(kind)} << 32;
    std::memcpy(&words[at + 1], content.data(), content.size());
  }
};

Result<JournalRepair> JournalRepair::Examine(const std::filesystem::path& folder,
                                             const Needs& needs) {
  JournalRepair repair(folder);
  const Status status = ReadWhole(folder, needs, repair.frames_, repair.records_);
  GEMEL_TRY_LET(const std::vector<std::filesystem::path> paths, FindSegments(folder));
  if (status.ok()) {
    if (!paths.empty()) {
      GEMEL_TRY_LET(const SegmentHead oldest, ReadSegmentHead(paths.front()));
      repair.begins_with_first_ = oldest.previous == kNoLsn;
    }
    return repair;
  }
  if (status.code() != Code::kDamaged) return Status{status.code(), status.message()};
  repair.frames_ = 0;
  repair.records_ = 0;
  for (const std::filesystem::path& path : paths) GEMEL_TRY(repair.Scan(path));
  repair.LeaveDoublesOut();
  GEMEL_TRY(repair.Plan(needs));
  if (repair.damage_.empty()) repair.damage_.push_back(status.message());
  return repair;
}

Status JournalRepair::Scan(const std::filesystem::path& path) {
  GEMEL_TRY_LET(const Loaded loaded, Load(path));
  Segment segment{.path = path,
                  .first = FirstOf(loaded.bytes(), *LsnOfName(path.filename().string()))};
  Result<SegmentHead> head = ReadSegmentHead(path);
  if (!head.ok() && head.status().code() != Code::kDamaged) return std::move(head).status();
  if (head.ok()) {
    segment.head = *head;
  } else {
    damage_.push_back(head.status().message());
  }
  ScanFrames(segment, loaded.bytes());
  segments_.push_back(std::move(segment));
  return Status::Ok();
}

void JournalRepair::ScanFrames(Segment& segment, std::span<const std::byte> bytes) {
  Definitions& definitions = definitions_[segment.first >> kLsnCounterBits];
  uint64_t whole_until = kSegmentHeadBytes;
  const auto note_gap = [&](uint64_t until) {
    damage_.push_back(fmt::format("{}: {} bytes from offset {} on are not what was written",
                                  segment.path.string(), until - whole_until, whole_until));
  };
  for (uint64_t at = kSegmentHeadBytes; at < bytes.size();) {
    const auto frame = ParseFrame(bytes.subspan(at), segment.first, at);
    const Lsn last = segment.places.empty() ? kNoLsn : segment.places.back().first;
    const bool is_whole = frame && frame->first > last && frame->first >= segment.first &&
                          ForEachEntry(frame->body, [](const Entry&) {});
    if (!is_whole) {
      at += kFrameAlignment;
      continue;
    }
    ForEachEntry(frame->body, [&](const Entry& entry) {
      if (entry.kind == EntryKind::kRecord) {
        if (segment.begun == kNoTime) segment.begun = RecordView(entry.content).record_time();
      } else {
        definitions.try_emplace({entry.kind, NumberOf(entry)}, entry.content.begin(),
                                entry.content.end());
      }
    });
    if (at != whole_until) {
      note_gap(at);
      segment.behind_gaps.insert(frame->first);
    }
    segment.places.push_back({at, frame->first});
    at += kFrameHeadBytes + frame->body.size();
    whole_until = at;
  }
  const auto rest = bytes.subspan(std::min<uint64_t>(whole_until, bytes.size()));
  segment.has_torn_end =
      std::ranges::any_of(rest, [](std::byte byte) { return byte != std::byte{0}; });
}

void JournalRepair::LeaveDoublesOut() {
  std::ranges::stable_sort(segments_, [](const Segment& one, const Segment& other) {
    if (one.first != other.first) return one.first < other.first;
    if (one.places.size() != other.places.size()) return one.places.size() > other.places.size();
    return one.head.has_value() && !other.head;
  });
  for (size_t i = 1; i < segments_.size(); ++i)
    segments_[i].is_left_out = segments_[i].first == segments_[i - 1].first;
}

Status JournalRepair::Plan(const Needs& needs) {
  const auto last = std::ranges::find_if(segments_.rbegin(), segments_.rend(),
                                         [](const Segment& one) { return !one.is_left_out; });
  for (Segment& segment : segments_) {
    if (segment.is_left_out) continue;
    const bool is_last = last != segments_.rend() && &segment == &*last;
    if (segment.has_torn_end && !is_last && segment.head) {
      damage_.push_back(fmt::format("{}: its end is not what was written", segment.path.string()));
    }
    GEMEL_TRY(PlanSegment(segment, needs));
  }
  if (needs.newest > last_record_) {
    damage_.push_back(fmt::format("{}: it ends with {:x}, and a saved twin has seen {:x}",
                                  folder_.string(), last_record_, needs.newest));
    lost_.push_back({last_record_, needs.newest + 1});
  } else if (is_behind_gap_) {
    lost_.push_back({last_record_, kNoLsn});
  }
  return Status::Ok();
}

Status JournalRepair::PlanSegment(Segment& segment, const Needs& needs) {
  const bool is_oldest = last_segment_ == kNoLsn;
  segment.new_head =
      segment.head.value_or(SegmentHead{.first = segment.first, .created = segment.begun});
  SegmentHead& head = segment.new_head;
  segment.is_rewritten = !segment.head || segment.has_torn_end || !segment.behind_gaps.empty();
  if (is_oldest) {
    if (last_record_ == kNoLsn) last_record_ = segment.first - 1;
    begins_with_first_ = segment.head ? head.previous == kNoLsn : head.first == MakeLsn(1, 1);
    if (!begins_with_first_ && head.previous == kNoLsn) head.previous = kUnknownSegment;
    // Without a head it shows in the numbers, which leave no gap within a process.
    const bool is_known_late = segment.head ? head.previous_last > needs.checkpoint
                                            : IsOfOneProcess(head.first, needs.checkpoint + 1);
    const bool is_late =
        needs.checkpoint != kNoLsn && head.first > needs.checkpoint + 1 && is_known_late;
    if (is_late) {
      damage_.push_back(fmt::format("{}: what was written from {:x} on is missing before it",
                                    segment.path.string(), needs.checkpoint + 1));
      head.previous_last = kNoLsn;
      last_record_ = needs.checkpoint;
      is_behind_gap_ = segment.is_rewritten = true;
    }
  } else if (head.previous != last_segment_ || head.previous_last != last_frame_) {
    if (segment.head && head.previous != last_segment_) {
      damage_.push_back(fmt::format("{}: it follows segment {}, which is missing",
                                    segment.path.string(), SegmentName(head.previous)));
    }
    head.previous = last_segment_;
    head.previous_last = last_frame_;
    is_behind_gap_ = segment.is_rewritten = true;
  }
  if (segment.places.empty() && segment.is_rewritten) {
    is_behind_gap_ = segment.is_left_out = true;
    return Status::Ok();
  }
  last_segment_ = segment.first;
  GEMEL_TRY(Rebuild(segment, [&](const Frame& frame, const Rebuilt& rebuilt) {
    is_behind_gap_ |= segment.behind_gaps.contains(frame.first) || rebuilt.has_lost;
    segment.is_rewritten |= rebuilt.has_lost;
    for (const Lsn record : rebuilt.records) {
      const bool is_next = record == last_record_ + 1;
      if (is_behind_gap_ && !is_next) lost_.push_back({last_record_, record});
      is_behind_gap_ = rebuilt.has_lost;
      last_record_ = record;
    }
    if (rebuilt.records.empty()) return Status::Ok();
    last_frame_ = rebuilt.records.front();
    ++frames_;
    records_ += rebuilt.records.size();
    return Status::Ok();
  }));
  is_behind_gap_ |= segment.has_torn_end;
  return Status::Ok();
}

template <typename Visit>
Status JournalRepair::Rebuild(const Segment& segment, const Visit& visit) const {
  GEMEL_TRY_LET(const Loaded loaded, Load(segment.path));
  const auto known = definitions_.find(segment.first >> kLsnCounterBits);
  const Definitions none;
  std::set<std::pair<EntryKind, uint32_t>> defined;
  for (const Place& place : segment.places) {
    const auto frame =
        ParseFrame(loaded.bytes().subspan(place.offset), segment.first, place.offset);
    if (!frame) return Damaged(segment.path.string() + ": it changes while it is read");
    GEMEL_TRY(visit(
        *frame, RebuildFrame(*frame, known == definitions_.end() ? none : known->second, defined)));
  }
  return Status::Ok();
}

JournalRepair::Rebuilt JournalRepair::RebuildFrame(
    const Frame& frame, const Definitions& known,
    std::set<std::pair<EntryKind, uint32_t>>& defined) {
  Rebuilt rebuilt{.synced = frame.synced};
  ForEachEntry(frame.body, [&](const Entry& entry) {
    if (entry.kind != EntryKind::kRecord) {
      defined.emplace(entry.kind, NumberOf(entry));
      rebuilt.Add(entry.kind, entry.content);
      return;
    }
    const RecordView record(entry.content);
    const auto needs = NeedsOf(record);
    const bool is_known = std::ranges::all_of(
        needs, [&](const auto& need) { return defined.contains(need) || known.contains(need); });
    if (!is_known) {
      rebuilt.has_lost = true;
      return;
    }
    for (const auto& need : needs) {
      if (!defined.insert(need).second) continue;
      rebuilt.Add(need.first, known.at(need));
    }
    rebuilt.Add(EntryKind::kRecord, entry.content);
    rebuilt.records.push_back(record.lsn());
  });
  return rebuilt;
}

Status JournalRepair::WriteSegment(const Segment& segment,
                                   const std::filesystem::path& folder) const {
  uint64_t bytes = kSegmentHeadBytes + kSegmentTailBytes;
  GEMEL_TRY(Rebuild(segment, [&](const Frame&, const Rebuilt& rebuilt) {
    bytes += rebuilt.words.size() * sizeof(uint64_t);
    return Status::Ok();
  }));
  GEMEL_TRY_LET(SegmentWriter writer, SegmentWriter::Reserve(folder, bytes));
  GEMEL_TRY(writer.Begin(segment.new_head));
  GEMEL_TRY(Rebuild(segment, [&](const Frame&, Rebuilt rebuilt) -> Status {
    if (rebuilt.records.empty()) return Status::Ok();
    return writer.Append(rebuilt.records.front(), rebuilt.synced, rebuilt.bytes());
  }));
  writer.Trim();
  return writer.Sync();
}

Status JournalRepair::WriteEnd(uint64_t epoch, Time now,
                               const std::filesystem::path& folder) const {
  std::string payload;
  for (const LostRange& range : lost_)
    payload.append(reinterpret_cast<const char*>(&range), sizeof range);
  const Record record{
      .lsn = MakeLsn(epoch, 1), .kind = RecordKind::kLost, .record_time = now, .payload = payload};
  FrameBuilder builder({});
  const std::span<std::byte> frame = builder.Build({&record, 1});
  GEMEL_TRY_LET(
      SegmentWriter writer,
      SegmentWriter::Reserve(folder, kSegmentHeadBytes + frame.size() + kSegmentTailBytes));
  GEMEL_TRY(writer.Begin({.first = record.lsn,
                          .previous = last_segment_,
                          .previous_last = last_frame_,
                          .created = now}));
  GEMEL_TRY(writer.Append(record.lsn, last_frame_, frame));
  writer.Trim();
  return writer.Sync();
}

Status JournalRepair::Replace(const std::filesystem::path& workshop) const {
  std::set<std::filesystem::path> names;
  for (const Segment& segment : segments_) {
    if (segment.is_left_out) continue;
    const std::string name = SegmentName(segment.first);
    names.insert(folder_ / name);
    if (segment.is_rewritten && ::rename((workshop / name).c_str(), (folder_ / name).c_str()) != 0)
      return Failed(workshop / name, "cannot be renamed");
  }
  for (const Segment& segment : segments_) {
    if (!names.contains(segment.path) && ::unlink(segment.path.c_str()) != 0)
      return Failed(segment.path, "cannot be set aside");
  }
  return Status::Ok();
}

Result<std::vector<std::filesystem::path>> JournalRepair::Write(uint64_t epoch, Time now) const {
  const std::filesystem::path workshop = folder_ / kWorkshop;
  std::error_code error;
  std::filesystem::remove_all(workshop, error);  // of a repair that did not end
  std::filesystem::create_directory(workshop, error);
  if (error) return Unavailable(fmt::format("{}: {}", workshop.string(), error.message()));
  for (const Segment& segment : segments_) {
    if (segment.is_rewritten && !segment.is_left_out) GEMEL_TRY(WriteSegment(segment, workshop));
  }
  GEMEL_TRY(WriteEnd(epoch, now, workshop));
  // A second name for what is there, so that a segment's own name is at every moment that of one.
  std::vector<std::filesystem::path> aside;
  for (const Segment& segment : segments_) {
    if (!segment.is_rewritten && !segment.is_left_out) continue;
    aside.emplace_back(fmt::format("{}.damaged-{}", segment.path.string(), epoch));
    if (::link(segment.path.c_str(), aside.back().c_str()) != 0)
      return Failed(segment.path, "cannot be set aside");
  }
  GEMEL_TRY(Replace(workshop));
  const std::string end = SegmentName(MakeLsn(epoch, 1));
  if (::rename((workshop / end).c_str(), (folder_ / end).c_str()) != 0)
    return Failed(workshop / end, "cannot be renamed");
  std::filesystem::remove_all(workshop, error);
  GEMEL_TRY(SyncFolder(folder_));
  return aside;
}

}  // namespace gemel::journal
