#include "gateway/twin/command.h"

#include <algorithm>
#include <chrono>
#include <iterator>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gateway/base/json_text.h"
#include "gateway/base/limits.h"
#include "gateway/base/quantity.h"
#include "gateway/base/quote.h"
#include "gateway/base/utf8.h"
#include "gateway/twin/call.h"

namespace gemel::twin {
namespace {

using nlohmann::json;

constexpr std::string_view kStatusNames[] = {"sent", "successful", "failed", "expired", "timeout"};
static_assert(std::size(kStatusNames) == kCommandStatuses);

int64_t Milliseconds(Time time) {
  return std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

// The value of a text; discarded if it is none, or nested so deeply that whoever copies or writes
// it would run out of stack.
json Parse(std::string_view text) {
  bool is_too_deep = false;
  json value = json::parse(
      text,
      [&is_too_deep](int depth, json::parse_event_t, json&) {
        is_too_deep = is_too_deep || depth > static_cast<int>(kPayloadDepthMax);
        return !is_too_deep;
      },
      false);
  return is_too_deep ? json(json::value_t::discarded) : value;
}

}  // namespace

std::string_view CommandStatusName(CommandStatus status) {
  return kStatusNames[static_cast<size_t>(status)];
}

std::optional<CommandStatus> CommandStatusNamed(std::string_view name) {
  const auto* const found = std::ranges::find(kStatusNames, name);
  if (found == std::end(kStatusNames)) return std::nullopt;
  return static_cast<CommandStatus>(found - std::begin(kStatusNames));
}

Result<CommandReply> ReadCommandReply(std::string_view text) {
  const json object = Parse(text);
  if (!object.is_object()) {
    return Invalid(fmt::format(
        R"(no JSON object of at most {} levels, like {{"id":"c-1a2b-0","status":"successful"}})",
        kPayloadDepthMax));
  }
  const auto id = object.find("id");
  if (id == object.end() || !id->is_string()) return Invalid("id: no text");
  const auto command = ParseEffectId('c', id->get_ref<const std::string&>());
  if (!command) {
    return Invalid(fmt::format("id: {} is no command's id, like c-1a2b-0",
                               Quote(id->get_ref<const std::string&>())));
  }
  const auto status = object.find("status");
  if (status == object.end() || !status->is_string())
    return Invalid("status: no text; successful or failed");
  if (*status != "successful" && *status != "failed") {
    return Invalid(fmt::format("status: {} is neither successful nor failed",
                               Quote(status->get_ref<const std::string&>())));
  }
  CommandReply reply{.command = *command, .is_successful = *status == "successful", .reason = {}};
  if (const auto reason = object.find("reason"); reason != object.end()) {
    if (!reason->is_string()) return Invalid("reason: no text");
    reply.reason = CutUtf8(reason->get_ref<const std::string&>(), kCommandReasonBytesMax);
  }
  return reply;
}

std::string EncodeCommandReply(const CommandReply& reply) {
  std::string payload =
      fmt::format(R"({{"id":"{}","status":"{}","reason":)", FormatEffectId('c', reply.command),
                  reply.is_successful ? "successful" : "failed");
  AppendJsonText(reply.reason, payload);
  payload += '}';
  return payload;
}

Result<Order> ReadOrder(std::string_view text) {
  const json object = Parse(text);
  if (!object.is_object()) {
    return Invalid(
        fmt::format(R"(no JSON object of at most {} levels, like {{"name":"rest","args":{{}}}})",
                    kPayloadDepthMax));
  }
  Order order{.name = {}, .arguments = "{}"};
  for (const auto& item : object.items()) {
    const json& value = item.value();
    if (item.key() == "name") {
      if (!value.is_string()) return Invalid("name: no text");
      order.name = value.get<std::string>();
    } else if (item.key() == "args") {
      if (!value.is_object()) return Invalid("args: no JSON object");
      order.arguments = value.dump(-1, ' ', false, json::error_handler_t::replace);
    } else if (item.key() == "expires") {
      if (!value.is_string()) return Invalid(R"(expires: no duration, like "10m")");
      const auto lifetime = ParseDuration(value.get_ref<const std::string&>());
      if (!lifetime.ok()) return Invalid("expires: " + lifetime.status().message());
      if (*lifetime <= Duration::zero() || *lifetime > Duration(kTimerMax))
        return Invalid(fmt::format("expires: {} is not above 0 or too far ahead",
                                   Quote(value.get_ref<const std::string&>())));
      order.lifetime = *lifetime;
    } else {
      return Invalid(
          fmt::format("{}: no such member; name, args and expires are", Quote(item.key())));
    }
  }
  if (!IsCode(order.name)) {
    return Invalid(fmt::format("name: {} must match [a-z0-9_]+ and have 1 to {} characters",
                               Quote(order.name), kFieldNameBytesMax));
  }
  if (order.arguments.size() > kCommandBytesMax)
    return Invalid(
        fmt::format("args: {} bytes; at most {}", order.arguments.size(), kCommandBytesMax));
  return order;
}

std::string EncodeOrder(const Order& order) {
  std::string payload = R"({"name":)";
  AppendJsonText(order.name, payload);
  payload += ",\"args\":" + order.arguments;
  if (order.lifetime > Duration::zero())
    payload += fmt::format(R"(,"expires":"{}us")", order.lifetime.count());
  payload += '}';
  return payload;
}

void WriteCommandChange(const Command& command, const CommandChange& change, std::string& out) {
  out = fmt::format(R"({{"id":"{}","status":"{}","model":)", FormatEffectId('c', command.id),
                    CommandStatusName(change.status));
  AppendJsonText(change.model, out);
  out += ",\"twin\":";
  AppendJsonText(change.twin, out);
  out += ",\"name\":";
  AppendJsonText(command.name, out);
  const auto end = std::back_inserter(out);
  fmt::format_to(end, ",\"time_ms\":{},\"decided_ms\":{},\"sent\":{}", Milliseconds(change.time),
                 Milliseconds(command.decided), command.sent);
  if (command.expires != kNoTime)
    fmt::format_to(end, ",\"expires_ms\":{}", Milliseconds(command.expires));
  if (!change.reason.empty()) {
    out += ",\"reason\":";
    AppendJsonText(change.reason, out);
  }
  out += ",\"args\":";
  out += command.arguments.empty() ? "{}" : command.arguments;
  out += '}';
}

}  // namespace gemel::twin
