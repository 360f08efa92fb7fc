#include "tests/twin/lab.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <gtest/gtest.h>

#include "gateway/model/state.h"
#include "gateway/twin/acknowledgement.h"
#include "gateway/twin/command.h"

namespace gemel::twin {
namespace {

template <typename T>
T Required(Result<T> result) {
  EXPECT_TRUE(result.ok()) << result.status().message();
  return *std::move(result);
}

Route MakeRoute(const model::Model& model, const std::string& name) {
  return {.name = name,
          .model = 0,
          .telemetry = Required(route::Template::Parse(name + "/{region}/{line}/{id}")),
          .fields = Required(codec::FieldMap::Compile(model.fields(), {}))};
}

}  // namespace

void KeptSink::Append(const effects::Effect& effect) {
  const std::lock_guard lock(mutex_);
  kept_.push_back({effect.id, effect.kind, effect.is_retained, effect.lifetime,
                   std::string(effect.topic), std::string(effect.payload), effect.severities,
                   effect.key_hash});
}

std::vector<Kept> KeptSink::Take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(kept_, {});
}

ProbeWorld::ProbeWorld(const std::function<void(World&)>& adapt) {
  ModelEntry entry;
  entry.model = Required(model::Model::Create(*ModelTable<Probe>(), {.name = "probe"}));
  entry.apply_profile = [](std::string_view id, std::byte* state) {
    if (id == "p1") reinterpret_cast<Probe::State*>(state)->limit = 4;
  };
  world.symbols = &symbols;
  world.models.push_back(std::move(entry));
  for (const char* name : {"lab", "drop", "mute"}) {
    world.routes.push_back(MakeRoute(model(), name));
    world.routes.back().command =
        Required(route::Template::Parse("do/{region}/{line}/probe-{id}/command"));
  }
  world.routes[kDropping].late = LatePolicy::kDrop;
  world.routes[kMute].command.reset();
  if (adapt) adapt(world);
}

uint16_t ProbeWorld::AddModel(const std::string& name) {
  ModelEntry entry;
  entry.model = Required(model::Model::Create(*ModelTable<Probe>(), {.name = name}));
  world.routes.push_back(MakeRoute(*entry.model, name));
  world.models.push_back(std::move(entry));
  const auto index = static_cast<uint16_t>(world.models.size() - 1);
  world.routes.back().model = index;
  return index;
}

std::string ProbeWorld::Json(const std::byte* state, std::string_view field) const {
  std::string out;
  const gemel_field& described = model().fields()[model().FieldIndex(field).value()];
  model::AppendJson(model::ReadValue(described, state), symbols, out);
  return out;
}

std::vector<uint64_t> Encoded(const journal::Record& record) {
  std::vector<uint64_t> bytes((EncodedSize(record) + 7) / 8);
  Encode(record, reinterpret_cast<std::byte*>(bytes.data()));
  return bytes;
}

namespace {

Lsn Applied(Engine& engine, const journal::Record& record) {
  const std::vector<uint64_t> bytes = Encoded(record);
  engine.Apply(journal::RecordView(std::as_bytes(std::span(bytes))));
  return record.lsn;
}

}  // namespace

Lsn Lab::NextLsn() {
  ++records;
  return MakeLsn(1, static_cast<uint64_t>(records + fired));
}

Lsn Lab::SetProfile(std::string_view id, const ProfileChange& change) {
  const auto symbols = Required(InternProfile(change, probes.model(), probes.symbols));
  return SetProfile(id, EncodeProfileChange(change), symbols);
}

Lsn Lab::SetProfile(std::string_view id, std::string_view payload,
                    std::span<const journal::RecordSymbol> symbols) {
  const Lsn lsn = NextLsn();
  return Applied(engine, {.lsn = lsn,
                          .kind = journal::RecordKind::kProfileChanged,
                          .key_hash = HashKey("probe", id),
                          .record_time = now(),
                          .id = id,
                          .payload = payload,
                          .symbols = symbols});
}

size_t Lab::Deliver() {
  size_t count = 0;
  while (engine.has_sent()) {
    for (const journal::OwnedRecord& one : engine.TakeSent()) {
      ApplyDue(one, one.view().kind);
      ++count;
    }
  }
  return count;
}

size_t Lab::Wait(Duration duration) {
  const Time end = now() + duration;
  size_t count = 0;
  while (engine.timers().DueFrom().value_or(Time::max()) <= end) {
    waited += std::max(Duration::zero(), *engine.timers().DueFrom() - now());
    auto due = engine.TakeAllDue(now());
    std::ranges::sort(due, ComesBefore);
    for (const journal::OwnedRecord& one : due) ApplyDue(one, one.view().kind);
    count += due.size();
  }
  waited += end - now();
  return count;
}

Lsn Lab::ApplyDue(const journal::OwnedRecord& due, journal::RecordKind kind) {
  ++fired;
  journal::Record record = due.view();
  record.kind = kind;
  record.lsn = MakeLsn(1, static_cast<uint64_t>(records + fired));
  record.record_time = now();
  return Applied(engine, record);
}

std::map<std::string, double> Lab::Timers(std::string_view id) {
  std::map<std::string, double> timers;
  engine.timers().ForEach(*Find(id), [&](const Timer& timer) {
    timers[std::string(probes.world.timer_names->TextOf(timer.name))] =
        ToSeconds(timer.due - now());
  });
  return timers;
}

Lsn Lab::Say(const Said& said) {
  const auto field = [&](std::string_view name) {
    return static_cast<uint16_t>(probes.model().FieldIndex(name).value());
  };
  const journal::RecordSymbol region{field("region"),
                                     static_cast<uint16_t>(said.region.empty() ? 1 : 0),
                                     probes.symbols.Intern(said.region).value().number};
  const journal::RecordCapture line{field("line"), said.line};
  journal::Record record{.lsn = NextLsn(),
                         .route = said.route,
                         .key_hash = HashKey("probe", said.id),
                         .record_time = now(),
                         .id = said.id,
                         .payload = said.json,
                         .symbols = {&region, 1},
                         .captures = {&line, 1}};
  if (said.at) record.event_time = kStart + std::chrono::seconds(*said.at);
  return Applied(engine, record);
}

Lsn Lab::Delete(std::string_view id) {
  const journal::Record record{.lsn = NextLsn(),
                               .kind = journal::RecordKind::kTwinDeleted,
                               .key_hash = HashKey("probe", id),
                               .record_time = now(),
                               .id = id};
  return Applied(engine, record);
}

Lsn Lab::Acknowledge(std::string_view id, EffectId alert, std::string_view by,
                     std::string_view comment, std::optional<uint32_t> severity) {
  const std::string payload = EncodeAck({alert, {std::string(by), std::string(comment), severity}});
  const journal::Record record{.lsn = NextLsn(),
                               .kind = journal::RecordKind::kAlertAcknowledged,
                               .key_hash = HashKey("probe", id),
                               .record_time = now(),
                               .id = id,
                               .payload = payload};
  return Applied(engine, record);
}

Lsn Lab::Answer(std::string_view id, EffectId command, bool is_successful,
                std::string_view reason) {
  const std::string payload = EncodeCommandReply({command, is_successful, std::string(reason)});
  const journal::Record record{.lsn = NextLsn(),
                               .kind = journal::RecordKind::kCommandReply,
                               .key_hash = HashKey("probe", id),
                               .record_time = now(),
                               .id = id,
                               .payload = payload};
  return Applied(engine, record);
}

Twin* Lab::Find(std::string_view id) { return engine.table(0).Find(HashKey("probe", id), id); }

std::string Lab::Field(std::string_view id, std::string_view field) {
  const Twin* twin = Find(id);
  return twin == nullptr ? std::string() : probes.Json(twin->state(), field);
}

}  // namespace gemel::twin
