#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "gateway/base/lsn.h"
#include "gateway/base/status.h"
#include "gateway/config/config.h"
#include "gateway/store/bases.h"

namespace gemel::playback {

// A recording is a folder that holds all that it takes to fold a part of a gateway's life again:
//
//   gateway.json     what of the configuration decides what a record does; files named within
//   models/, files/  the plug-ins, profiles and tables that it names
//   base.db          the twins at the beginning; not there if the journal goes back to its own
//   journal/         the segments from there on
//   end.db           the twins as the gateway had them at the end, to hold the fold against
//   recording.json   what made it, and the SHA-256 of each plug-in
struct RecordingPaths {
  explicit RecordingPaths(const std::filesystem::path& folder)
      : configuration(folder / "gateway.json"),
        base(folder / "base.db"),
        journal(folder / "journal"),
        end(folder / "end.db"),
        about(folder / "recording.json") {}
  std::filesystem::path configuration, base, journal, end, about;
};
bool IsRecording(const std::filesystem::path& folder);
// Whether this program can fold it: Invalid if it is of a newer format, Damaged if recording.json
// or a plug-in is not what was recorded, whose code is never run then. REQUIRES:
// IsRecording(folder)
Status CheckRecording(const std::filesystem::path& folder);
// The twins at its beginning; nothing if its journal goes back to its own.
Result<std::optional<store::Base>> BaseOf(const std::filesystem::path& folder);

// A gateway's files, as its configuration names them.
struct Recorded {
  std::filesystem::path store;
  std::filesystem::path journal;
  std::string meaning;  // of the configuration, see config::LoadMeaning
  // By model: where its plug-in or script was found.
  std::map<std::string, std::filesystem::path> code;
  std::filesystem::path folder;  // that relative names in `meaning` start from
  // From this moment of the past on, or as soon after it as the gateway still has twins of; from
  // now on if there is none. Configuration and plug-ins are those of today: a gateway keeps no
  // others.
  std::optional<Time> from = {};
};

// Makes a recording of a gateway that runs, or has stopped, beside it: it reads the gateway's files
// and asks it nothing. One thread.
class Recorder {
 public:
  // Copies base, configuration and plug-ins into `folder`, which must not be there or be empty.
  // Invalid if it is not; NotFound if there is no journal, or no past that it could begin with;
  // Unavailable or Full if a disk refuses.
  static Result<Recorder> Begin(Recorded recorded, const std::filesystem::path& folder,
                                const std::string& program);
  // Copies the segments that are complete. To be called now and then, because the gateway drops
  // what it needs no more.
  Status Follow();
  // Copies the rest. Damaged if the gateway has dropped a segment before it was copied.
  Status End();

  uint64_t segments() const { return copied_.size() + 1; }
  Lsn checkpoint() const { return checkpoint_; }
  // When the base was made; nothing if there is none.
  std::optional<Time> base_made() const { return base_made_; }

 private:
  Recorder(Recorded recorded, const std::filesystem::path& folder)
      : recorded_(std::move(recorded)), paths_(folder), folder_(folder) {}
  Status CopyConfiguration(const std::string& program);
  Status CopyBase();
  // Of the bases whose journal is there the last one before recorded_.from, else the first one
  // after it. Nothing where the journal goes back to its own beginning and no base is old enough.
  Result<std::optional<store::Base>> PastBase() const;
  // Of the segments that hold what follows the base; the last one, which grows, only at the end.
  Status CopySegments(bool with_last);
  Status CopyLast();

  Recorded recorded_;
  RecordingPaths paths_;
  std::filesystem::path folder_;
  Lsn checkpoint_ = kNoLsn;
  std::optional<Time> base_made_;
  std::set<Lsn> copied_;  // the last one not among them
};

}  // namespace gemel::playback
