#include "gateway/simulate/fleet.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <functional>
#include <utility>

#include <fmt/format.h>

#include "gateway/base/assert.h"
#include "gateway/base/json_text.h"
#include "gateway/base/limits.h"
#include "gateway/base/quote.h"
#include "gateway/route/id.h"
#include "gateway/sdk/arguments.hpp"

namespace gemel::simulate {
namespace {

using Kind = route::Template::Level::Kind;

constexpr std::string_view kUnset = "none";

int64_t MicrosecondsOf(Time time) { return time.time_since_epoch().count(); }

Status CheckTable(const gemel_device* device) {
  if (device == nullptr) return Invalid("the model has no device to simulate");
  if (device->struct_size < sizeof(gemel_device)) return Invalid("device table is of another ABI");
  const uint32_t align = device->state_align;
  if (align == 0 || (align & (align - 1)) != 0 || device->state_size > kStateBytesMax) {
    return Invalid(
        fmt::format("device state of {} bytes, aligned to {}: allowed: up to {} bytes, "
                    "aligned to a power of two",
                    device->state_size, align, kStateBytesMax));
  }
  if (device->construct == nullptr || device->on_start == nullptr || device->on_tick == nullptr ||
      device->on_command == nullptr) {
    return Invalid("device table lacks a function");
  }
  return Status::Ok();
}

Status CheckTopic(const route::Template& topic) {
  for (const auto& level : topic.levels()) {
    if (level.kind != Kind::kAny && level.kind != Kind::kRest) continue;
    return Invalid(
        fmt::format("topic {}: allowed: literals and captures, as a device can't "
                    "publish to + or #",
                    Quote(topic.text())));
  }
  return Status::Ok();
}

// A segment as a gateway accepts it, whatever the device put into it.
std::string EncodeSegment(std::string_view value) {
  if (value.empty()) return std::string(kUnset);
  std::string encoded;
  if (!route::EncodeId(value, encoded)) return encoded;
  encoded.clear();
  for (const char c : value) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (encoded.size() + 3 > kIdBytesMax) break;
    if (is_plain) {
      encoded += c;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

size_t RoundUp(size_t bytes, size_t align) { return (bytes + align - 1) / align * align; }

// The level with this number, or nothing if there are fewer.
std::optional<std::string_view> LevelOf(std::string_view topic, size_t index) {
  for (; index > 0; --index) {
    const size_t slash = topic.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    topic.remove_prefix(slash + 1);
  }
  return topic.substr(0, topic.find('/'));
}

}  // namespace

void AppendTruthLine(const Truth& truth, std::string& out) {
  const auto ms = std::chrono::floor<std::chrono::milliseconds>(truth.time);
  out += fmt::format(R"({{"time_ms":{},"model":)", ms.time_since_epoch().count());
  AppendJsonText(truth.model, out);
  out += ",\"id\":";
  AppendJsonText(truth.id, out);
  out += ",\"fault\":";
  AppendJsonText(truth.fault, out);
  out += truth.is_present ? ",\"event\":\"begin\"}\n" : ",\"event\":\"end\"}\n";
}

Result<std::unique_ptr<Fleet>> Fleet::Create(const gemel_device* device, FleetOptions options) {
  GEMEL_TRY(CheckTable(device));
  if (options.devices == 0 || options.devices > kDevicesMax) {
    return Invalid(fmt::format("{} devices: allowed: 1 to {}", options.devices, kDevicesMax));
  }
  GEMEL_TRY(CheckTopic(options.telemetry));
  if (options.command) GEMEL_TRY(CheckTopic(*options.command));
  if (options.answer) GEMEL_TRY(CheckTopic(*options.answer));
  std::unique_ptr<Fleet> fleet(new Fleet(*device, std::move(options)));
  GEMEL_TRY(fleet->Allocate());
  return fleet;
}

Fleet::Fleet(const gemel_device& device, FleetOptions options)
    : table_(device),
      options_(std::move(options)),
      stride_(RoundUp(device.state_size, device.state_align)),
      states_(nullptr, FreeStates{std::align_val_t{device.state_align}}) {
  const auto add = [this](const route::Template& topic) {
    for (std::string& name : topic.names()) {
      if (name != "id" && std::ranges::find(names_, name) == names_.end()) {
        names_.push_back(std::move(name));
      }
    }
  };
  add(options_.telemetry);
  if (options_.command) add(*options_.command);
  if (options_.answer) add(*options_.answer);
}

Status Fleet::Allocate() {
  if (options_.command) {
    const auto& levels = options_.command->levels();
    const auto id = std::ranges::find(levels, "id", &route::Template::Level::name);
    if (id == levels.end()) {
      return Invalid(fmt::format("command topic {}: needs {{id}}, to tell whom a command is for",
                                 Quote(options_.command->text())));
    }
    id_level_ = static_cast<size_t>(id - levels.begin());
  }
  try {
    const size_t bytes = std::max<size_t>(stride_ * options_.devices, 1);
    states_.reset(
        static_cast<std::byte*>(::operator new (bytes, std::align_val_t{table_.state_align})));
    devices_.resize(options_.devices);
    segments_.resize(names_.size() * options_.devices, std::string(kUnset));
  } catch (const std::bad_alloc&) {
    return Invalid(fmt::format("no memory for {} devices", options_.devices));
  }
  undo_.resize(table_.state_size);
  for (uint32_t i = 0; i < options_.devices; ++i) {
    table_.construct(StateOf(i));
    devices_[i].random = RandomStart(options_.seed, i);
  }
  return Status::Ok();
}

void Fleet::Begin(Time start) {
  GEMEL_ASSERT(now_ == kNoTime);
  now_ = start;
}

std::string Fleet::IdOf(uint32_t device) const {
  return fmt::format("{}-{}", options_.model, device + 1);
}

std::string Fleet::CommandFilter() const {
  return options_.command ? options_.command->filter() : "";
}

Time Fleet::NextAt() const {
  if (started_ < options_.devices) return now_;
  return due_.empty() ? kNoTime : Time{Duration{due_.top().time_us}};
}

bool Fleet::RunOne(Time until, FleetSink& sink) {
  GEMEL_ASSERT(now_ != kNoTime);
  const Time next = NextAt();
  if (next == kNoTime || next > until) return false;
  if (started_ < options_.devices) {
    const uint32_t device = started_++;
    Call(device, sink, [&](std::byte* state) { return table_.on_start(state, call_.context()); });
    return true;
  }
  const uint32_t device = due_.top().device;
  due_.pop();
  now_ = next;
  devices_[device].tick_us = GEMEL_NO_TIME;
  Call(device, sink, [&](std::byte* state) { return table_.on_tick(state, call_.context()); });
  DropStale();
  return true;
}

void Fleet::RunUntil(Time until, FleetSink& sink) {
  while (RunOne(until, sink)) {
  }
  now_ = std::max(now_, until);
}

// Runs one function of the device: all of its effects, or none if it fails.
template <typename Body>
bool Fleet::Call(uint32_t device, FleetSink& sink, const Body& body) {
  std::byte* state = StateOf(device);
  std::copy_n(state, undo_.size(), undo_.data());
  const std::string id = IdOf(device);
  call_.Begin(now_, id, devices_[device].random);
  int result = 1;
  try {
    result = body(state);
  } catch (...) {  // a table that was not made by our wrapper may let one out
    result = 1;
  }
  if (result != 0) {
    std::ranges::copy(undo_, state);
    ++stats_.calls_failed;
    return false;
  }
  Commit(device, sink);
  return true;
}

void Fleet::Commit(uint32_t device, FleetSink& sink) {
  devices_[device].random = call_.random();
  for (const auto& [name, value] : call_.segments()) SetSegment(device, name, value);
  if (call_.tick()) SetTick(device, *call_.tick());
  for (const DeviceCall::Fact& fact : call_.facts()) {
    sink.OnTruth({.time = now_,
                  .model = options_.model,
                  .id = ToView(call_.context()->id),
                  .fault = fact.fault,
                  .is_present = fact.is_present});
  }
  if (call_.payloads().empty()) return;
  RenderTopic(options_.telemetry, device, topic_);
  for (const std::string& payload : call_.payloads()) {
    ++stats_.telemetry;
    sink.OnMessage({FleetMessage::Kind::kTelemetry, device, topic_, payload});
  }
}

void Fleet::SetTick(uint32_t device, Time at) {
  // Later than now, so that no device can hold up time.
  const int64_t tick_us = std::max(MicrosecondsOf(at), MicrosecondsOf(now_) + 1);
  if (devices_[device].tick_us == tick_us) return;
  devices_[device].tick_us = tick_us;
  due_.push({tick_us, device});
}

// Ticks that were replaced by another one stay in the queue until they come up.
void Fleet::DropStale() {
  while (!due_.empty() && devices_[due_.top().device].tick_us != due_.top().time_us) due_.pop();
}

void Fleet::SetSegment(uint32_t device, std::string_view name, std::string_view value) {
  const auto found = std::ranges::find(names_, name);
  if (found == names_.end()) return;  // the route doesn't ask for it
  const auto index = static_cast<size_t>(found - names_.begin());
  segments_[device * names_.size() + index] = EncodeSegment(value);
}

void Fleet::RenderTopic(const route::Template& topic, uint32_t device, std::string& out) const {
  out.clear();
  route::Render(topic, out, [&](const std::string& name, std::string& to) {
    if (name == "id") {
      to += IdOf(device);
      return;
    }
    const auto index = static_cast<size_t>(std::ranges::find(names_, name) - names_.begin());
    to += segments_[device * names_.size() + index];
  });
}

// Takes the number out of {id}, then renders that device's topic: only an equal one is its own.
std::optional<uint32_t> Fleet::FindDevice(std::string_view topic) {
  if (!options_.command) return std::nullopt;
  const auto& level = options_.command->levels()[id_level_];
  const std::optional<std::string_view> text = LevelOf(topic, id_level_);
  const size_t before = level.prefix.size() + options_.model.size() + 1;
  if (!text || text->size() <= before + level.suffix.size()) return std::nullopt;
  const char* end = text->data() + text->size() - level.suffix.size();
  uint32_t number = 0;
  const auto [read, error] = std::from_chars(text->data() + before, end, number);
  if (error != std::errc() || read != end || number == 0 || number > options_.devices) {
    return std::nullopt;
  }
  RenderTopic(*options_.command, number - 1, topic_);
  if (topic_ != topic) return std::nullopt;
  return number - 1;
}

std::optional<uint32_t> Fleet::DeviceOf(std::string_view topic) {
  const std::optional<uint32_t> device = FindDevice(topic);
  if (!device) ++stats_.commands_foreign;
  return device;
}

CommandOutcome Fleet::HandleCommand(uint32_t device, std::string_view payload, Time at,
                                    Time received, FleetSink& sink) {
  GEMEL_ASSERT(now_ != kNoTime && device < options_.devices);
  const Time next = NextAt();
  now_ = std::max(now_, next == kNoTime ? at : std::min(at, next));
  const Result<ReceivedCommand> command = ParseCommand(payload);
  if (!command.ok()) {
    ++stats_.commands_invalid;
    return CommandOutcome::kInvalid;
  }
  const CommandOutcome outcome = Do(device, *command, received, sink);
  Answer(device, *command, outcome, sink);
  DropStale();
  return outcome;
}

CommandOutcome Fleet::Do(uint32_t device, const ReceivedCommand& command, Time received,
                         FleetSink& sink) {
  const uint64_t hash = std::hash<std::string_view>()(command.id) | 1;
  auto& known = devices_[device].commands;
  if (std::ranges::any_of(known, [hash](uint64_t one) { return (one | 1) == hash && one != 0; })) {
    ++stats_.commands_repeated;
    return CommandOutcome::kRepeated;
  }
  ++stats_.commands;
  CommandOutcome outcome = CommandOutcome::kExpired;
  if (device >= started_) {
    outcome = CommandOutcome::kFailed;
  } else if (command.expires == kNoTime || received <= command.expires) {
    const bool is_done = Call(device, sink, [&](std::byte* state) {
      return table_.on_command(state, call_.context(), ToText(command.name),
                               command.arguments.data(), command.arguments.size());
    });
    outcome = is_done ? CommandOutcome::kDone : CommandOutcome::kFailed;
  } else {
    ++stats_.commands_expired;
  }
  const bool was_done = outcome == CommandOutcome::kDone;
  known[devices_[device].commands_count++ % known.size()] = was_done ? hash : hash ^ 1;
  return outcome;
}

void Fleet::Answer(uint32_t device, const ReceivedCommand& command, CommandOutcome outcome,
                   FleetSink& sink) {
  if (!options_.answer) return;
  std::string_view why;
  if (outcome == CommandOutcome::kExpired) why = "it came after it had expired";
  if (outcome == CommandOutcome::kFailed) why = "the device could not do it";
  if (outcome == CommandOutcome::kRepeated) {
    const uint64_t done = std::hash<std::string_view>()(command.id) | 1;
    const auto& known = devices_[device].commands;
    if (std::ranges::find(known, done) == known.end()) why = "it failed when it first came";
  }
  WriteAnswer(command.id, why, text_);
  RenderTopic(*options_.answer, device, topic_);
  ++stats_.answers;
  sink.OnMessage({FleetMessage::Kind::kAnswer, device, topic_, text_});
}

}  // namespace gemel::simulate
