// The part of the gateway that has twins know what is said of their devices.

#include <chrono>
#include <cstring>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "gateway/base/end_process.h"
#include "gateway/base/log.h"
#include "gateway/base/quote.h"
#include "gateway/gateway.h"
#include "gateway/model/profile.h"
#include "gateway/model/state.h"
#include "gateway/route/id.h"
#include "gateway/twin/profile_change.h"

namespace gemel {
namespace {

constexpr std::chrono::seconds kSetPatience{5};
// For how long whoever sets something waits for a shard that is behind, and how often it is asked.
constexpr std::chrono::milliseconds kAppliedPatience{2'000};
constexpr std::chrono::milliseconds kAppliedPoll{5};

struct ChangedRow {
  std::string id;
  nlohmann::json fields;
};

}  // namespace

Result<bool> Gateway::SetProfile(const http::Addressee& to, const nlohmann::json& fields,
                                 bool creates) {
  if (!has_recovered_.load()) return Unavailable("the journal is replayed; try again");
  const model::Model& model = *compiled_->world.models[to.model].model;
  if (to.model == compiled_->world.feed_model)
    return Invalid(fmt::format("{} is the gateway's own model", model.name()));
  if (const auto wrong = route::CheckId(to.id)) return Invalid(*wrong);
  if (!creates && !shards_->Get(to.model, to.id))
    return NotFound(fmt::format("no twin {} of model {}", Quote(to.id), model.name()));
  const twin::ModelEntry& entry = compiled_->world.models[to.model];
  twin::ProfileChange change = twin::ChangeOf(fields, entry, to.id, symbols_);
  change.creates = creates;
  GEMEL_TRY_LET(const Lsn recorded, AppendProfile(to.model, to.id, change));
  return AwaitApplied(HashKey(model.name(), to.id), recorded);
}

Result<Lsn> Gateway::AppendProfile(uint16_t index, std::string_view id,
                                   const twin::ProfileChange& change) {
  const model::Model& model = *compiled_->world.models[index].model;
  GEMEL_TRY_LET(const auto symbols, twin::InternProfile(change, model, symbols_));
  const std::string payload = twin::EncodeProfileChange(change);
  journal::Record record{.kind = journal::RecordKind::kProfileChanged,
                         .model = index,
                         .key_hash = HashKey(model.name(), id),
                         .id = id,
                         .payload = payload,
                         .symbols = symbols};
  const auto outcome = AppendWithin(kSetPatience, record);
  if (outcome == journal::Sequencer::Outcome::kFailed) EndProcess(sequencer_->failure());
  if (outcome != journal::Sequencer::Outcome::kAppended)
    return Unavailable("the journal has no room; try again");
  return record.lsn;
}

bool Gateway::AwaitApplied(uint64_t key_hash, Lsn record) {
  const auto until = std::chrono::steady_clock::now() + kAppliedPatience;
  while (true) {
    // Shared, because the slice may run after we have given it up.
    const auto answer = std::make_shared<std::promise<bool>>();
    std::future<bool> answered = answer->get_future();
    const auto look = [answer, record](const twin::Engine& engine) {
      answer->set_value(engine.applied() >= record);
      return true;
    };
    if (!shards_->Ask(sequencer_->ShardOf(key_hash), look)) return false;
    if (answered.wait_until(until) != std::future_status::ready) return false;
    if (answered.get()) return true;
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(kAppliedPoll);
  }
}

Status Gateway::ApplyProfileFiles() {
  const twin::World& world = compiled_->world;
  for (size_t i = 0; i < world.models.size(); ++i) {
    const auto index = static_cast<uint16_t>(i);
    const twin::ModelEntry& entry = world.models[i];
    if (!entry.apply_profile) continue;
    std::mutex mutex;  // shards look at their twins at the same time
    std::vector<ChangedRow> changed;
    shards_->Scan(index, [&](uint32_t, const twin::Engine&, const twin::Twin& twin) {
      nlohmann::json fields = OtherThanItsFile(entry, twin);
      if (fields.empty()) return;
      const std::lock_guard lock(mutex);
      changed.push_back({std::string(twin.id()), std::move(fields)});
    });
    for (const ChangedRow& row : changed) {
      GEMEL_TRY(AppendProfile(index, row.id, {.teller = twin::Teller::kFile, .set = row.fields})
                    .status());
    }
    if (!changed.empty()) {
      log::Info("profile=changed model={} twins={}", entry.model->name(), changed.size());
    }
  }
  return Status::Ok();
}

nlohmann::json Gateway::OtherThanItsFile(const twin::ModelEntry& entry,
                                         const twin::Twin& twin) const {
  auto fields = nlohmann::json::object();
  const model::Model& model = *entry.model;
  // Aligned as a state wants it.
  thread_local std::vector<std::max_align_t> buffer(kStateBytesMax / sizeof(std::max_align_t) + 1);
  auto* const filed = reinterpret_cast<std::byte*>(buffer.data());
  std::memcpy(filed, twin.state(), model.state_size());
  entry.apply_profile(twin.id(), filed);
  if (std::memcmp(filed, twin.state(), model.state_size()) == 0) return fields;
  for (const gemel_field& field : model.fields()) {
    if (!model::IsOfProfile(field)) continue;
    nlohmann::json value = twin::ProfileValueOf(model::ReadValue(field, filed), symbols_);
    if (value != twin::ProfileValueOf(model::ReadValue(field, twin.state()), symbols_))
      fields[field.name] = std::move(value);
  }
  if (twin.side() != nullptr) {
    for (const auto& [told, teller] : twin.side()->told) fields.erase(told);
  }
  return fields;
}

}  // namespace gemel
