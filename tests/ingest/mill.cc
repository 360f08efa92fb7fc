#include "tests/ingest/mill.h"

#include <algorithm>
#include <utility>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/ingest/compile_route.h"
#include "gateway/model/state.h"
#include "tests/twin/probe.h"

namespace gemel::ingest {
namespace {

template <typename T>
T Required(Result<T> result) {
  EXPECT_TRUE(result.ok()) << result.status().message();
  return *std::move(result);
}

}  // namespace

config::Route RouteOf(std::string_view topic) {
  config::Route route;
  route.topic = topic;
  route.name = topic;
  route.model = "probe";
  return route;
}

Mill::Mill(const MillOptions& options)
    : symbols(options.symbols_max), outbox(options.outbox_bytes_max, parker) {
  world.symbols = &symbols;
  world.models.push_back(
      {Required(model::Model::Create(*ModelTable<twin::Probe>(), {.name = "probe"})), {}});
  std::vector<Plan> plans;
  std::vector<route::Template> templates;
  for (const config::Route& route : options.routes) {
    CompiledRoute compiled = Required(CompileRoute(route, 0, *world.models[0].model));
    templates.push_back(compiled.route.telemetry);
    world.routes.push_back(std::move(compiled.route));
    plans.push_back(std::move(compiled.plan));
  }
  std::vector<journal::ShardInbox> inboxes;
  for (uint32_t i = 0; i < options.shards; ++i) {
    mailboxes.push_back(std::make_unique<Mailbox>(options.mailbox_bytes));
    parkers.push_back(std::make_unique<Parker>());
    inboxes.push_back({mailboxes.back().get(), parkers.back().get()});
  }
  sequencer.emplace(1, clock, std::move(inboxes));
  engine_.emplace(world, *this);
  IntakeOptions intake = options.intake;
  intake.find_alert = [this](EffectId alert) { return engine_->open_alerts().Find(alert); };
  intake_.emplace(world, std::move(plans), Required(route::Router::Build(templates)), *sequencer,
                  &outbox, *this, clock, std::move(intake));
}

Mill::~Mill() = default;

std::vector<Met> Mill::Drain() {
  std::vector<Met> all;
  std::vector<std::pair<Lsn, std::span<std::byte>>> records;
  for (uint32_t shard = 0; shard < mailboxes.size(); ++shard) {
    while (true) {
      const std::span<std::byte> bytes = mailboxes[shard]->Next();
      if (bytes.empty()) break;
      const journal::RecordView record(bytes);
      const auto is_refused = [](const journal::RecordSymbol& s) { return s.is_refused != 0; };
      records.emplace_back(record.lsn(), bytes);
      all.push_back({shard, record.lsn(), std::string(record.id()), record.item(),
                     record.event_time(), record.repeat(), record.repeat_key(),
                     std::ranges::any_of(record.symbols(), is_refused)});
    }
  }
  std::ranges::sort(all, {}, &Met::lsn);
  std::ranges::sort(records, {}, [](const auto& entry) { return entry.first; });
  for (const auto& entry : records) engine_->Apply(journal::RecordView(entry.second));
  for (const auto& mailbox : mailboxes) mailbox->Release();
  return all;
}

std::vector<std::string> Mill::Discard(uint32_t shard, journal::Sequencer& to) {
  std::vector<std::string> ids;
  for (std::span<std::byte> bytes = mailboxes[shard]->Next(); !bytes.empty();
       bytes = mailboxes[shard]->Next()) {
    ids.emplace_back(journal::RecordView(bytes).id());
  }
  mailboxes[shard]->Release();
  to.SpaceFreed();
  return ids;
}

std::string Mill::Field(std::string_view id, std::string_view field) {
  const model::Model& model = *world.models[0].model;
  const twin::Twin* twin = engine_->table(0).Find(HashKey("probe", id), id);
  if (twin == nullptr) return {};
  std::string out;
  model::AppendJson(
      model::ReadValue(model.fields()[model.FieldIndex(field).value()], twin->state()), symbols,
      out);
  return out;
}

void Mill::Append(const effects::Effect& effect) {
  if (effect.kind == effects::EffectKind::kAlert) {
    if (!effect.payload.empty()) alerts_.emplace_back(effect.payload);
    return;
  }
  constexpr std::string_view kRoot = "gemel/deadletter/";
  ASSERT_TRUE(effect.topic.starts_with(kRoot)) << effect.topic;
  const auto json = nlohmann::json::parse(effect.payload);
  letters_.push_back({std::string(effect.topic.substr(kRoot.size())), json.at("topic"),
                      json.at("payload_base64"), json.at("error")});
  EXPECT_EQ(letters_.back().error.find('\n'), std::string::npos) << letters_.back().error;
  EXPECT_FALSE(letters_.back().error.empty());
}

}  // namespace gemel::ingest
