#include "gateway/playback/messages.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "gateway/base/time_text.h"
#include "gateway/codec/pointer.h"
#include "gateway/store/recovery.h"

namespace gemel::playback {
namespace {

using nlohmann::ordered_json;

// Stands where the template leaves a level open.
constexpr const char* kAnyLevel = "-";

ordered_json::json_pointer PointerOf(const std::string& text) {
  // "." is the whole message, as "" is.
  return ordered_json::json_pointer(text == "." ? "" : text);
}

// An id from a payload was percent-encoded to become a key.
std::string Decoded(std::string_view id) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  std::string raw;
  for (size_t i = 0; i < id.size(); ++i) {
    const bool is_encoded =
        id[i] == '%' && i + 2 < id.size() && digit(id[i + 1]) >= 0 && digit(id[i + 2]) >= 0;
    raw += is_encoded ? static_cast<char>(digit(id[i + 1]) * 16 + digit(id[i + 2])) : id[i];
    if (is_encoded) i += 2;
  }
  return raw;
}

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
    const bool goes_on = draft_ && !draft_->is_whole && record.route() == draft_->route &&
                         record.item() > draft_->item;
    if (goes_on) {
      AddItem(record);
      continue;
    }
    std::optional<RecordedMessage> done = TakeDraft();
    Begin(record);
    if (done) return done;
  }
}

void MessageReader::Begin(const journal::RecordView& record) {
  RecordedMessage message{.at = record.event_time(), .received = record.record_time()};
  if (!MakeTopic(record, message.topic)) {
    ++left_out_;
    return;
  }
  draft_.emplace(
      Draft{.route = record.route(), .item = record.item(), .message = std::move(message)});
  draft_->is_whole = !routes_.plans[record.route()].has_items;
  if (draft_->is_whole) {
    draft_->message.payload = record.payload();
    return;
  }
  try {
    PutEnvelope(record);
    AddItem(record);
  } catch (const ordered_json::exception&) {
    // Pointers that lead through each other's values, of a configuration that was given instead.
    draft_.reset();
    ++left_out_;
  }
}

bool MessageReader::MakeTopic(const journal::RecordView& record, std::string& topic) const {
  const ingest::Plan& plan = routes_.plans[record.route()];
  size_t capture = 0;
  using Kind = route::Template::Level::Kind;
  for (const route::Template::Level& level :
       routes_.world.routes[record.route()].telemetry.levels()) {
    if (level.kind == Kind::kRest) break;
    if (!topic.empty()) topic += '/';
    topic += level.kind == Kind::kAny ? kAnyLevel : level.prefix;
    if (level.kind == Kind::kCapture) {
      const auto text = CaptureOf(record, plan, plan.captures[capture++]);
      if (!text) return false;
      topic += *text;
    }
    topic += level.suffix;
  }
  route::Match match;
  return routes_.router.Find(topic, match) && match.route == record.route();
}

std::optional<std::string> MessageReader::CaptureOf(const journal::RecordView& record,
                                                    const ingest::Plan& plan,
                                                    const ingest::Capture& capture) const {
  using Kind = ingest::Capture::Kind;
  std::optional<std::string> found;
  switch (capture.kind) {
    case Kind::kId:
      return std::string(record.id());
    case Kind::kSymbol:
      for (const journal::RecordSymbol& symbol : record.symbols()) {
        if (symbol.field == capture.field && symbol.is_refused == 0)
          return std::string(routes_.world.symbols->TextOf(Symbol{symbol.number}));
      }
      break;
    case Kind::kScalar:
      record.ForEachCapture([&](uint16_t field, std::string_view text) {
        if (field == capture.field) found = text;
      });
      break;
    case Kind::kFieldName: {
      // The one field that no other segment fills.
      const auto fields = routes_.world.models[record.model()].model->fields();
      const auto take = [&](uint16_t field) {
        const bool is_other = std::ranges::any_of(plan.captures, [&](const ingest::Capture& other) {
          return (other.kind == Kind::kSymbol || other.kind == Kind::kScalar) &&
                 other.field == field;
        });
        if (!is_other && field < fields.size()) found = fields[field].name;
      };
      for (const journal::RecordSymbol& symbol : record.symbols()) take(symbol.field);
      record.ForEachCapture([&](uint16_t field, std::string_view) { take(field); });
      break;
    }
  }
  return found;
}

// What the route reads of the whole message, beside its items.
void MessageReader::PutEnvelope(const journal::RecordView& record) {
  const config::Route& route = routes_.config.routes[record.route()];
  ordered_json& document = draft_->document;
  if (PointerOf(*route.items).empty()) return;  // the message is the array
  document = ordered_json::object();
  const auto put = [&](const std::optional<std::string>& at, ordered_json value) {
    if (at && at->starts_with('^'))
      document[ordered_json::json_pointer(at->substr(1))] = std::move(value);
  };
  const auto outer = ordered_json::parse(record.outer(), nullptr, false);
  if (outer.is_object()) {
    for (const auto& [pointer, value] : outer.items())
      document[ordered_json::json_pointer(pointer)] = value;
  }
  put(route.id, Decoded(record.id()));
  put(route.time, TimeValue(record.event_time(), route.time_format));
  put(route.message_id, fmt::format("{:016x}", record.repeat_key()));
  put(route.sequence, static_cast<int64_t>(record.repeat_key() >> 1));
}

void MessageReader::AddItem(const journal::RecordView& record) {
  draft_->item = record.item();
  const config::Route& route = routes_.config.routes[record.route()];
  draft_->document[PointerOf(*route.items)].push_back(
      ordered_json::parse(record.payload(), nullptr, false));
}

std::optional<RecordedMessage> MessageReader::TakeDraft() {
  if (!draft_) return std::nullopt;
  const Draft draft = *std::exchange(draft_, std::nullopt);
  RecordedMessage message = draft.message;
  if (!draft.is_whole)
    message.payload = Encoded(draft.document, routes_.config.routes[draft.route].payload);
  return message;
}

}  // namespace gemel::playback
