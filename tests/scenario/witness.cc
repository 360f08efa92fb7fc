#include "tests/scenario/witness.h"

#include <algorithm>
#include <optional>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace gemel::scenario {
namespace {

using support::Way;

// MQTT 5, table 2-1.
constexpr uint8_t kPublish = 3;
constexpr uint8_t kPuback = 4;

uint16_t NumberAt(std::string_view text, size_t at) {
  return static_cast<uint16_t>(static_cast<uint8_t>(text.at(at)) << 8 |
                               static_cast<uint8_t>(text.at(at + 1)));
}

// Section 1.5.5: seven bits a byte, the lowest first. Moves `at` behind it; nothing if it is not
// all there.
std::optional<size_t> VariableNumber(std::string_view text, size_t& at) {
  size_t number = 0;
  for (unsigned shift = 0; at < text.size(); shift += 7) {
    const auto byte = static_cast<uint8_t>(text[at++]);
    number |= size_t{byte & 0x7FU} << shift;
    if ((byte & 0x80) == 0) return number;
  }
  return std::nullopt;
}

Way Opposite(Way way) { return way == Way::kToServer ? Way::kToClient : Way::kToServer; }

}  // namespace

void Witness::Hear(uint64_t link, Way way, std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  std::string& all = streams_[{link, way}].bytes;
  all += bytes;
  size_t begin = 0;
  while (begin < all.size()) {
    size_t at = begin + 1;
    const std::optional<size_t> size = VariableNumber(all, at);
    if (!size || all.size() - at < *size) break;
    Take(link, way, static_cast<uint8_t>(all[begin]), std::string_view(all).substr(at, *size));
    begin = at + *size;
  }
  all.erase(0, begin);
}

void Witness::Take(uint64_t link, Way way, uint8_t first, std::string_view body) {
  if (first >> 4 == kPublish) TakeMessage(streams_[{link, way}], way, first, body);
  if (first >> 4 != kPuback) return;
  Stream& other = streams_[{link, Opposite(way)}];
  const auto acknowledged = other.numbers.find(NumberAt(body, 0));
  if (acknowledged == other.numbers.end()) return;
  (way == Way::kToServer ? told_.taken : told_.answered).insert(acknowledged->second);
  other.numbers.erase(acknowledged);
}

void Witness::TakeMessage(Stream& stream, Way way, uint8_t first, std::string_view body) {
  const size_t topic_size = NumberAt(body, 0);
  const std::string_view topic = body.substr(2, topic_size);
  if (!topic.starts_with("scenario/") || (first & 6) == 0) return;
  const uint16_t packet_id = NumberAt(body, 2 + topic_size);
  size_t at = 2 + topic_size + 2;
  const std::optional<size_t> properties = VariableNumber(body, at);
  const std::string_view payload = body.substr(at + properties.value_or(0));
  const nlohmann::json message = nlohmann::json::parse(payload);
  const bool is_command = way == Way::kToServer;
  const auto number = (is_command ? message["args"]["n"] : message["n"]).get<int64_t>();
  stream.numbers[packet_id] = number;
  if (is_command) {
    TakeCommand(number, payload);
  } else if (!delivered_.insert(number).second) {
    ++told_.redelivered;
  }
}

void Witness::TakeCommand(int64_t number, std::string_view payload) {
  const std::string id = nlohmann::json::parse(payload)["id"];
  const auto [known, is_new] = payloads_.emplace(id, payload);
  if (is_new) {
    if (++ids_[number] == 2) ++told_.doubled;
  } else {
    ++told_.repeated;
    told_.changed += known->second == payload ? 0 : 1;
  }
}

Witness::Testimony Witness::Testify() const {
  const std::lock_guard lock(mutex_);
  return told_;
}

int64_t Witness::highest_taken() const {
  const std::lock_guard lock(mutex_);
  return told_.taken.empty() ? 0 : *told_.taken.rbegin();
}

Witness::Progress Witness::progress() const {
  const std::lock_guard lock(mutex_);
  return {told_.taken.size(), told_.answered.size()};
}

bool Witness::HasAnswer(int64_t number) const {
  const std::lock_guard lock(mutex_);
  return told_.answered.contains(number);
}

}  // namespace gemel::scenario
