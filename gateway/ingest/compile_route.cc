#include "gateway/ingest/compile_route.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "gateway/base/json_text.h"

namespace gemel::ingest {
namespace {

codec::Codec ToCodec(config::Payload payload) {
  switch (payload) {
    case config::Payload::kJson:
      return codec::Codec::kJson;
    case config::Payload::kText:
      return codec::Codec::kText;
    case config::Payload::kCbor:
      return codec::Codec::kCbor;
    case config::Payload::kMsgpack:
      break;
  }
  return codec::Codec::kMsgpack;
}

codec::TimeFormat ToTimeFormat(config::TimeFormat format) {
  switch (format) {
    case config::TimeFormat::kSeconds:
      return codec::TimeFormat::kSeconds;
    case config::TimeFormat::kMilliseconds:
      return codec::TimeFormat::kMilliseconds;
    case config::TimeFormat::kMicroseconds:
      return codec::TimeFormat::kMicroseconds;
    case config::TimeFormat::kIso:
      break;
  }
  return codec::TimeFormat::kIso;
}

// The JSON text of a configured value.
struct ToJson {
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(int64_t value) const { return std::to_string(value); }
  std::string operator()(double value) const { return fmt::format("{}", value); }
  std::string operator()(const std::string& value) const {
    std::string out;
    AppendJsonText(value, out);
    return out;
  }
};

codec::FieldMapSpec ToFieldMapSpec(const config::Route& route) {
  codec::FieldMapSpec spec;
  spec.codec = ToCodec(route.payload);
  spec.text_field = route.field;
  spec.time_format = ToTimeFormat(route.time_format);
  for (const config::FieldSource& source : route.fields) {
    codec::MappedField& field =
        spec.fields.emplace_back(codec::MappedField{source.name, source.at, source.unit, {}});
    for (const auto& [text, value] : source.values) {
      field.values.emplace_back(text, std::visit(ToJson{}, value));
    }
  }
  return spec;
}

codec::EnvelopeSpec ToEnvelopeSpec(const config::Route& route) {
  return {.codec = ToCodec(route.payload),
          .id = route.id,
          .time = route.time,
          .time_format = ToTimeFormat(route.time_format),
          .message_id = route.message_id,
          .sequence = route.sequence,
          .items = route.items};
}

// Whether the model has a field of this name that messages fill, of any timed type.
std::optional<uint16_t> TimedField(const model::Model& model, std::string_view name) {
  const auto index = model.FieldIndex(name);
  if (!index || model.fields()[*index].time_offset == GEMEL_NO_OFFSET) return std::nullopt;
  return static_cast<uint16_t>(*index);
}

std::string TimedFields(const model::Model& model) {
  std::vector<std::string_view> names = {"id"};
  for (const gemel_field& field : model.fields()) {
    if (field.time_offset != GEMEL_NO_OFFSET) names.emplace_back(field.name);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

Result<Capture> CompileCapture(const config::Route& route, const std::string& name,
                               const model::Model& model) {
  if (name == "id") return Capture{Capture::Kind::kId, 0};
  if (name == "field" && route.payload == config::Payload::kText && route.field.empty()) {
    return Capture{Capture::Kind::kFieldName, 0};
  }
  const auto field = TimedField(model, name);
  if (!field) {
    return Invalid(fmt::format(
        "topic \"{}\": {{{}}} names no field of model {} that messages fill; it has: {}",
        route.topic, name, model.name(), TimedFields(model)));
  }
  const bool is_symbol = model.fields()[*field].type == GEMEL_SYMBOL;
  return Capture{is_symbol ? Capture::Kind::kSymbol : Capture::Kind::kScalar, *field};
}

Status CheckId(const config::Route& route, const std::vector<std::string>& names) {
  const bool is_in_topic = std::ranges::find(names, "id") != names.end();
  if (is_in_topic && route.id) {
    return Invalid(fmt::format(
        "topic \"{}\" has {{id}} and \"id\" is given too; one of them is allowed", route.topic));
  }
  if (!is_in_topic && !route.id) {
    return Invalid(fmt::format(
        "topic \"{}\" has no {{id}}; add it, or \"id\" with a JSON pointer into the payload",
        route.topic));
  }
  return Status::Ok();
}

// A topic that the gateway publishes to must be one topic for each twin, known from what it keeps.
Result<route::Template> CompileCommand(const std::string& key, const std::string& text,
                                       const std::vector<std::string>& names,
                                       const model::Model& model) {
  Result<route::Template> parsed = route::Template::Parse(text);
  if (!parsed.ok()) return Invalid(fmt::format("{}: {}", key, parsed.status().message()));
  route::Template topic = *std::move(parsed);
  for (const route::Template::Level& level : topic.levels()) {
    using Kind = route::Template::Level::Kind;
    if (level.kind == Kind::kAny || level.kind == Kind::kRest) {
      return Invalid(fmt::format(
          "{} \"{}\": + and # are not allowed in a topic that is published to", key, text));
    }
    if (level.kind != Kind::kCapture || level.name == "id") continue;
    const auto field = TimedField(model, level.name);
    const bool is_text = field && (model.fields()[*field].type == GEMEL_SYMBOL ||
                                   model.fields()[*field].type == GEMEL_TEXT);
    if (!is_text || model.fields()[*field].source != GEMEL_FROM_TOPIC) {
      return Invalid(fmt::format(
          "{} \"{}\": {{{}}} must be id or a symbol or text of model {} that topics fill", key,
          text, level.name, model.name()));
    }
    if (std::ranges::find(names, level.name) == names.end()) {
      return Invalid(
          fmt::format("{} \"{}\": {{{}}} must stand in the route's topic, which fills it", key,
                      text, level.name));
    }
  }
  return topic;
}

Result<codec::FieldMap> CompileFields(const config::Route& route, const model::Model& model) {
  Result<codec::FieldMap> fields = codec::FieldMap::Compile(model.fields(), ToFieldMapSpec(route));
  if (fields.ok()) return fields;
  const char* key = route.fields.empty() ? "field" : "fields";
  return Invalid(fmt::format("{}: {}", key, fields.status().message()));
}

bool NeedsEnvelope(const config::Route& route, const codec::FieldMap& fields) {
  return route.id || route.time || route.message_id || route.sequence || route.items ||
         fields.has_symbols();
}

Status Named(const config::Route& route, const Status& status) {
  return {status.code(), fmt::format("route {}: {}", route.name, status.message())};
}

std::optional<twin::FeedWatch> FeedWatchOf(const config::Route& route) {
  if (!route.feed_watch) return std::nullopt;
  const config::FeedWatch& watch = *route.feed_watch;
  const Duration offline_after = route.offline_after.value_or(Duration::zero());
  return twin::FeedWatch{
      .share = watch.share,
      .within = watch.within == Duration::zero() ? offline_after / 2 : Duration(watch.within),
      .members_min = watch.members_min,
      .offline_after = offline_after};
}

Result<CompiledRoute> CompileUnnamed(const config::Route& route, uint16_t model_index,
                                     const model::Model& model) {
  GEMEL_TRY_LET(route::Template topic, route::Template::Parse(route.topic));
  GEMEL_TRY(CheckId(route, topic.names()));
  Plan plan;
  plan.codec = ToCodec(route.payload);
  plan.has_payload_id = route.id.has_value();
  plan.has_items = route.items.has_value();
  bool has_field_in_topic = false;
  for (const std::string& name : topic.names()) {
    GEMEL_TRY_LET(const Capture capture, CompileCapture(route, name, model));
    has_field_in_topic = has_field_in_topic || capture.kind == Capture::Kind::kFieldName;
    plan.captures.push_back(capture);
  }
  GEMEL_TRY_LET(codec::FieldMap fields, CompileFields(route, model));
  if (NeedsEnvelope(route, fields)) {
    GEMEL_TRY_LET(plan.envelope, codec::Envelope::Compile(ToEnvelopeSpec(route), fields));
  }
  std::optional<route::Template> command;
  if (!route.command.empty()) {
    GEMEL_TRY_LET(command, CompileCommand("command", route.command, topic.names(), model));
  }
  std::optional<route::Template> command_ack;
  if (!route.command_ack.empty()) {
    GEMEL_TRY_LET(command_ack,
                  CompileCommand("command_ack", route.command_ack, topic.names(), model));
    const std::vector<std::string> names = command_ack->names();
    if (std::ranges::find(names, "id") == names.end()) {
      return Invalid(fmt::format("command_ack \"{}\" has no {{id}}, which says who answers",
                                 route.command_ack));
    }
  }
  return CompiledRoute{
      .route = {.name = route.name,
                .model = model_index,
                .telemetry = std::move(topic),
                .fields = std::move(fields),
                .has_field_in_topic = has_field_in_topic,
                .late = route.late == config::Late::kDrop ? twin::LatePolicy::kDrop
                                                          : twin::LatePolicy::kNewestWins,
                .command = std::move(command),
                .is_answered = command_ack.has_value(),
                .command_retry = route.command_retry.value_or(Duration::zero()),
                .command_timeout = route.command_timeout,
                .offline_after = route.offline_after.value_or(Duration::zero()),
                .feed_watch = FeedWatchOf(route),
                .repeat_window = route.message_id || route.sequence ? route.repeat_window : 0},
      .plan = std::move(plan),
      .command_ack = std::move(command_ack)};
}

}  // namespace

Result<CompiledRoute> CompileRoute(const config::Route& route, uint16_t model_index,
                                   const model::Model& model) {
  Result<CompiledRoute> compiled = CompileUnnamed(route, model_index, model);
  if (!compiled.ok()) return Named(route, compiled.status());
  return compiled;
}

}  // namespace gemel::ingest
