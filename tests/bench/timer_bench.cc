// A million timers, spread over a minute: how late they fire, and what each takes of memory.
// Through shards that run, with a journal; the floor is a thread that sleeps until each moment.
//
// usage: timer_bench [TIMERS] [SECONDS]

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "gateway/base/assert.h"
#include "gateway/base/clock.h"
#include "gateway/base/limits.h"
#include "gateway/journal/journal.h"
#include "gateway/sdk/model.hpp"
#include "gateway/store/recovery.h"
#include "gateway/twin/shard_set.h"
#include "tests/bench/truck.h"
#include "tests/support/temp_dir.h"

namespace gemel::twin {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t kTimersEach = 10;
constexpr uint32_t kShards = 2;
// Until all are armed.
constexpr seconds kLead{20};

std::atomic<int64_t> g_spread_ms{60'000};
// Lateness of each timer, in microseconds; filled by the shards' threads, each at its own place.
std::vector<int32_t> g_late_us;
std::atomic<size_t> g_fired{0};

// Arms ten timers at once and notes when each is told to it. It looks at the clock on the wall,
// which no other model may.
struct Alarms {
  struct State {
    Last<int64_t> n;
    std::array<int64_t, kTimersEach> due_us{};
  };
  static constexpr const char* kName = "alarms";
  static constexpr const char* kMeaning = "Arms timers.";
  static const Fields<State>& fields() {
    static const Fields<State> kFields = {telemetry(&State::n, "n", "", "Anything.")};
    return kFields;
  }
  explicit Alarms(const Setup&) {}
  void on_telemetry(State& state, const Message&, Context& context) const {
    for (size_t i = 0; i < kTimersEach; ++i) {
      const auto after =
          kLead + milliseconds(context.random() % static_cast<uint64_t>(g_spread_ms.load()));
      context.set_timer(std::string(1, static_cast<char>('a' + i)), after);
      state.due_us[i] = (context.now() + after).time_since_epoch().count();
    }
  }
  void on_timer(State& state, std::string_view name, Context&) const {
    const int64_t now = SystemClock().Now().time_since_epoch().count();
    const size_t index = g_fired.fetch_add(1);
    if (index < g_late_us.size())
      g_late_us[index] =
          static_cast<int32_t>(now - state.due_us[static_cast<size_t>(name[0] - 'a')]);
  }
};

// How late a thread wakes that sleeps until each millisecond of a second.
std::vector<int32_t> Sleeper() {
  std::vector<int32_t> late;
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 1; i <= 2'000; ++i) {
    const auto due = begin + milliseconds(i);
    std::this_thread::sleep_until(due);
    late.push_back(static_cast<int32_t>(
        std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - due).count()));
  }
  return late;
}

int32_t Quantile(std::vector<int32_t> values, double share) {
  std::ranges::sort(values);
  return values[std::min(values.size() - 1,
                         static_cast<size_t>(share * static_cast<double>(values.size())))];
}

void Run(size_t timers) {
  Symbols symbols;
  World world;
  world.symbols = &symbols;
  world.models.emplace_back().model =
      Required(model::Model::Create(*ModelTable<Alarms>(), {.name = "alarms"}));
  world.routes.push_back(
      {.name = "alarms",
       .model = 0,
       .telemetry = Required(route::Template::Parse("alarms/{id}")),
       .fields = Required(codec::FieldMap::Compile(world.models[0].model->fields(), {}))});
  NullSink sink;
  ShardSet shards(world, sink, kShards, kMailboxBytes);
  const SystemClock clock;
  journal::Sequencer sequencer(1, clock, shards.inboxes());
  const support::TempDir folder;
  auto journal = Required(journal::Journal::Open({.folder = folder.path()}, {}));
  sequencer.Attach(*journal, store::CatalogOf(world), kNoTime);
  shards.Start(sequencer);
  shards.GoLive();
  shards.SetTiming(true);

  g_late_us.assign(timers, 0);
  const auto began = std::chrono::steady_clock::now();
  for (size_t twin = 0; twin < timers / kTimersEach; ++twin) {
    const std::string id = fmt::format("twin-{}", twin);
    journal::Record record{.key_hash = HashKey("alarms", id), .id = id, .payload = "{}"};
    while (sequencer.Append({&record, 1}) != journal::Sequencer::Outcome::kAppended)
      sequencer.WaitForRoom(milliseconds(10));
  }
  while (sequencer.lag() > 0) sequencer.WaitForRoom(milliseconds(10));
  const double armed_s =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  GEMEL_ASSERT(armed_s < ToSeconds(kLead));
  std::vector<size_t> sizes(kShards);
  std::vector<size_t> bytes(kShards);
  for (uint32_t shard = 0; shard < kShards; ++shard) {
    const Timers& its = shards[shard].engine().timers();
    sizes[shard] = its.size();
    bytes[shard] = its.bytes();
  }
  while (g_fired.load() < timers) std::this_thread::sleep_for(milliseconds(100));
  shards.SetTiming(false);
  shards.DrainAndStop();

  const std::vector<int32_t> sleeper = Sleeper();
  const double p99 = Quantile(g_late_us, 0.99);
  const double floor = std::max(1, Quantile(sleeper, 0.99));
  fmt::print(
      "timers armed={} arm_us={:.2f} bytes_each={:.1f} spread_s={} "
      "late_ms={:.2f}/{:.2f}/{:.2f}/{:.2f} "
      "sleeper_p99_ms={:.2f} ratio_p99={:.1f}\n",
      sizes[0] + sizes[1], armed_s * 1e6 / static_cast<double>(timers),
      static_cast<double>(bytes[0] + bytes[1]) / static_cast<double>(timers),
      g_spread_ms.load() / 1'000, Quantile(g_late_us, 0.5) / 1e3, p99 / 1e3,
      Quantile(g_late_us, 0.999) / 1e3, Quantile(g_late_us, 1) / 1e3, floor / 1e3, p99 / floor);
}

}  // namespace
}  // namespace gemel::twin

int main(int count, char** arguments) {
  const size_t timers = count > 1 ? std::strtoul(arguments[1], nullptr, 10) : 1'000'000;
  if (count > 2) gemel::twin::g_spread_ms = 1'000 * std::strtol(arguments[2], nullptr, 10);
  gemel::twin::Run(timers);
  return 0;
}
