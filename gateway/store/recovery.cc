#include "gateway/store/recovery.h"

#include <chrono>
#include <cstring>
#include <latch>
#include <set>
#include <span>
#include <vector>

#include <fmt/format.h>

#include "gateway/base/log.h"
#include "gateway/journal/record_stream.h"
#include "gateway/journal/skipped.h"

namespace gemel::store {
namespace {

constexpr std::chrono::milliseconds kRoomPatience{10};
constexpr std::chrono::seconds kSayEvery{5};

class Replayer {
 public:
  Replayer(journal::RecordStream records, std::set<Lsn> skipped, const RecoverySource& source,
           journal::Sequencer& sequencer, twin::ShardSet& shards, RecoveryProgress& progress)
      : records_(std::move(records)),
        skipped_(std::move(skipped)),
        source_(source),
        sequencer_(sequencer),
        shards_(shards),
        progress_(progress) {
    shards_.SetOnSent([this](const auto& sent) { sent_.Made(sent); });
  }
  ~Replayer() { shards_.SetOnSent(nullptr); }
  Replayer(const Replayer&) = delete;
  Replayer& operator=(const Replayer&) = delete;

  Result<Recovered> Run() {
    while (true) {
      GEMEL_TRY_LET(const auto record, records_.Next());
      if (!record || record->lsn() > source_.until) break;
      if (reader_.end().segment != segment_) BeginSegment();
      GEMEL_TRY(ReplayRecord(*record));
      progress_.bytes.store(before_segment_ + reader_.offset());
      SayProgress();
    }
    if (newest_ < source_.newest) {
      return Damaged(fmt::format(
          "{}: the journal ends with {:x}, and a saved twin has seen {:x}: some of it is gone",
          source_.journal.string(), newest_, source_.newest));
    }
    if (!source_.is_ours && !reader_.lost_segments().empty()) {
      return Damaged(fmt::format("{}: the segment before it is missing",
                                 reader_.lost_segments().front().string()));
    }
    AwaitApplied();
    recovered_.unsent = sent_.Missing();
    recovered_.differing = sent_.differing();
    progress_.bytes.store(progress_.bytes_total.load());
    recovered_.end = reader_.end();
    recovered_.torn_bytes = reader_.torn_bytes();
    recovered_.lost_segments = reader_.lost_segments().size();
    if (source_.is_ours) GEMEL_TRY(reader_.Cut());
    return recovered_;
  }

 private:
  void BeginSegment() {
    segment_ = reader_.end().segment;
    before_segment_ += segment_bytes_;
    std::error_code error;
    const uint64_t bytes = std::filesystem::file_size(reader_.path(), error);
    segment_bytes_ = error ? 0 : bytes;
  }

  Status ReplayRecord(const journal::RecordView& view) {
    recovered_.last = std::max(recovered_.last, view.record_time());
    newest_ = view.lsn();
    if (view.lsn() <= source_.checkpoint) return Status::Ok();
    if (view.kind() == journal::RecordKind::kEffectsSent) {
      ++recovered_.records;
      if (source_.on_done)
        journal::ForEachSent(view.payload(), [this](EffectId id) { source_.on_done(id, ""); });
      return Status::Ok();
    }
    if (view.kind() == journal::RecordKind::kEffectOutcome) {
      ++recovered_.records;
      if (!source_.on_done) return Status::Ok();
      journal::ForEachOutcome(view.payload(), [&](const journal::EndedEffect& ended) {
        source_.on_done(ended.id, view.id());
      });
      return Status::Ok();
    }
    // Also one that is not applied: it is there, and not sent again.
    if (journal::IsSentByTwin(view.kind())) sent_.Found(view);
    if (!journal::IsOfTwin(view.kind()) || skipped_.contains(view.lsn())) return Status::Ok();
    if (source_.wants && !source_.wants(view)) return Status::Ok();
    ++recovered_.records;
    GEMEL_TRY_LET(const std::span<const std::byte> record, records_.Translate());
    const unsigned attempts =
        source_.attempts == nullptr ? 0 : source_.attempts->CountOf(view.lsn());
    if (attempts >= journal::Attempts::kMax) {
      SetRecordAside(record);
      return Status::Ok();
    }
    if (attempts > 0) return ApplySuspect(record);
    Hand(record);
    return Status::Ok();
  }

  void Hand(std::span<const std::byte> record) {
    if (!sequencer_.FitsMailbox(record.size())) {
      ApplyAlone(journal::RecordView(record));
      return;
    }
    while (!sequencer_.Replay(record)) sequencer_.WaitForRoom(kRoomPatience);
  }

  // The process died while this was applied, and perhaps not because of it: while nothing else is
  // applied, that shows.
  Status ApplySuspect(std::span<const std::byte> record) {
    AwaitApplied();
    log::Warning("suspect={:x} because={}", journal::RecordView(record).lsn(),
                 log::Quoted("the last process ended while it was applied; it is tried once more"));
    Hand(record);
    AwaitApplied();
    return source_.attempts->Forget(journal::RecordView(record).lsn());
  }

  void SetRecordAside(std::span<const std::byte> record) {
    const journal::RecordView& view = recovered_.set_aside.emplace_back(record).view();
    log::Error("set_aside={:x} twin={} because={}", view.lsn(), log::Quoted(view.id()),
               log::Quoted("the process ended twice while it was applied"));
  }

  void AwaitApplied() {
    while (sequencer_.lag() > 0) sequencer_.WaitForRoom(kRoomPatience);
  }

  // A record that no mailbox can hold, once all before it are applied.
  void ApplyAlone(const journal::RecordView& record) {
    AwaitApplied();
    std::latch done(1);
    const bool is_asked = shards_.Ask(sequencer_.ShardOf(record.key_hash()), [&](auto& engine) {
      engine.Apply(record);
      sent_.Made(engine.TakeSent());
      done.count_down();
      return true;
    });
    if (is_asked) done.wait();
  }

  void SayProgress() {
    const auto now = std::chrono::steady_clock::now();
    if (now - said_ < kSayEvery) return;
    said_ = now;
    log::Info("recovering={:.0f}% records={}", 100 * progress_.share(), recovered_.records);
  }

  journal::RecordStream records_;
  journal::JournalReader& reader_ = records_.reader();
  const std::set<Lsn> skipped_;
  const RecoverySource& source_;
  journal::Sequencer& sequencer_;
  twin::ShardSet& shards_;
  RecoveryProgress& progress_;
  SentRecords sent_;
  Recovered recovered_;
  Lsn newest_ = kNoLsn;  // of all records, also those that are not replayed
  Lsn segment_ = kNoLsn;
  uint64_t before_segment_ = 0;
  uint64_t segment_bytes_ = 0;
  std::chrono::steady_clock::time_point said_ = std::chrono::steady_clock::now();
};

}  // namespace

journal::Catalog CatalogOf(const twin::World& world) {
  journal::Catalog catalog{.models = {}, .routes = {}, .symbols = world.symbols};
  for (const twin::ModelEntry& entry : world.models) {
    journal::Catalog::Model model{.name = entry.model->name(), .fields = {}};
    for (const gemel_field& field : entry.model->fields()) model.fields.emplace_back(field.name);
    catalog.models.push_back(std::move(model));
  }
  for (const twin::Route& route : world.routes) catalog.routes.push_back(route.name);
  return catalog;
}

SetAside::SetAside(std::span<const std::byte> record)
    : words_((record.size() + journal::kReadAhead) / sizeof(uint64_t) + 1) {
  std::memcpy(words_.data(), record.data(), record.size());
}

Result<Recovered> Recover(const RecoverySource& source, const journal::Catalog& catalog,
                          Symbols& symbols, journal::Sequencer& sequencer, twin::ShardSet& shards,
                          RecoveryProgress& progress) {
  GEMEL_TRY_LET(const std::vector<std::filesystem::path> segments,
                journal::FindSegments(source.journal));
  uint64_t total = 0;
  for (const std::filesystem::path& segment : segments) {
    std::error_code error;
    const uint64_t bytes = std::filesystem::file_size(segment, error);
    if (!error) total += bytes;
  }
  progress.bytes_total.store(total);
  GEMEL_TRY_LET(auto records,
                journal::RecordStream::Open(source.journal, source.checkpoint, catalog, symbols));
  GEMEL_TRY_LET(std::set<Lsn> skipped, journal::FindSkipped(source.journal));
  Result<Recovered> recovered =
      Replayer(std::move(records), std::move(skipped), source, sequencer, shards, progress).Run();
  if (recovered.ok() || recovered.status().code() != Code::kDamaged) return recovered;
  return Damaged(recovered.status().message() +
                 ". Restore the journal from a copy, or see what `gemel repair` can save of it");
}

}  // namespace gemel::store
