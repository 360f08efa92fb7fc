#include "tests/scenario/numbered_load.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <utility>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/process.h"
#include "tests/support/raw_client.h"

namespace gemel::scenario {
namespace {

constexpr int64_t kInFlightMax = 1'000;
constexpr std::chrono::milliseconds kReconnectEvery{50};
// A broker may be frozen for half a minute on purpose.
constexpr std::chrono::milliseconds kBrokerPatience = 3 * support::kPatience;

}  // namespace

std::string DeviceOf(int64_t number) { return "d" + std::to_string(number % kDevices); }

int64_t FromEnvironment(const char* name, int64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoll(text, nullptr, 10);
}

NumberedLoad::NumberedLoad(uint16_t port, int64_t per_second)
    : port_(port),
      per_second_(per_second),
      begin_(std::chrono::steady_clock::now()),
      thread_([this] { Run(); }) {}

int64_t NumberedLoad::End() {
  is_ending_ = true;
  if (thread_.joinable()) thread_.join();
  return sent_;
}

void NumberedLoad::Run() {
  auto patient_until = std::chrono::steady_clock::now() + kBrokerPatience;
  while (!is_ending_ || !again_.empty() || connections_ == 0) {
    support::RawClient client;
    client.set_on_acknowledged([this](uint16_t packet_id) { in_flight_.erase(packet_id); });
    if (client.Connect(port_, "load").ok()) {
      ++connections_;
      Send(client);
      patient_until = std::chrono::steady_clock::now() + kBrokerPatience;
    } else {
      // The pace of a device that finds no broker.
      std::this_thread::sleep_for(kReconnectEvery);
      ASSERT_LT(std::chrono::steady_clock::now(), patient_until) << "no broker";
    }
  }
}

void NumberedLoad::Send(support::RawClient& client) {
  for (const int64_t number : std::exchange(again_, {})) Publish(client, number);
  while (!is_ending_ || !in_flight_.empty()) {
    const auto passed = std::chrono::steady_clock::now() - begin_;
    const int64_t due =
        std::chrono::floor<std::chrono::microseconds>(passed).count() * per_second_ / 1'000'000;
    while (!is_ending_ && sent_ < due && client.in_flight() < kInFlightMax) {
      Publish(client, ++sent_);
    }
    if (!client.Pump(std::chrono::milliseconds(1)).ok()) break;
  }
  for (const auto& [packet_id, number] : in_flight_) again_.push_back(number);
  std::ranges::sort(again_);
  in_flight_.clear();
}

void NumberedLoad::Publish(support::RawClient& client, int64_t number) {
  const uint16_t packet_id = client.Publish("scenario/wa/" + DeviceOf(number) + "/in",
                                            R"({"n":)" + std::to_string(number) + "}");
  in_flight_[packet_id] = number;
}

void Answers::Take(const std::vector<support::Seen>& seen) {
  for (; taken_ < seen.size(); ++taken_) {
    const auto command = nlohmann::json::parse(seen[taken_].payload);
    const std::string id = command["id"];
    const auto number = command["args"]["n"].get<int64_t>();
    const std::string said = seen[taken_].topic + seen[taken_].payload;
    const auto [text, is_new_id] = texts_.emplace(id, said);
    changed_ += !is_new_id && text->second != said ? 1 : 0;
    repeated_ += is_new_id ? 0 : 1;
    if (is_new_id) ++ids_[number];
  }
}

void Answers::AwaitAll(support::Tail& commands, int64_t wanted) {
  for (int64_t before = -1; numbers() > before && numbers() < wanted;) {
    before = numbers();
    commands.WaitFor([&](const auto& seen) {
      Take(seen);
      return numbers() == wanted;
    });
  }
}

int64_t Answers::doubled() const {
  return std::ranges::count_if(ids_, [](const auto& entry) { return entry.second > 1; });
}

Comparison CompareTwins(const GatewayProcess& gateway, int64_t published) {
  std::set<int64_t> numbers;
  for (int64_t number = 1; number <= published; ++number) numbers.insert(numbers.end(), number);
  return CompareTwins(gateway, numbers);
}

Comparison CompareTwins(const GatewayProcess& gateway, const std::set<int64_t>& numbers) {
  int64_t counts[kDevices]{};
  int64_t sums[kDevices]{};
  for (const int64_t number : numbers) {
    ++counts[number % kDevices];
    sums[number % kDevices] += number;
  }
  Comparison comparison;
  for (int64_t device = 0; device < kDevices; ++device) {
    const int64_t count = counts[device];
    const int64_t sum = sums[device];
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
