#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>
#include <vector>

#include "gateway/base/status.h"
#include "gateway/base/symbols.h"
#include "gateway/journal/attempts.h"
#include "gateway/journal/frame.h"
#include "gateway/journal/journal.h"
#include "gateway/journal/sequencer.h"
#include "gateway/store/sent_records.h"
#include "gateway/twin/shard_set.h"

namespace gemel::store {

// How far recovery is, for those who wait. Any thread reads.
struct RecoveryProgress {
  std::atomic<uint64_t> bytes{0};  // of segments, read
  std::atomic<uint64_t> bytes_total{0};
  double share() const {
    const uint64_t total = bytes_total.load();
    return total == 0 ? 1 : static_cast<double>(bytes.load()) / static_cast<double>(total);
  }
};

// A copy of a record that was not applied, because the process died in it twice.
class SetAside {
 public:
  explicit SetAside(std::span<const std::byte> record);
  journal::RecordView view() const { return journal::RecordView(std::as_bytes(std::span(words_))); }

 private:
  std::vector<uint64_t> words_;  // aligned
};

// What recovery has found.
struct Recovered {
  journal::JournalEnd end;  // where the journal goes on
  Time last = kNoTime;      // record time of the last record
  uint64_t records = 0;     // replayed
  uint64_t torn_bytes = 0;  // cut off the end: of frames that were being written
  uint64_t lost_segments = 0;
  // That twins have sent again and the journal lacks at its end: to be appended, once.
  std::vector<journal::OwnedRecord> unsent;
  uint64_t differing = 0;  // that they have sent otherwise than the journal holds it
  // By this start. The journal must name them before their attempts are forgotten.
  std::vector<SetAside> set_aside;
};

struct RecoverySource {
  std::filesystem::path journal;
  // Up to which every twin was restored; from the beginning where none was.
  Lsn checkpoint = kNoLsn;
  // The newest record that a restored twin has seen.
  Lsn newest = kNoLsn;
  // Of those who only read: the last record that they want, and whether what the end of the journal
  // has torn is taken out of the files.
  Lsn until = UINT64_MAX;
  bool is_ours = true;
  // Which records are applied; empty for all.
  std::function<bool(const journal::RecordView& record)> wants;
  // Told of each effect that the journal says is done with, and at which webhook; at the broker
  // where that is empty. May be empty.
  std::function<void(EffectId effect, std::string_view webhook)> on_done;
  // Which records the process has died in; may be none.
  journal::Attempts* attempts = nullptr;
};

// The models, routes and symbols of a world, as its journal names them.
journal::Catalog CatalogOf(const twin::World& world);

// Gives the twins the state that they had: reads the journal from behind the checkpoint and hands
// each record to its shard again, through the code that applied it first. Records that the journal
// or two attempts say crash the process are left out; one with one attempt is applied while nothing
// else is, and then forgotten. Returns when everything is applied. Damaged, naming file and place,
// if the journal is not what was written, or ends before what a twin has seen; Invalid if it holds
// a record of a model or route that the catalog lacks; Unavailable if the disk fails. REQUIRES: the
// sequencer's shards run, no journal is attached to it, nothing else is appended
Result<Recovered> Recover(const RecoverySource& source, const journal::Catalog& catalog,
                          Symbols& symbols, journal::Sequencer& sequencer, twin::ShardSet& shards,
                          RecoveryProgress& progress);

}  // namespace gemel::store
