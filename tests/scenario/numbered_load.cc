#include "tests/scenario/numbered_load.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/raw_client.h"

namespace gemel::scenario {
namespace {

constexpr int64_t kInFlightMax = 1'000;

}  // namespace

std::string DeviceOf(int64_t number) { return "d" + std::to_string(number % kDevices); }

int64_t FromEnvironment(const char* name, int64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoll(text, nullptr, 10);
}

NumberedLoad::NumberedLoad(uint16_t port, int64_t per_second)
    : thread_([this, port, per_second] { Run(port, per_second); }) {}

int64_t NumberedLoad::End() {
  is_ending_ = true;
  if (thread_.joinable()) thread_.join();
  return sent_;
}

void NumberedLoad::Run(uint16_t port, int64_t per_second) {
  support::RawClient client;
  ASSERT_TRUE(client.Connect(port, "load").ok());
  const auto begin = std::chrono::steady_clock::now();
  while (!is_ending_ || client.in_flight() > 0) {
    const auto passed = std::chrono::steady_clock::now() - begin;
    const int64_t due =
        std::chrono::floor<std::chrono::microseconds>(passed).count() * per_second / 1'000'000;
    while (!is_ending_ && sent_ < due && client.in_flight() < kInFlightMax) {
      const int64_t number = ++sent_;
      client.Publish("scenario/wa/" + DeviceOf(number) + "/in",
                     R"({"n":)" + std::to_string(number) + "}");
    }
    ASSERT_TRUE(client.Pump(std::chrono::milliseconds(1)).ok());
  }
}

void Answers::Take(const std::vector<support::Seen>& seen) {
  for (; taken_ < seen.size(); ++taken_) {
    const auto command = nlohmann::json::parse(seen[taken_].payload);
    const std::string id = command["id"];
    const auto number = command["args"]["n"].get<int64_t>();
    const auto [text, is_new_id] = texts_.emplace(id, seen[taken_].payload);
    changed_ += !is_new_id && text->second != seen[taken_].payload ? 1 : 0;
    repeated_ += is_new_id ? 0 : 1;
    if (is_new_id) ++ids_[number];
  }
}

int64_t Answers::doubled() const {
  return std::ranges::count_if(ids_, [](const auto& entry) { return entry.second > 1; });
}

Comparison CompareTwins(const GatewayProcess& gateway, int64_t published) {
  Comparison comparison;
  for (int64_t device = 0; device < kDevices; ++device) {
    int64_t count = 0;
    int64_t sum = 0;
    for (int64_t n = device == 0 ? kDevices : device; n <= published; n += kDevices) {
      ++count;
      sum += n;
    }
    const HttpAnswer answer = gateway.Get("/api/v1/twins/echo/" + DeviceOf(device));
    const bool is_there = answer.status == 200;
    EXPECT_TRUE(is_there || count == 0) << DeviceOf(device) << ": " << answer.body;
    const nlohmann::json state = is_there ? answer.Json()["state"] : nlohmann::json();
    const int64_t answered = is_there ? state["answered"].get<int64_t>() : 0;
    comparison.lost += std::max<int64_t>(count - answered, 0);
    comparison.applied_twice += std::max<int64_t>(answered - count, 0);
    if (is_there && state["sum"] != sum) ++comparison.wrong_sums;
  }
  return comparison;
}

}  // namespace gemel::scenario
