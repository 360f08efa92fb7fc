#include "gateway/simulate/replay_map.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gateway/base/quantity.h"
#include "gateway/base/quote.h"
#include "gateway/codec/lines.h"
#include "gateway/codec/pointer.h"
#include "gateway/config/document.h"
#include "gateway/config/origin.h"
#include "gateway/config/words.h"

namespace gemel::simulate {
namespace {

using nlohmann::json;

constexpr size_t kMapBytesMax = 1'024 * 1'024;

const std::vector<std::string> kKeys = {"topic", "qos",     "time",      "time_format", "time_step",
                                        "keep",  "strings", "separator", "columns"};

struct NamedFormat {
  std::string_view name;
  codec::TimeFormat format;
};
constexpr NamedFormat kTimeFormats[] = {{"s", codec::TimeFormat::kSeconds},
                                        {"ms", codec::TimeFormat::kMilliseconds},
                                        {"us", codec::TimeFormat::kMicroseconds},
                                        {"iso", codec::TimeFormat::kIso}};

Result<Pointer> ParsePointer(std::string_view text) {
  GEMEL_TRY_LET(codec::Pointer parsed, codec::ParsePointer(text));
  if (parsed.is_outer)
    return Invalid(fmt::format("JSON pointer {}: \"^\" is for routes", Quote(text)));
  return Pointer{.text = std::string(text), .tokens = std::move(parsed.tokens)};
}

class Reader {
 public:
  Reader(const json& document, const config::Origin& origin)
      : document_(document), origin_(origin) {}

  Result<ReplayMap> Read() {
    if (!document_.is_object()) return origin_.Wrong("", "a replay map is a JSON object");
    ReplayMap map;
    map.file_name = origin_.file_name();
    GEMEL_TRY(CheckKeys());
    GEMEL_TRY(ReadTopic(map));
    GEMEL_TRY(ReadQos(map));
    GEMEL_TRY(ReadTime(map));
    GEMEL_TRY(ReadTimeStep(map));
    GEMEL_TRY_LET(const std::vector<std::string> keep, Texts("keep"));
    for (const std::string& text : keep) {
      auto pointer = ParsePointer(text);
      if (!pointer.ok()) return origin_.Wrong("keep", pointer.status().message());
      map.keep.push_back(std::move(*pointer));
    }
    GEMEL_TRY(ReadCsv(map));
    return map;
  }

 private:
  Status CheckKeys() const {
    for (const auto& [key, value] : document_.items()) {
      if (std::ranges::find(kKeys, key) != kKeys.end()) continue;
      return origin_.Wrong(config::ShownKey(key),
                           fmt::format("no such key; allowed: {}{}", fmt::join(kKeys, ", "),
                                       config::Suggestion(key, kKeys)));
    }
    return Status::Ok();
  }

  Result<std::optional<std::string>> Text(const char* key) const {
    const auto found = document_.find(key);
    if (found == document_.end()) return std::optional<std::string>{};
    if (!found->is_string())
      return origin_.Wrong(key, fmt::format("must be a string, not {}", Quote(found->dump())));
    return std::optional(found->get<std::string>());
  }

  Result<std::vector<std::string>> Texts(const char* key) const {
    const auto found = document_.find(key);
    if (found == document_.end()) return std::vector<std::string>{};
    const bool is_right = found->is_array() && !found->empty() &&
                          std::ranges::all_of(*found, [](const json& e) { return e.is_string(); });
    if (is_right) return found->get<std::vector<std::string>>();
    return origin_.Wrong(
        key, fmt::format("must be an array of at least one string, not {}", Quote(found->dump())));
  }

  Status ReadTopic(ReplayMap& map) const {
    GEMEL_TRY_LET(const std::optional<std::string> text, Text("topic"));
    if (!text || text->empty())
      return origin_.Wrong("topic", "is missing: a topic such as \"bus/{/vehicle_id}\"");
    std::string_view rest = *text;
    while (!rest.empty()) {
      const size_t open = rest.find('{');
      ReplayMap::TopicPart part{.literal = std::string(rest.substr(0, open))};
      rest.remove_prefix(std::min(open, rest.size()));
      if (part.literal.find_first_of(std::string_view("+#}\0", 4)) != std::string::npos) {
        return origin_.Wrong(
            "topic", fmt::format("{} has +, #, NUL or }} outside of {{/pointer}}", Quote(*text)));
      }
      if (!rest.empty()) {
        const size_t close = rest.find('}');
        if (close == std::string_view::npos)
          return origin_.Wrong("topic", fmt::format("{} has a {{ without }}", Quote(*text)));
        auto pointer = ParsePointer(rest.substr(1, close - 1));
        if (!pointer.ok()) return origin_.Wrong("topic", pointer.status().message());
        part.value = std::move(*pointer);
        rest.remove_prefix(close + 1);
      }
      map.topic.push_back(std::move(part));
    }
    return Status::Ok();
  }

  Status ReadQos(ReplayMap& map) const {
    const auto found = document_.find("qos");
    if (found == document_.end()) return Status::Ok();
    if (!found->is_number_integer() || *found < 0 || *found > 2)
      return origin_.Wrong("qos", fmt::format("must be 0, 1 or 2, not {}", Quote(found->dump())));
    map.qos = found->get<int>();
    return Status::Ok();
  }

  Status ReadTime(ReplayMap& map) const {
    GEMEL_TRY_LET(const std::optional<std::string> time, Text("time"));
    if (time) {
      auto pointer = ParsePointer(*time);
      if (!pointer.ok()) return origin_.Wrong("time", pointer.status().message());
      map.time = std::move(*pointer);
    }
    GEMEL_TRY_LET(const std::optional<std::string> format, Text("time_format"));
    if (!format) return Status::Ok();
    if (!time) return origin_.Wrong("time_format", "needs \"time\"");
    const auto named = std::ranges::find(kTimeFormats, *format, &NamedFormat::name);
    if (named == std::end(kTimeFormats)) {
      return origin_.Wrong("time_format",
                           fmt::format("must be s, ms, us or iso, not {}", Quote(*format)));
    }
    map.time_format = named->format;
    return Status::Ok();
  }

  Status ReadTimeStep(ReplayMap& map) const {
    GEMEL_TRY_LET(const std::optional<std::string> step, Text("time_step"));
    if (!step) return Status::Ok();
    if (document_.contains("time_format"))
      return origin_.Wrong("time_step", "excludes \"time_format\": either counts the time");
    const auto duration = ParseDuration(*step);
    if (!duration.ok()) return origin_.Wrong("time_step", duration.status().message());
    if (*duration <= Duration::zero()) return origin_.Wrong("time_step", "must be above 0");
    map.time_step = *duration;
    return Status::Ok();
  }

  Status ReadCsv(ReplayMap& map) const {
    GEMEL_TRY_LET(const std::optional<std::string> separator, Text("separator"));
    if (separator) {
      const bool is_right = separator->size() == 1 && (separator->front() & 0x80) == 0 &&
                            separator->find_first_of(std::string_view("\"\r\n\0", 4)) != 0;
      if (!is_right) {
        return origin_.Wrong("separator",
                             fmt::format("must be one ASCII character other than a quote "
                                         "and a line end, not {}",
                                         Quote(*separator)));
      }
      map.separator = separator->front();
    }
    GEMEL_TRY_LET(map.columns, Texts("columns"));
    GEMEL_TRY_LET(const std::vector<std::string> strings, Texts("strings"));
    for (const std::string& name : strings) {
      if (!name.starts_with('/')) {
        map.strings.push_back(name);
        continue;
      }
      const auto pointer = ParsePointer(name);
      if (!pointer.ok()) return origin_.Wrong("strings", pointer.status().message());
      map.strings.push_back(pointer->tokens.front());
    }
    return Status::Ok();
  }

  const json& document_;
  const config::Origin& origin_;
};

}  // namespace

Result<ReplayMap> LoadReplayMap(const std::filesystem::path& path) {
  GEMEL_TRY_LET(codec::ByteWindow bytes, codec::ByteWindow::Open(path));
  for (;;) {
    GEMEL_TRY_LET(const bool has_more, bytes.Grow());
    if (!has_more) break;
    if (bytes.view().size() > kMapBytesMax)
      return Invalid(fmt::format("{}: more than {} bytes", path.string(), kMapBytesMax));
  }
  return ParseReplayMap(bytes.view(), path.string());
}

Result<ReplayMap> ParseReplayMap(std::string_view text, std::string_view file_name) {
  const config::Origin origin(file_name);
  GEMEL_TRY_LET(const json document, config::ParseDocument(text, origin));
  return Reader(document, origin).Read();
}

}  // namespace gemel::simulate
