#include "gateway/twin/telemetry_topic.h"

#include <optional>
#include <span>

namespace gemel::twin {
namespace {

// What a named segment of the topic had; nothing if it is not known.
std::optional<std::string_view> SegmentNamed(std::string_view name,
                                             const journal::RecordView& record,
                                             const World& world) {
  if (name == "id") return record.id();
  const std::span<const gemel_field> fields = world.models[record.model()].model->fields();
  // {field} names the one field that the payload fills.
  const bool is_field = name == "field" && world.routes[record.route()].has_field_in_topic;
  std::optional<std::string_view> found;
  const auto look = [&](uint16_t field, std::string_view text) {
    if (field >= fields.size()) return;
    if (is_field && fields[field].source == GEMEL_FROM_TELEMETRY) found = fields[field].name;
    if (!is_field && fields[field].name == name) found = text;
  };
  for (const journal::RecordSymbol& symbol : record.symbols()) {
    if (symbol.is_refused == 0)
      look(symbol.field, world.symbols->TextOf(Symbol{symbol.number}));
    else if (is_field)
      look(symbol.field, {});
  }
  record.ForEachCapture(look);
  return found;
}

}  // namespace

bool WriteTelemetryTopic(const journal::RecordView& record, const World& world, OpenLevels open,
                         std::string& topic) {
  topic.clear();
  bool is_whole = true;
  const auto append = [&](std::string_view name, std::string& out) {
    const auto segment = SegmentNamed(name, record, world);
    if (segment) out += *segment;
    is_whole &= segment.has_value();
  };
  route::Render(world.routes[record.route()].telemetry, topic, append, open.any, open.rest);
  return is_whole;
}

}  // namespace gemel::twin
