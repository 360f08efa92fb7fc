// What an update of each window, sketch and detector of the SDK costs, and how many bytes it is.
// The floor is the same loop with a running mean.
//
// usage: window_bench [UPDATES]

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <vector>

#include <fmt/format.h>

#include "gateway/sdk/detectors.hpp"
#include "gateway/sdk/geofence.hpp"
#include "gateway/sdk/sketches.hpp"
#include "gateway/sdk/windows.hpp"

namespace gemel {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

// As many twins as a cache does not hold: a gateway meets each of them cold.
constexpr size_t kTwins = 4'096;

struct Input {
  Time at;
  double value;
};

std::vector<Input> MakeInputs(size_t count) {
  std::vector<Input> inputs;
  Time at{seconds(1'700'000'000)};
  for (size_t i = 0; i < count; ++i) {
    at += std::chrono::milliseconds(500 + HashOf(i) % 1'000);
    inputs.push_back({at, 20 + static_cast<double>(HashOf(~i) % 1'000) / 100});
  }
  return inputs;
}

// Of this thread, because others may want the core, too.
double ThreadCpuNs() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

double g_floor_ns = 0;
double g_sink = 0;  // so that nothing is left out

// update(window, input) is called in turn for one twin, which stays warm, and for many.
template <typename Window, typename Update>
void Measure(const char* name, const std::vector<Input>& inputs, const Update& update) {
  double ns[2] = {};
  for (const size_t twins : {size_t{1}, kTwins}) {
    std::vector<Window> windows(twins);
    double best = 1e9;
    for (int round = 0; round < 3; ++round) {
      const double begin_ns = ThreadCpuNs();
      size_t twin = 0;
      size_t next = 0;
      for (size_t i = 0; i < inputs.size(); ++i) {
        const Input input{inputs[next].at + round * minutes(1'000'000), inputs[i].value};
        g_sink += update(windows[twin], input);
        if (++twin < twins) continue;
        twin = 0;
        ++next;
      }
      best = std::min(best, (ThreadCpuNs() - begin_ns) / static_cast<double>(inputs.size()));
    }
    ns[twins == 1 ? 0 : 1] = best;
  }
  if (g_floor_ns == 0) g_floor_ns = ns[0];
  fmt::print("{:<24} bytes={:<5} warm_ns={:<7.1f} cold_ns={:<7.1f} ratio={:.1f}\n", name,
             sizeof(Window), ns[0], ns[1], ns[0] / g_floor_ns);
}

struct Mean {
  double mean = 0;
  double count = 0;
};

void MeasureWindows(const std::vector<Input>& inputs) {
  Measure<Mean>("floor", inputs, [](Mean& window, const Input& input) {
    return window.mean += (input.value - window.mean) / ++window.count;
  });
  Measure<Ring<double, 32>>("ring<double,32>", inputs, [](auto& window, const Input& input) {
    window.Add(input.value);
    return window.newest();
  });
  Measure<Moments>("moments", inputs, [](auto& window, const Input& input) {
    window.Add(input.value);
    return window.mean();
  });
  Measure<Tumbling>("tumbling", inputs, [](auto& window, const Input& input) {
    return window.Add(input.at, input.value, minutes(1)) ? 1 : 0;
  });
  Measure<Sliding<60>>("sliding<60>", inputs, [](auto& window, const Input& input) {
    return window.Add(input.at, input.value, minutes(1)) ? 1 : 0;
  });
  Measure<Sliding<60>>("sliding<60> and asked", inputs, [](auto& window, const Input& input) {
    window.Add(input.at, input.value, minutes(1));
    return window.At(input.at).mean();
  });
  Measure<Ewma>("ewma", inputs, [](auto& window, const Input& input) {
    window.Add(input.at, input.value, minutes(1));
    return window.mean();
  });
  Measure<Rate>("rate", inputs, [](auto& window, const Input& input) {
    return window.Add(input.at, input.value).value_or(0);
  });
  Measure<TimeInState<4>>("time_in_state<4>", inputs, [](auto& window, const Input& input) {
    return window.Enter(input.at, static_cast<uint32_t>(input.value) % 4) ? 1 : 0;
  });
}

void MeasureSketches(const std::vector<Input>& inputs) {
  Measure<P2Quantile>("p2_quantile", inputs, [](auto& window, const Input& input) {
    window.Add(input.value, 0.95);
    return window.value();
  });
  Measure<DdSketch<512>>("ddsketch<512,10>", inputs, [](auto& window, const Input& input) {
    return window.Add(input.value) ? 1 : 0;
  });
  Measure<HyperLogLog<8>>("hyperloglog<8>", inputs, [](auto& window, const Input& input) {
    window.Add(static_cast<uint64_t>(input.value * 1'000));
    return 0;
  });
}

void MeasureDetectors(const std::vector<Input>& inputs) {
  Measure<ZScore>("z_score", inputs, [](auto& window, const Input& input) {
    return window.Add(input.at, input.value, {.tau = minutes(1)}).value_or(0);
  });
  Measure<Spike<15>>("spike<15>", inputs, [](auto& window, const Input& input) {
    return window.Add(input.value, {}) ? 1 : 0;
  });
  Measure<TrendChange>("trend_change", inputs, [](auto& window, const Input& input) {
    window.Add(input.at, input.value,
               {.tau_level = minutes(1), .tau_slope = minutes(5), .slope = 1});
    return window.slope();
  });
  Measure<Cusum>("cusum", inputs, [](auto& window, const Input& input) {
    return window.Add(input.value, {.target = 25, .slack = 1, .limit = 50}) == Shift::kUp ? 1 : 0;
  });
  Measure<PageHinkley>("page_hinkley", inputs, [](auto& window, const Input& input) {
    return window.Add(input.value, {.tolerance = 1, .limit = 50}) == Shift::kUp ? 1 : 0;
  });
  Measure<Seasonal<168>>("seasonal<168>", inputs, [](auto& window, const Input& input) {
    return window.Add(input.at, input.value, {.period = std::chrono::hours(168)}).value_or(0);
  });
}

void MeasureFences(const std::vector<Input>& inputs) {
  std::vector<Position> ring;
  ring.reserve(100);
  for (int i = 0; i < 100; ++i) ring.push_back(Along({48.1, 11.5}, i * 3.6, 1'000 + i % 7 * 100));
  const Circle circle({48.1, 11.5}, 1'000);
  const Polygon polygon(ring);
  const Corridor corridor(ring, 50);
  const auto measure = [&](const char* name, const auto& area) {
    Measure<FenceState>(name, inputs, [&](auto& fence, const Input& input) {
      const double distance = area.DistanceM({48.1, 11.48 + input.value / 1'000});
      return fence.Add(input.at, distance, 20) == Crossing::kEntered ? 1 : 0;
    });
  };
  measure("circle", circle);
  measure("polygon of 100", polygon);
  measure("corridor of 99", corridor);
}

}  // namespace
}  // namespace gemel

int main(int count, char** arguments) {
  const auto inputs =
      gemel::MakeInputs(count > 1 ? std::strtoul(arguments[1], nullptr, 10) : 1'000'000);
  gemel::MeasureWindows(inputs);
  gemel::MeasureSketches(inputs);
  gemel::MeasureDetectors(inputs);
  gemel::MeasureFences(inputs);
  return gemel::g_sink == 1 ? 1 : 0;
}
