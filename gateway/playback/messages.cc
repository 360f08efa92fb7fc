#include "gateway/playback/messages.h"

#include <algorithm>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "gateway/base/time_text.h"
#include "gateway/codec/pointer.h"
#include "gateway/route/id.h"
#include "gateway/store/recovery.h"
#include "gateway/twin/telemetry_topic.h"

namespace gemel::playback {
namespace {

using nlohmann::ordered_json;

// Stands where the template leaves levels open.
constexpr std::string_view kOpenLevel = "-";

// Puts a value where a route's pointer looks for it in the whole message. Numbers in a pointer are
// members' names here, which is one of the two ways to read them; as places in an array they would
// need all that stood before. Throws ordered_json::exception if a value stands in the way.
void Put(std::string_view pointer, ordered_json value, ordered_json& document) {
  const Result<codec::Pointer> parsed = codec::ParsePointer(pointer);
  if (!parsed.ok()) return;  // the configuration has been checked
  ordered_json* at = &document;
  for (const std::string& token : parsed->tokens) at = &(*at)[token];
  *at = std::move(value);
}

void PutItems(const config::Route& route, ordered_json items, ordered_json& document) {
  Put(*route.items == "." ? "" : *route.items, std::move(items), document);
}

bool IsOfWholeMessage(std::string_view pointer) { return pointer.starts_with('^'); }

ordered_json TimeValue(Time time, config::TimeFormat format) {
  const int64_t us = time.time_since_epoch().count();
  switch (format) {
    case config::TimeFormat::kSeconds:
      return static_cast<double>(us) / 1e6;
    case config::TimeFormat::kMilliseconds:
      return static_cast<double>(us) / 1e3;
    case config::TimeFormat::kMicroseconds:
      return us;
    case config::TimeFormat::kIso:
      return FormatIsoTime(us);
  }
  return nullptr;
}

// What a payload says for this text of a field.
std::string SentFor(std::string_view text, const config::FieldSource& source) {
  for (const auto& [sent, value] : source.values) {
    const auto* const meant = std::get_if<std::string>(&value);
    if (meant != nullptr && *meant == text) return sent;
  }
  return std::string(text);
}

std::string Encoded(const ordered_json& document, config::Payload payload) {
  if (payload != config::Payload::kCbor && payload != config::Payload::kMsgpack)
    return document.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  const std::vector<uint8_t> bytes = payload == config::Payload::kCbor
                                         ? ordered_json::to_cbor(document)
                                         : ordered_json::to_msgpack(document);
  return {bytes.begin(), bytes.end()};
}

}  // namespace

Result<MessageReader> MessageReader::Open(const std::filesystem::path& journal,
                                          std::optional<Lsn> after, const Routes& routes) {
  auto catalog = std::make_unique<journal::Catalog>(store::CatalogOf(routes.world));
  GEMEL_TRY_LET(journal::RecordStream stream,
                journal::RecordStream::Open(journal, after, *catalog, *routes.world.symbols));
  return MessageReader(std::move(catalog), std::move(stream), after.value_or(kNoLsn), routes);
}

Result<std::optional<RecordedMessage>> MessageReader::Next() {
  while (true) {
    GEMEL_TRY_LET(const auto next, stream_.Next());
    if (!next) return TakeDraft();
    if (next->kind() != journal::RecordKind::kTelemetry || next->lsn() <= after_) continue;
    GEMEL_TRY_LET(const auto bytes, stream_.Translate());
    const journal::RecordView record(bytes);
    std::optional<RecordedMessage> done;
    if (stream_.frame() != frame_) {
      done = TakeDraft();
      frame_ = stream_.frame();
      Begin(record);
    }
    if (draft_ && routes_.config.routes[draft_->route].items)
      draft_->items.push_back(ordered_json::parse(record.payload(), nullptr, false));
    if (done) return done;
  }
}

void MessageReader::Begin(const journal::RecordView& record) {
  Draft draft{.route = record.route(),
              .message = {.at = record.event_time(),
                          .received = record.record_time(),
                          .topic = {},
                          .payload = std::string(record.payload())},
              .document = {}};
  route::Match match;
  std::string& topic = draft.message.topic;
  const twin::OpenLevels open{.any = kOpenLevel, .rest = kOpenLevel};
  bool is_right = twin::WriteTelemetryTopic(record, routes_.world, open, topic) &&
                  routes_.router.Find(topic, match) && match.route == record.route();
  try {
    if (routes_.config.routes[draft.route].items) PutEnvelope(record, draft.document);
  } catch (const ordered_json::exception&) {
    is_right = false;
  }
  if (is_right) {
    draft_ = std::move(draft);
  } else {
    ++left_out_;
  }
}

// What the route reads of the whole message, beside its items.
void MessageReader::PutEnvelope(const journal::RecordView& record, ordered_json& document) const {
  const config::Route& route = routes_.config.routes[record.route()];
  const auto outer = ordered_json::parse(record.outer(), nullptr, false);
  if (outer.is_object()) {
    for (const auto& [pointer, value] : outer.items()) Put(pointer, value, document);
  }
  PutSymbols(record, document);
  const auto put = [&](const std::optional<std::string>& at, ordered_json value) {
    if (at && IsOfWholeMessage(*at)) Put(*at, std::move(value), document);
  };
  put(route.id, route::DecodeId(record.id()));
  put(route.time, TimeValue(record.event_time(), route.time_format));
  if (record.repeat() != journal::RepeatKey::kNone) {
    // Of what the device sent the record has a hash.
    put(route.message_id, fmt::format("{:016x}", record.repeat_key()));
    put(route.sequence, static_cast<int64_t>(record.repeat_key() >> 1));
  }
  // Now, so that what stands in their way is found before the first one.
  PutItems(route, ordered_json::array(), document);
}

void MessageReader::PutSymbols(const journal::RecordView& record, ordered_json& document) const {
  const config::Route& route = routes_.config.routes[record.route()];
  const model::Model& model = *routes_.world.models[record.model()].model;
  for (const config::FieldSource& source : route.fields) {
    const auto field = model.FieldIndex(source.name);
    if (!field || !IsOfWholeMessage(source.at)) continue;
    for (const journal::RecordSymbol& symbol : record.symbols()) {
      if (symbol.field != *field || symbol.is_refused != 0) continue;
      const std::string_view text = routes_.world.symbols->TextOf(Symbol{symbol.number});
      Put(source.at, SentFor(text, source), document);
    }
  }
}

std::optional<RecordedMessage> MessageReader::TakeDraft() {
  if (!draft_) return std::nullopt;
  Draft draft = *std::exchange(draft_, std::nullopt);
  const config::Route& route = routes_.config.routes[draft.route];
  if (route.items) {
    PutItems(route, std::move(draft.items), draft.document);
    draft.message.payload = Encoded(draft.document, route.payload);
  }
  return std::move(draft.message);
}

}  // namespace gemel::playback
