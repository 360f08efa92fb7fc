// What one reading costs the anomaly detector, and what it takes of a twin.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <vector>

#include <fmt/format.h>

#include "gateway/sdk/anomaly.hpp"

namespace gemel {
namespace {

// Of the processor, so that a busy machine does not count.
double CpuSeconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

// Days of a noisy curve, a reading every five minutes.
std::vector<double> Readings(size_t count) {
  std::vector<double> readings;
  uint64_t seed = 1;
  for (size_t i = 0; i < count; ++i) {
    seed = seed * 6'364'136'223'846'793'005 + 1'442'695'040'888'963'407;
    const double noise = static_cast<double>(seed >> 11) * 0x1.0p-53;
    readings.push_back(10 * std::sin(static_cast<double>(i) / 46) + noise);
  }
  return readings;
}

// Nanoseconds a reading, over many twins in turn.
double Measure(const std::vector<double>& readings, size_t twins, double& checksum) {
  std::vector<AnomalyDetector> detectors(twins);
  Time now{std::chrono::days{19'000}};
  const double start = CpuSeconds();
  for (const double reading : readings) {
    now += std::chrono::minutes(5);
    for (AnomalyDetector& detector : detectors) checksum += detector.Score(now, reading);
  }
  const double ns = (CpuSeconds() - start) * 1e9;
  return ns / static_cast<double>(readings.size() * twins);
}

void Run() {
  const std::vector<double> one = Readings(1'000'000);
  const std::vector<double> many(one.begin(), one.begin() + 100);
  std::vector<double> near, far;
  double checksum = 0;
  for (int round = 0; round < 5; ++round) {
    near.push_back(Measure(one, 1, checksum));
    far.push_back(Measure(many, 10'000, checksum));
  }
  for (auto* values : {&near, &far}) std::ranges::sort(*values);
  fmt::print(
      "anomaly state_bytes={} reading_ns={:.0f} twins_10000_reading_ns={:.0f} checksum={:.3g}\n",
      sizeof(AnomalyDetector), near[2], far[2], checksum);
}

}  // namespace
}  // namespace gemel

int main() {
  gemel::Run();
  return 0;
}
