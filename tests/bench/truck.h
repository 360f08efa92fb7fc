#pragma once

#include <algorithm>
#include <cstdlib>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "gateway/effects/effect.h"
#include "gateway/ingest/compile_route.h"
#include "gateway/model/plugin.h"
#include "gateway/twin/world.h"

// The trucks that benchmarks of the gateway's parts share.
namespace gemel {

// Counts effects and forgets them.
class NullSink final : public effects::Sink {
 public:
  void Append(const effects::Effect& effect) override {
    ++effects;
    dead_letters += effect.kind == effects::EffectKind::kDeadLetter ? 1 : 0;
  }
  void Flush() noexcept override {}
  uint64_t effects = 0;
  uint64_t dead_letters = 0;
};

inline void Required(const Status& status) {
  if (status.ok()) return;
  fmt::print(stderr, "bench: {}\n", status.message());
  std::exit(3);
}

template <typename T>
T Required(Result<T> result) {
  if (!result.ok()) Required(result.status());
  return std::move(result).value();
}

template <typename T>
T Median(std::vector<T> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// What a truck on the road reports: 12 members in about 240 bytes.
inline std::string PayloadOf(int64_t time_ms, size_t sequence, std::mt19937_64& random) {
  return fmt::format(
      R"({{"time_ms":{},"seq":{},"latitude_deg":47.{:05},"longitude_deg":-122.{:05},"speed_kmh":{}.5,)"
      R"("engine_on":true,"coolant_temp_c":88,"oil_temp_c":97.5,)"
      R"("oil_pressure_kpa":310,"fuel_fraction":0.6,"cargo_temp_c":4.{},"odometer_km":81234}})",
      time_ms, sequence, random() % 100'000, random() % 100'000, 70 + random() % 20, random() % 360,
      random() % 10);
}

// Puts the truck model into a world, and returns a route for it, whose route the world lacks.
// `has_sequence`: whether it names a sequence, by which each twin recognises repeats.
inline ingest::CompiledRoute AddTruck(const std::string& plugin, bool has_sequence,
                                      Symbols& symbols, twin::World& world) {
  const gemel_model* table = Required(model::LoadPlugin(plugin));
  world.symbols = &symbols;
  world.models.push_back(
      {Required(model::Model::Create(*table, {.name = "truck", .parameters = "{}", .tables = {}})),
       {}});
  config::Route route;
  route.topic = "fleet/{region}/truck/{id}/telemetry";
  route.name = "bench";
  route.model = "truck";
  route.time = "/time_ms";
  if (has_sequence) route.sequence = "/seq";
  route.command = "fleet/{region}/truck/{id}/command";
  return Required(ingest::CompileRoute(route, 0, *world.models[0].model));
}

}  // namespace gemel
