#include "gateway/playback/fold.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <utility>

#include "gateway/base/assert.h"
#include "gateway/base/limits.h"
#include "gateway/effects/gate.h"
#include "gateway/playback/scratch.h"
#include "gateway/playback/twin_line.h"
#include "gateway/sqlite/database.h"
#include "gateway/store/twin_batch.h"

namespace gemel::playback {
namespace {

// What is wrong with a copy is wrong with the file that it was made of.
Status NamedAs(const std::filesystem::path& original, const std::filesystem::path& copy,
               Status status) {
  std::string message = status.message();
  const size_t at = message.find(copy.string());
  if (at != std::string::npos) message.replace(at, copy.string().size(), original.string());
  return {status.code(), std::move(message)};
}

}  // namespace

Fold::Fold(const twin::World& world, uint32_t shards)
    : world_(world),
      clock_(Time{}),
      collector_(world),
      shards_(world, collector_, shards, kMailboxBytes),
      sequencer_(1, clock_, shards_.inboxes()) {}

Fold::~Fold() { shards_.DrainAndStop(); }

Result<store::Restored> Fold::RestoreBase(const std::filesystem::path& base) {
  // Restoring may bring a database to this program's version, which is not the original's business.
  GEMEL_TRY_LET(const Scratch scratch, Scratch::Make());
  const std::filesystem::path copy = scratch.path() / "base.db";
  {
    GEMEL_TRY_LET(auto database, sqlite::Database::Open(base, sqlite::Database::Mode::kReadOnly));
    if (Status copied = database.CopyTo(copy); !copied.ok())
      return NamedAs(base, copy, std::move(copied));
  }
  auto store = store::Store::Open(copy, world_, shards_);
  if (!store.ok()) return NamedAs(base, copy, std::move(store).status());
  // Effects that waited when the base was made were decided before.
  effects::Gate waiting(collector_);
  auto restored = (*store)->Restore(waiting);
  if (!restored.ok()) return NamedAs(base, copy, std::move(restored).status());
  return restored;
}

Result<store::Recovered> Fold::Run(const FoldSource& source) {
  store::Restored restored;
  if (!source.base.empty()) {
    GEMEL_TRY_LET(restored, RestoreBase(source.base));
  }
  shards_.Start(sequencer_);
  return store::Recover({.journal = source.journal,
                         .checkpoint = restored.checkpoint,
                         .until = source.until,
                         .is_ours = false,
                         .wants = source.wants},
                        store::CatalogOf(world_), *world_.symbols, sequencer_, shards_, progress_);
}

Status Fold::RunBase(const std::filesystem::path& base) {
  GEMEL_TRY(RestoreBase(base).status());
  shards_.Start(sequencer_);
  return Status::Ok();
}

void Fold::Start() {
  for (uint32_t shard = 0; shard < shards_.size(); ++shard) {
    shards_.idle(shard).SetOnSent([this](const std::vector<journal::OwnedRecord>& records) {
      sent_.insert(sent_.end(), records.begin(), records.end());
    });
  }
}

void Fold::Finish() {
  FireUntil(clock_.Now());
  shards_.Start(sequencer_);
}

void Fold::ApplyAll() {
  for (uint32_t shard = 0; shard < shards_.size(); ++shard)
    shards_.idle(shard).ApplyIdle(sequencer_);
}

void Fold::AdvanceTo(Time time) {
  ApplyAll();
  if (time <= clock_.Now()) return;
  FireUntil(time - Duration(1));
  clock_.Advance(time - clock_.Now());
}

std::optional<Fold::Changed> Fold::ApplyLast() {
  GEMEL_ASSERT(shards_.size() == 1);
  ApplyAll();
  twin::Engine& engine = shards_.engine(0);
  const bool is_new = engine.applied() != std::exchange(told_, engine.applied());
  std::optional<Changed> changed;
  // Nobody else asks for dirty twins here, so only those since the last call are.
  const auto models = static_cast<uint16_t>(world_.models.size());
  for (uint16_t model = 0; model < models; ++model) {
    twin::TwinTable& table = engine.table(model);
    for (size_t slot = table.TakeDirty(0); slot < table.slots(); slot = table.TakeDirty(slot + 1)) {
      const twin::Twin* const twin = table.At(slot);
      if (is_new && twin != nullptr && twin->applied_lsn == engine.applied())
        changed = {.model = model, .twin = twin};
    }
  }
  return changed;
}

void Fold::FireUntil(Time last) {
  while (true) {
    ApplyAll();
    const std::optional<Time> due = DueFrom();
    std::vector<journal::OwnedRecord> derived;
    if (due && *due <= clock_.Now()) {
      derived = TakeDue(clock_.Now());
    } else if (derived = std::exchange(sent_, {}); derived.empty()) {
      if (!due || *due > last) return;
      clock_.Advance(*due - clock_.Now());
    }
    AppendAll(std::move(derived));
  }
}

std::optional<Time> Fold::DueFrom() {
  std::optional<Time> first;
  for (uint32_t shard = 0; shard < shards_.size(); ++shard) {
    const std::optional<Time> due = shards_.engine(shard).timers().DueFrom();
    if (due && (!first || *due < *first)) first = due;
  }
  return first;
}

std::vector<journal::OwnedRecord> Fold::TakeDue(Time now) {
  std::vector<journal::OwnedRecord> all;
  for (uint32_t shard = 0; shard < shards_.size(); ++shard)
    std::ranges::move(shards_.engine(shard).TakeAllDue(now), std::back_inserter(all));
  return all;
}

void Fold::AppendAll(std::vector<journal::OwnedRecord> records) {
  std::ranges::sort(records, twin::ComesBefore);
  for (const journal::OwnedRecord& owned : records) {
    journal::Record record = owned.view();
    while (sequencer_.Append({&record, 1}) == journal::Sequencer::Outcome::kFull) ApplyAll();
  }
}

std::vector<std::string> Fold::TwinLines() {
  std::vector<uint16_t> models(world_.models.size());
  std::iota(models.begin(), models.end(), uint16_t{0});
  std::ranges::sort(models, {}, [&](uint16_t model) -> const std::string& {
    return world_.models[model].model->name();
  });
  std::vector<std::string> lines;
  for (const uint16_t model : models) {
    const size_t state_size = world_.models[model].model->state_size();
    // Each shard fills its own.
    struct Named {
      std::string id;
      std::string line;
    };
    std::vector<std::vector<Named>> found(shards_.size());
    std::vector<store::TwinBatch> batches(shards_.size());
    shards_.Scan(model, [&](uint32_t shard, const twin::Engine& engine, const twin::Twin& twin) {
      batches[shard].Clear();
      batches[shard].Add(twin, state_size, engine);
      found[shard].push_back({std::string(twin.id()), std::string()});
      Named& named = found[shard].back();
      batches[shard].ForEach(state_size, [&](const store::CopiedTwin& copied) {
        AppendTwinLine(copied, world_, model, named.line);
      });
    });
    std::vector<Named> all;
    for (std::vector<Named>& part : found) std::ranges::move(part, std::back_inserter(all));
    std::ranges::sort(all, {}, &Named::id);
    for (Named& named : all) lines.push_back(std::move(named.line));
  }
  return lines;
}

uint64_t Fold::twins() const {
  uint64_t sum = 0;
  for (size_t model = 0; model < world_.models.size(); ++model) sum += shards_.twins(model);
  return sum;
}

}  // namespace gemel::playback
