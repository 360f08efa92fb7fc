#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "gateway/base/status.h"
#include "gateway/journal/frame.h"
#include "gateway/journal/segment.h"

namespace gemel::journal {

constexpr bool IsOfOneProcess(Lsn one, Lsn other) {
  return one >> kLsnCounterBits == other >> kLsnCounterBits;
}

// Records that a journal has lost: those between these two, which are not lost themselves.
struct LostRange {
  Lsn after = kNoLsn;
  Lsn before = kNoLsn;  // kNoLsn: all that followed
  // How many; nothing where the two are of different processes, whose numbers leave gaps.
  std::optional<uint64_t> records() const {
    if (before == kNoLsn || !IsOfOneProcess(after, before)) return std::nullopt;
    return before - after - 1;
  }
  friend bool operator==(const LostRange&, const LostRange&) = default;
};

// Makes of a damaged journal one that opens again, of all frames that are whole. A frame that is
// whole but speaks of models, routes or symbols by numbers that only a lost frame of its segment
// explained takes the explanation from another segment of the same process; where there is none
// its records are lost. One thread, and nobody else at the journal meanwhile.
class JournalRepair {
 public:
  struct Needs {
    Lsn checkpoint = kNoLsn;  // records from behind it on must be there
    Lsn newest = kNoLsn;      // the journal must reach this
  };
  // Reads all and changes nothing. Invalid if it is of a newer format, Unavailable if it can't be
  // read.
  static Result<JournalRepair> Examine(const std::filesystem::path& folder, const Needs& needs);

  // What is wrong, a line each, files and places named; nothing if a start would accept it.
  const std::vector<std::string>& damage() const { return damage_; }
  const std::vector<LostRange>& lost() const { return lost_; }
  // What is whole, and stays.
  uint64_t frames() const { return frames_; }
  uint64_t records() const { return records_; }
  // Whether the journal begins with the first record that there ever was.
  bool begins_with_first() const { return begins_with_first_; }

  // Writes the segments that change anew, and at the end, as the first of this epoch, a record that
  // names what is lost. What was there before keeps its name with ".damaged-<epoch>" behind it.
  // Returns those. Full or Unavailable if the disk says so; then nothing has changed, or some
  // segments are replaced and it may be asked for once more. REQUIRES: damage()
  Result<std::vector<std::filesystem::path>> Write(uint64_t epoch, Time now) const;

 private:
  struct Place {
    uint64_t offset = 0;
    Lsn first = kNoLsn;
  };
  struct Segment {
    std::filesystem::path path;
    Lsn first = kNoLsn;               // by which its frames are valid
    std::optional<SegmentHead> head;  // none: damaged
    std::vector<Place> places;        // of whole frames
    std::set<Lsn> behind_gaps;        // those of them before which something is missing
    Time begun = kNoTime;             // of its first record
    bool has_torn_end = false;
    SegmentHead new_head;
    bool is_rewritten = false;
    bool is_left_out = false;
  };
  using Definitions = std::map<std::pair<EntryKind, uint32_t>, std::vector<std::byte>>;
  struct Rebuilt;

  explicit JournalRepair(std::filesystem::path folder) : folder_(std::move(folder)) {}
  Status Scan(const std::filesystem::path& path);
  void ScanFrames(Segment& segment, std::span<const std::byte> bytes);
  void LeaveDoublesOut();
  Status Plan(const Needs& needs);
  Status PlanSegment(Segment& segment, const Needs& needs);
  // The frames that are to be kept of a segment, one after the other.
  template <typename Visit>
  Status Rebuild(const Segment& segment, const Visit& visit) const;
  static Rebuilt RebuildFrame(const Frame& frame, const Definitions& known,
                              std::set<std::pair<EntryKind, uint32_t>>& defined);
  Status WriteSegment(const Segment& segment, const std::filesystem::path& folder) const;
  Status Replace(const std::filesystem::path& workshop) const;
  Status WriteEnd(uint64_t epoch, Time now, const std::filesystem::path& folder) const;

  const std::filesystem::path folder_;
  std::vector<Segment> segments_;
  std::map<uint64_t, Definitions> definitions_;  // by epoch
  std::vector<std::string> damage_;
  std::vector<LostRange> lost_;
  uint64_t frames_ = 0;
  uint64_t records_ = 0;
  bool begins_with_first_ = true;
  // Of what Plan has kept so far.
  Lsn last_segment_ = kNoLsn;
  Lsn last_frame_ = kNoLsn;
  Lsn last_record_ = kNoLsn;
  bool is_behind_gap_ = false;  // something is missing behind that record
};

}  // namespace gemel::journal
