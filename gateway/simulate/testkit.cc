#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gateway/codec/envelope.h"
#include "gateway/effects/payload.h"
#include "gateway/model/profile.h"
#include "gateway/model/state.h"
#include "gateway/model/table_file.h"
#include "gateway/route/id.h"
#include "gateway/script/script.h"
#include "gateway/sdk/testing.hpp"
#include "gateway/twin/engine.h"
#include "gateway/twin/twin_message.h"

namespace gemel {
namespace {

template <typename T>
T Required(Result<T> result) {
  if (!result.ok()) throw std::invalid_argument(result.status().message());
  return std::move(result).value();
}

// Text as the file that loaders want; gone with the object.
class TextFile {
 public:
  explicit TextFile(const std::string& text)
      : path_(std::filesystem::temp_directory_path() / "gemel-kit-XXXXXX") {
    std::string name = path_.string();
    const int file = ::mkstemp(name.data());
    if (file < 0) throw std::runtime_error("no temporary file could be made");
    ::close(file);
    path_ = name;
    std::ofstream(path_) << text;
  }
  TextFile(const TextFile&) = delete;
  TextFile& operator=(const TextFile&) = delete;
  ~TextFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// A model that others send messages to, and that does nothing.
struct Other {
  struct State {
    bool is_nothing = true;
  };
  static constexpr const char* kName = "other";
  static constexpr const char* kMeaning = "Stands for another model.";
  static const Fields<State>& fields() {
    static const Fields<State> kFields = {
        computed(&State::is_nothing, "is_nothing", "", "Always.")};
    return kFields;
  }
  explicit Other(const Setup&) {}
  void on_telemetry(State&, const gemel::Message&, Context&) const {}
  void on_message(State&, const TwinMessage&, Context&) const {}
};

// Sorts what the engine sends into commands, alerts and dead letters.
class Collector final : public effects::Sink {
 public:
  void Append(const effects::Effect& effect) override {
    if (effect.payload.empty()) return;  // empties a retained topic
    const auto json = nlohmann::json::parse(effect.payload);
    const auto text = [&](const char* key) { return json.at(key).get<std::string>(); };
    switch (effect.kind) {
      case effects::EffectKind::kCommand: {
        std::optional<Duration> expires;
        if (json.contains("expires_ms")) {
          expires = std::chrono::milliseconds(json["expires_ms"].get<int64_t>() -
                                              json["time_ms"].get<int64_t>());
        }
        commands.push_back({twin, text("name"), json.at("args").dump(), expires});
        break;
      }
      case effects::EffectKind::kAlert:
        alerts.push_back({text("twin"), text("code"), text("severity"), text("status"),
                          text("message"), json.at("properties").dump(),
                          json.at("count").get<int64_t>()});
        break;
      case effects::EffectKind::kDeadLetter:
        refused = text("error");
        break;
      case effects::EffectKind::kCommandChange:
        break;
    }
  }
  void Flush() noexcept override {}

  std::string twin;  // whose message is applied
  std::vector<TestCommand> commands;
  std::vector<TestAlert> alerts;
  std::optional<std::string> refused;
};

}  // namespace

struct TestKitBase::Impl {
  Symbols symbols;
  twin::World world;
  std::optional<codec::Envelope> envelope;
  codec::EnvelopeReader reader;
  Collector collector;
  std::unique_ptr<twin::Engine> engine;
  Time now;
  uint64_t records = 0;
  std::vector<uint64_t> buffer;

  const model::Model& model() const { return *world.models[0].model; }
  const twin::Twin& Find(std::string_view id) const {
    twin::Twin* twin = engine->table(0).Find(HashKey(model().name(), id), id);
    if (twin == nullptr) throw std::out_of_range(fmt::format("no twin {}/{}", model().name(), id));
    return *twin;
  }
  // `make` makes the model, from its options.
  template <typename Make>
  void Start(const TestOptions& options, const std::string& name, const Make& make);
  void AddTopic(const std::vector<std::pair<std::string, std::string>>& topic,
                std::vector<journal::RecordSymbol>& found,
                std::vector<journal::RecordCapture>& captures);
  std::vector<TestMessage> messages;

  void Apply(const journal::Record& record);
  void Keep(const journal::Record& record);
  // All of them, whatever becomes of one; `failed` says why the first one did.
  void ApplyDerived(const std::vector<journal::OwnedRecord>& derived,
                    std::optional<std::string>& failed);
  // What twins send to each other, until nobody sends any more; throws for the first failure.
  void Deliver(std::optional<std::string> failed = std::nullopt);
  // Of the timers that are due by then, those of the first moment. False if there are none.
  bool Fire(Time end);
};

TestKitBase::TestKitBase(const gemel_model& table, const TestOptions& options)
    : impl_(std::make_unique<Impl>()) {
  impl_->Start(options, table.name, [&](const model::ModelOptions& model_options) {
    return model::Model::Create(table, model_options);
  });
}

TestKitBase::TestKitBase(const std::filesystem::path& path, const TestOptions& options)
    : impl_(std::make_unique<Impl>()) {
  model::Interpreted script = Required(script::LoadScript(path, {}));
  impl_->Start(options, script.table.name, [&](const model::ModelOptions& model_options) {
    return model::Model::Create(std::move(script), model_options);
  });
}

TestKitBase::~TestKitBase() = default;

template <typename Make>
void TestKitBase::Impl::Start(const TestOptions& options, const std::string& name,
                              const Make& make) {
  std::vector<std::unique_ptr<const model::TableFile>> tables;
  model::ModelOptions model_options{.name = name, .parameters = options.parameters, .tables = {}};
  for (const auto& [table, text] : options.tables) {
    tables.push_back(Required(model::TableFile::Load(TextFile(text).path(), table)));
    model_options.tables.push_back(tables.back()->view());
  }
  twin::ModelEntry entry;
  entry.model = Required(make(model_options));
  if (!options.profile.empty()) {
    auto profile = std::make_shared<const model::Profile>(Required(
        model::Profile::Load(TextFile(options.profile).path(), entry.model->fields(), symbols)));
    entry.apply_profile = [profile](std::string_view id, std::byte* state) {
      profile->Apply(id, state);
    };
  }
  codec::FieldMap fields = Required(codec::FieldMap::Compile(entry.model->fields(), {}));
  codec::EnvelopeSpec spec;
  if (!options.time_pointer.empty()) spec.time = options.time_pointer;
  envelope = Required(codec::Envelope::Compile(spec, fields));
  world.symbols = &symbols;
  world.models.push_back(std::move(entry));
  for (const std::string& other : options.others) {
    twin::ModelEntry& added = world.models.emplace_back();
    added.model = Required(model::Model::Create(*ModelTable<Other>(), {.name = other}));
  }
  world.routes.push_back({.name = "kit",
                          .model = 0,
                          .telemetry = Required(route::Template::Parse("kit/{id}")),
                          .fields = std::move(fields),
                          .command = Required(route::Template::Parse("kit/{id}/command"))});
  engine = std::make_unique<twin::Engine>(world, collector);
  now = options.start;
}

void TestKitBase::Impl::AddTopic(const std::vector<std::pair<std::string, std::string>>& topic,
                                 std::vector<journal::RecordSymbol>& found,
                                 std::vector<journal::RecordCapture>& captures) {
  for (const auto& [name, text] : topic) {
    const auto field = model().FieldIndex(name);
    if (!field || model().fields()[*field].time_offset == GEMEL_NO_OFFSET) {
      throw std::invalid_argument(fmt::format("{}: no field that a topic fills", name));
    }
    const auto index = static_cast<uint16_t>(*field);
    if (model().fields()[*field].type == GEMEL_SYMBOL) {
      found.push_back({index, 0, symbols.Intern(text).value().number});
    } else {
      captures.push_back({index, text});
    }
  }
}

void TestKitBase::Impl::ApplyDerived(const std::vector<journal::OwnedRecord>& derived,
                                     std::optional<std::string>& failed) {
  for (const journal::OwnedRecord& owned : derived) {
    journal::Record record = owned.view();
    if (record.kind == journal::RecordKind::kTwinMessage) Keep(record);
    if (record.model != 0) continue;
    record.lsn = MakeLsn(1, ++records);
    record.record_time = now;
    try {
      Apply(record);
    } catch (const MessageRefused& refused) {
      if (!failed) failed = refused.what();
    }
  }
}

void TestKitBase::Impl::Deliver(std::optional<std::string> failed) {
  while (engine->has_sent()) ApplyDerived(engine->TakeSent(), failed);
  if (failed) throw MessageRefused(*failed);
}

void TestKitBase::Impl::Keep(const journal::Record& record) {
  twin::TwinMessageReader reader_of_message;
  reader_of_message.Read(record.payload);
  const gemel_twin_message& message = reader_of_message.message();
  messages.push_back({std::string(ToView(message.model)), std::string(ToView(message.id)),
                      world.models[record.model].model->name(), std::string(record.id),
                      std::string(ToView(message.name))});
}

void TestKitBase::Impl::Apply(const journal::Record& record) {
  buffer.resize((EncodedSize(record) + 7) / 8);
  auto* bytes = reinterpret_cast<std::byte*>(buffer.data());
  Encode(record, bytes);
  collector.refused.reset();
  collector.twin = record.id;
  engine->Apply(journal::RecordView({bytes, buffer.size() * 8}));
  if (collector.refused) throw MessageRefused(*collector.refused);
}

bool TestKitBase::Impl::Fire(Time end) {
  const auto due = engine->timers().DueFrom();
  if (!due || *due > end) return false;
  now = std::max(now, *due);
  std::vector<journal::OwnedRecord> fired = engine->TakeAllDue(now);
  std::ranges::sort(fired, twin::ComesBefore);
  std::optional<std::string> failed;
  ApplyDerived(fired, failed);
  Deliver(std::move(failed));
  return true;
}

void TestKitBase::Feed(std::string_view id, std::string_view json) { Feed(id, json, {}); }

void TestKitBase::Feed(std::string_view id, std::string_view json,
                       const std::vector<std::pair<std::string, std::string>>& topic) {
  if (auto why = route::CheckId(id)) throw MessageRefused(*why);
  if (auto refused = impl_->reader.Read(*impl_->envelope, json))
    throw MessageRefused(refused->detail);
  std::vector<journal::RecordSymbol> symbols;
  std::vector<journal::RecordCapture> captures;
  impl_->AddTopic(topic, symbols, captures);
  const codec::Reading& reading = impl_->reader.readings().at(0);
  for (const codec::SymbolText& symbol : impl_->reader.symbols()) {
    symbols.push_back({symbol.field, 0, impl_->symbols.Intern(symbol.text).value().number});
  }
  journal::Record record;
  record.lsn = MakeLsn(1, ++impl_->records);
  record.key_hash = HashKey(impl_->model().name(), id);
  record.record_time = impl_->now;
  if (reading.time_us) record.event_time = Time{Duration{*reading.time_us}};
  record.id = id;
  record.payload = json;
  record.symbols = symbols;
  record.captures = captures;
  impl_->Apply(record);
  impl_->Deliver();
}

void TestKitBase::Message(std::string_view id, std::string_view from_model,
                          std::string_view from_id, std::string_view name, Arguments arguments) {
  if (!impl_->model().has_messages())
    throw MessageRefused(fmt::format("{} has no on_message", impl_->model().name()));
  for (const std::string_view text : {from_model, from_id, name}) {
    if (text.size() > kIdBytesMax) throw std::invalid_argument("a name or id is too long");
  }
  std::string payload;
  twin::EncodeTwinMessage(from_model, from_id, name, arguments.begin(), arguments.size(),
                          impl_->symbols, payload);
  journal::Record record;
  record.kind = journal::RecordKind::kTwinMessage;
  record.lsn = MakeLsn(1, ++impl_->records);
  record.key_hash = HashKey(impl_->model().name(), id);
  record.record_time = impl_->now;
  record.depth = 1;
  record.id = id;
  record.payload = payload;
  impl_->Apply(record);
  impl_->Deliver();
}

std::vector<TestMessage> TestKitBase::TakeMessages() { return std::exchange(impl_->messages, {}); }

void TestKitBase::Advance(Duration duration) {
  if (duration < Duration::zero()) throw std::invalid_argument("time does not go back");
  const Time end = impl_->now + duration;
  while (impl_->Fire(end)) {
  }
  impl_->now = end;
}

Time TestKitBase::now() const { return impl_->now; }

std::vector<TestCommand> TestKitBase::TakeCommands() {
  return std::exchange(impl_->collector.commands, {});
}

std::vector<TestAlert> TestKitBase::TakeAlerts() {
  return std::exchange(impl_->collector.alerts, {});
}

std::vector<TestAlert> TestKitBase::alerts(std::string_view id) const {
  std::vector<TestAlert> alerts;
  const twin::Twin& twin = impl_->Find(id);
  if (twin.side() == nullptr) return alerts;
  for (const twin::Alert& alert : twin.side()->alerts) {
    alerts.push_back({std::string(id), alert.code,
                      std::string(effects::SeverityName(alert.severity)),
                      std::string(effects::AlertStatusName(effects::AlertStatus::kActiveUnacked)),
                      alert.message, alert.properties, alert.count});
  }
  return alerts;
}

std::vector<TestTimer> TestKitBase::timers(std::string_view id) const {
  std::vector<TestTimer> timers;
  impl_->engine->timers().ForEach(impl_->Find(id), [&](const twin::Timer& timer) {
    if (!timer.is_of_model()) return;
    timers.push_back(
        {std::string(impl_->world.timer_names->TextOf(timer.name)), timer.due, timer.every});
  });
  std::ranges::sort(timers, {}, &TestTimer::name);
  return timers;
}

std::string TestKitBase::Field(std::string_view id, std::string_view field) const {
  const auto index = impl_->model().FieldIndex(field);
  if (!index)
    throw std::out_of_range(fmt::format("model {} has no field {}", impl_->model().name(), field));
  std::string json;
  model::AppendFieldJson(impl_->model().fields()[*index], impl_->Find(id).state(), impl_->symbols,
                         json);
  return json;
}

size_t TestKitBase::twins() const { return impl_->engine->table(0).size(); }

const void* TestKitBase::RawState(std::string_view id) const { return impl_->Find(id).state(); }

}  // namespace gemel
