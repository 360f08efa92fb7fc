// What a model costs in a message: the tutorial model as a plug-in and as a script, over a model
// that does nothing with the same message, all through the engine, decoding included.
//
//   script_bench TUTORIAL.so TUTORIAL.lua SILENT.so

#include <chrono>
#include <cmath>
#include <numbers>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "gateway/model/plugin.h"
#include "gateway/script/script.h"
#include "gateway/twin/engine.h"
#include "tests/bench/truck.h"

namespace gemel {
namespace {

constexpr size_t kTwins = 1'000;
constexpr size_t kSteps = 200;
constexpr size_t kMessages = kSteps * kTwins;
constexpr size_t kRounds = 7;

void AddRoute(twin::World& world, const std::string& model) {
  config::Route route;
  route.topic = model + "/{id}/telemetry";
  route.name = model;
  route.model = model;
  route.command = model + "/{id}/command";
  const auto index = static_cast<uint16_t>(world.routes.size());
  world.routes.push_back(
      Required(ingest::CompileRoute(route, index, *world.models[index].model)).route);
}

class Bench {
 public:
  explicit Bench(char** files) {
    world_.symbols = &symbols_;
    const gemel_model* const tutorial = Required(model::LoadPlugin(files[1]));
    const gemel_model* const silent = Required(model::LoadPlugin(files[3]));
    Add("plugin", Required(model::Model::Create(*tutorial, {.name = "plugin"})));
    Add("script", Required(model::Model::Create(Required(script::LoadScript(files[2], {})),
                                                {.name = "script"})));
    Add("empty", Required(model::Model::Create(*silent, {.name = "empty"})));
    engine_.emplace(world_, sink_);
    engine_->set_on_log([](uint32_t, std::string_view) {});
    // Rooms that warm up and cool down, beyond the limit for a fifteenth of the time, and whose
    // door is opened now and then.
    for (size_t i = 0; i < kMessages; ++i) {
      const size_t twin = i % kTwins;
      const size_t step = i / kTwins;
      const double turn = static_cast<double>(step) / kSteps + static_cast<double>(twin) / kTwins;
      payloads_.push_back(fmt::format(R"({{"temperature_c":{:.2f},"is_open":{}}})",
                                      4 + 4.1 * std::sin(turn * 2 * std::numbers::pi),
                                      (step + twin) % 50 < 2));
    }
  }

  // Nanoseconds a message of the model.
  double Run(uint16_t model) {
    const std::string& name = world_.models[model].model->name();
    const auto start = std::chrono::steady_clock::now();
    for (size_t i = 0; i < kMessages; ++i) {
      const std::string id = fmt::format("t{}", i % kTwins);
      journal::Record record;
      record.lsn = ++lsn_;
      record.model = model;
      record.route = model;
      record.key_hash = HashKey(name, id);
      record.record_time = Time{Duration{1'700'000'000'000'000 + static_cast<int64_t>(lsn_)}};
      record.id = id;
      record.payload = payloads_[i];
      buffer_.resize((journal::EncodedSize(record) + journal::kReadAhead) / 8 + 1);
      auto* const bytes = reinterpret_cast<std::byte*>(buffer_.data());
      journal::Encode(record, bytes);
      engine_->Apply(journal::RecordView({bytes, journal::EncodedSize(record)}));
      if (engine_->has_sent()) engine_->TakeSent();
    }
    const auto spent = std::chrono::steady_clock::now() - start;
    return std::chrono::duration<double, std::nano>(spent).count() / kMessages;
  }

  void Print() {
    std::vector<double> took[3];
    for (size_t round = 0; round < kRounds; ++round) {
      for (uint16_t model = 0; model < 3; ++model) took[model].push_back(Run(model));
    }
    const double empty = Median(took[2]);
    fmt::print(
        "model plugin_ns={:.0f} script_ns={:.0f} empty_ns={:.0f} "
        "plugin_over_empty_ns={:.0f} script_over_empty_ns={:.0f} effects={} refused={}\n",
        Median(took[0]), Median(took[1]), empty, Median(took[0]) - empty, Median(took[1]) - empty,
        sink_.effects, sink_.dead_letters);
  }

 private:
  void Add(const std::string& name, std::unique_ptr<model::Model> model) {
    world_.models.push_back({std::move(model), {}, {}});
    AddRoute(world_, name);
  }

  Symbols symbols_;
  NullSink sink_;
  twin::World world_;
  std::optional<twin::Engine> engine_;
  std::vector<std::string> payloads_;
  std::vector<uint64_t> buffer_;
  Lsn lsn_ = 0;
};

}  // namespace
}  // namespace gemel

int main(int count, char** arguments) {
  if (count != 4) {
    fmt::print(stderr, "usage: script_bench TUTORIAL.so TUTORIAL.lua SILENT.so\n");
    return 2;
  }
  gemel::Bench(arguments).Print();
  return 0;
}
