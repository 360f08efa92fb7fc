#include <cstddef>
#include <string>
#include <vector>

#include "gateway/base/assert.h"
#include "gateway/model/model.h"
#include "gateway/script/script.h"
#include "gateway/sdk/arguments.hpp"
#include "tests/fuzz/entry.h"

namespace gemel::fuzz {
namespace {

// A host that takes everything and remembers only why a call failed.
struct Host {
  gemel_context context{};
  std::string failure;
};

gemel_host MakeHost() {
  gemel_host host{};
  host.struct_size = sizeof host;
  host.abi_version = GEMEL_ABI_VERSION;
  host.random = [](gemel_context*) { return uint64_t{7}; };
  host.symbol_text = [](gemel_context*, uint32_t) { return ToText("symbol"); };
  host.reply = [](gemel_context*, gemel_text, const gemel_argument*, size_t, int64_t) { return 0; };
  host.raise = [](gemel_context*, uint32_t, gemel_text, gemel_text, const gemel_argument*, size_t) {
    return 0;
  };
  host.clear = [](gemel_context*, gemel_text) { return 0; };
  host.is_active = [](gemel_context*, gemel_text) { return 0; };
  host.log = [](gemel_context*, uint32_t, gemel_text) {};
  host.fail = [](gemel_context* context, gemel_text why) {
    reinterpret_cast<Host*>(context)->failure = ToView(why);
  };
  host.set_timer = [](gemel_context*, gemel_text, int64_t, int64_t) { return 0; };
  host.cancel_timer = [](gemel_context*, gemel_text) { return 0; };
  host.has_timer = [](gemel_context*, gemel_text) { return 0; };
  host.send = [](gemel_context*, gemel_text, gemel_text, gemel_text, const gemel_argument*,
                 size_t) { return 0; };
  host.remove = [](gemel_context*, gemel_text, gemel_text) { return 0; };
  return host;
}

// What becomes of a few messages: states and failures. Nothing if it is no model.
std::string Outcome(const std::string& source) {
  static const gemel_host kHost = MakeHost();
  auto parsed =
      script::ParseScript("fuzz.lua", source, {.instructions = 20'000, .memory = size_t{2} << 20});
  if (!parsed.ok()) return parsed.status().message();
  auto made = model::Model::Create(std::move(*parsed), {.name = "fuzz"});
  if (!made.ok()) return made.status().message();
  const model::Model& model = **made;
  std::vector<std::byte> state(model.state_size());
  model.Construct(state.data());
  std::string outcome;
  for (int i = 0; i < 3; ++i) {
    Host host;
    host.context = {&kHost, 1'700'000'000'000'000 + i, ToText("f1")};
    std::vector<gemel_value> values(model.fields().size(), ToValue(kNoNumber));
    for (size_t field = 0; field < values.size(); ++field) {
      if (model.fields()[field].type == GEMEL_DOUBLE) values[field] = ToValue(i * 1.5);
    }
    const gemel_message message{.struct_size = sizeof message,
                                .time_us = host.context.now_us,
                                .route = ToText("r"),
                                .values = values.data(),
                                .values_count = static_cast<uint32_t>(values.size())};
    std::vector<std::byte> undo = state;
    if (!model.OnTelemetry(state.data(), message, host.context, host.failure)) state = undo;
    outcome.append(reinterpret_cast<const char*>(state.data()), state.size());
    outcome += host.failure;
  }
  return outcome;
}

}  // namespace

// A script does the same every time, whatever it is; what a lack of memory cuts short may not.
int Script(const uint8_t* data, size_t size) {
  const std::string source(reinterpret_cast<const char*>(data), size);
  const std::string first = Outcome(source);
  const std::string second = Outcome(source);
  const bool is_cut = (first + second).find("memory") != std::string::npos;
  GEMEL_ASSERT(is_cut || first == second);
  return 0;
}

}  // namespace gemel::fuzz

GEMEL_FUZZ_ENTRY(gemel::fuzz::Script)
