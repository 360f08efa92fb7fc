#include "gateway/playback/diff.h"

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <map>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gateway/base/hex_text.h"
#include "gateway/base/quote.h"
#include "gateway/base/time_text.h"
#include "gateway/codec/lines.h"
#include "gateway/playback/run_files.h"

namespace gemel::playback {
namespace {

using nlohmann::json;

// What of a differing value an example shows.
constexpr size_t kShownBytesMax = 200;

std::string Shown(std::string_view text) {
  if (text.size() <= kShownBytesMax) return std::string(text);
  return std::string(text.substr(0, kShownBytesMax)) + "…";
}

bool HasTexts(const json& object, std::initializer_list<const char*> names) {
  return std::ranges::all_of(names, [&](const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string();
  });
}

bool IsTwin(const json& line) {
  return line.is_object() && HasTexts(line, {"model", "id"}) &&
         line.value("state", json()).is_object() && line.value("at_us", json()).is_object() &&
         line.value("seen_us", json()).is_object() && line.value("alerts", json()).is_array() &&
         HasTexts(line, {"repeats"});
}

// What tells the effects of a twin and kind from each other.
const char* NameMember(std::string_view kind) {
  return kind == "alert" ? "code" : kind == "command" ? "name" : "error";
}

bool IsEffect(const json& line) {
  if (!line.is_object() || !HasTexts(line, {"kind", "model", "twin", "topic"})) return false;
  if (!line.value("time_us", json()).is_number_integer()) return false;
  if (!line.value("lifetime_us", json()).is_number_integer()) return false;
  const json payload = line.value("payload", json());
  if (!payload.is_object()) return payload.is_null();
  return HasTexts(payload, {NameMember(line["kind"].get_ref<const std::string&>())});
}

// The lines of one file of a run, as objects.
class Objects {
 public:
  using IsOne = bool (*)(const json& line);
  static Result<Objects> Open(const std::filesystem::path& path, IsOne is_one) {
    GEMEL_TRY_LET(codec::LineReader lines, codec::LineReader::Open(path));
    return Objects(std::move(lines), is_one);
  }

  // False at the end.
  Result<bool> Next() {
    GEMEL_TRY_LET(const auto line, lines_.Next());
    if (!line) return false;
    text_.assign(*line);
    object_ = json::parse(text_, nullptr, false);
    if (!is_one_(object_)) return Damaged(lines_.Wrong("no line of a run").message());
    return true;
  }

  const std::string& text() const { return text_; }
  const json& object() const { return object_; }
  std::string Text(const char* name) const { return object_.value(name, std::string()); }

 private:
  Objects(codec::LineReader lines, IsOne is_one) : lines_(std::move(lines)), is_one_(is_one) {}
  codec::LineReader lines_;
  IsOne is_one_;
  std::string text_;
  json object_;
};

// What is compared of a twin: all but what says when something was applied.
json Comparable(const json& twin) {
  json kept = {{"state", twin.value("state", json::object())},
               {"at_us", twin.value("at_us", json::object())},
               {"seen_us", twin.value("seen_us", json::object())},
               {"repeats", twin.value("repeats", std::string())},
               {"alerts", twin.value("alerts", json::array())},
               {"timers", twin.value("timers", json::array())},
               {"commands", twin.value("commands", json::array())},
               {"told", twin.value("told", json::object())}};
  for (json& alert : kept["alerts"]) {
    if (!alert.is_object()) continue;
    alert["is_over"] = alert.contains("cleared_us");
    for (const char* name : {"lsn", "ordinal", "first_us", "last_us", "acked_us", "cleared_us"})
      alert.erase(name);
  }
  for (json& timer : kept["timers"]) {
    if (!timer.is_object()) continue;
    for (const char* name : {"lsn", "ordinal", "due_us"}) timer.erase(name);
  }
  for (json& command : kept["commands"]) {
    if (!command.is_object()) continue;
    for (const char* name : {"lsn", "ordinal", "decided_us", "last_sent_us", "expires_us"})
      command.erase(name);
  }
  return kept;
}

// Where two windows of one layout and size differ; nothing if they are none.
std::optional<std::string> WhereWindowsDiffer(const json& first, const json& second) {
  const bool are_windows = first.is_object() && second.is_object() &&
                           HasTexts(first, {"layout", "bytes"}) &&
                           HasTexts(second, {"layout", "bytes"});
  if (!are_windows || first["layout"] != second["layout"]) return std::nullopt;
  const auto mine = FromHex(first["bytes"].get_ref<const std::string&>());
  const auto its = FromHex(second["bytes"].get_ref<const std::string&>());
  if (!mine || !its || mine->size() != its->size()) return std::nullopt;
  size_t differing = 0;
  size_t at = mine->size();
  for (size_t i = mine->size(); i-- > 0;) {
    if ((*mine)[i] == (*its)[i]) continue;
    at = i;
    ++differing;
  }
  if (differing == 0) return std::nullopt;
  return fmt::format("{} of its {} bytes, from byte {} on: {:02x} and {:02x}", differing,
                     mine->size(), at, std::to_integer<unsigned>((*mine)[at]),
                     std::to_integer<unsigned>((*its)[at]));
}

// Where two twins differ first.
std::string WhereTwinsDiffer(const json& first, const json& second) {
  for (const auto& part : first.items()) {
    const json& other = second[part.key()];
    if (part.value() == other) continue;
    if (!part.value().is_object() || !other.is_object())
      return fmt::format("{} {} and {}", part.key(), Shown(part.value().dump()),
                         Shown(other.dump()));
    json all = part.value();
    all.update(other);
    for (const auto& item : all.items()) {
      const json mine = part.value().value(item.key(), json());
      const json its = other.value(item.key(), json());
      if (mine != its) {
        if (const auto where = WhereWindowsDiffer(mine, its))
          return fmt::format("{}.{} {}", part.key(), item.key(), *where);
        return fmt::format("{}.{} {} and {}", part.key(), item.key(), Shown(mine.dump()),
                           Shown(its.dump()));
      }
    }
  }
  return "something";
}

class Comparison {
 public:
  Comparison(std::filesystem::path first, std::filesystem::path second, size_t examples_max)
      : first_(std::move(first)), second_(std::move(second)), examples_max_(examples_max) {}

  Result<Difference> Run() {
    GEMEL_TRY(CompareEffects());
    GEMEL_TRY(CompareTwins());
    return std::move(difference_);
  }

 private:
  struct Effect {
    int64_t time_us = 0;
    std::string content;
  };
  // Kind, model, twin, and code or name.
  using Key = std::tuple<std::string, std::string, std::string, std::string>;
  using Effects = std::map<Key, std::vector<Effect>>;
  struct Example {
    int64_t time_us = 0;
    std::string text;
  };

  void Add(std::string text) {
    if (difference_.examples.size() < examples_max_)
      difference_.examples.push_back(std::move(text));
  }

  static Result<Effects> ReadEffects(const std::filesystem::path& folder) {
    GEMEL_TRY_LET(Objects objects, Objects::Open(folder / kEffectsFile, IsEffect));
    Effects effects;
    while (true) {
      GEMEL_TRY_LET(const bool has_one, objects.Next());
      if (!has_one) return effects;
      json payload = objects.object().value("payload", json());
      // An emptied topic follows from the message before it.
      if (!payload.is_object()) continue;
      const std::string kind = objects.Text("kind");
      Key key{kind, objects.Text("model"), objects.Text("twin"),
              payload.value(NameMember(kind), std::string())};
      for (const char* one : {"id", "time_ms", "first_ms", "last_ms", "expires_ms", "lsn"})
        payload.erase(one);
      // What a payload does not say, or says by the time of its record.
      if (kind != "deadletter") payload["topic"] = objects.Text("topic");
      const auto lifetime_us = objects.object().value("lifetime_us", int64_t{0});
      if (lifetime_us != 0) payload["lifetime_us"] = lifetime_us;
      effects[std::move(key)].push_back(
          {objects.object().value("time_us", int64_t{0}), payload.dump()});
    }
  }

  Compared& CountsOf(const std::string& kind) {
    if (kind == "alert") return difference_.alerts;
    return kind == "command" ? difference_.commands : difference_.dead_letters;
  }

  Status CompareEffects() {
    GEMEL_TRY_LET(const Effects mine, ReadEffects(first_));
    GEMEL_TRY_LET(const Effects its, ReadEffects(second_));
    static const std::vector<Effect> kNone;
    for (const auto& [key, effects] : mine) {
      const auto other = its.find(key);
      CompareOccurrences(key, effects, other == its.end() ? kNone : other->second);
    }
    for (const auto& [key, effects] : its) {
      if (!mine.contains(key)) CompareOccurrences(key, kNone, effects);
    }
    std::ranges::stable_sort(found_, {}, &Example::time_us);
    for (Example& example : found_) Add(std::move(example.text));
    return Status::Ok();
  }

  void CompareOccurrences(const Key& key, const std::vector<Effect>& mine,
                          const std::vector<Effect>& its) {
    const std::string& kind = std::get<0>(key);
    const std::string& model = std::get<1>(key);
    const std::string& twin = std::get<2>(key);
    const std::string& name = std::get<3>(key);
    Compared& counts = CountsOf(kind);
    const auto note = [&](const Effect& effect, size_t occurrence, const std::string& what) {
      found_.push_back(
          {effect.time_us,
           fmt::format("{} {} of {}/{}, number {}, at {}: {}", kind, Quote(name, kShownBytesMax),
                       model, Quote(twin), occurrence + 1,
                       FormatIsoTime(std::clamp(effect.time_us, kTimeMinUs, kTimeMaxUs)), what)});
    };
    for (size_t i = 0; i < std::max(mine.size(), its.size()); ++i) {
      if (i >= its.size()) {
        ++counts.only_first;
        note(mine[i], i, "only in the first run");
      } else if (i >= mine.size()) {
        ++counts.only_second;
        note(its[i], i, "only in the second run");
      } else if (mine[i].content != its[i].content) {
        ++counts.changed;
        note(mine[i], i, Shown(mine[i].content) + " and " + Shown(its[i].content));
      } else {
        ++counts.same;
      }
    }
  }

  // Both files are in the order of model and id.
  Status CompareTwins() {
    GEMEL_TRY_LET(Objects mine, Objects::Open(first_ / kTwinsFile, IsTwin));
    GEMEL_TRY_LET(Objects its, Objects::Open(second_ / kTwinsFile, IsTwin));
    GEMEL_TRY_LET(bool has_mine, mine.Next());
    GEMEL_TRY_LET(bool has_its, its.Next());
    while (has_mine || has_its) {
      const auto key = [](const Objects& of) { return std::pair(of.Text("model"), of.Text("id")); };
      const auto named = [](const Objects& of) {
        return fmt::format("twin {}/{}", of.Text("model"), Quote(of.Text("id")));
      };
      const bool is_mine = has_mine && (!has_its || key(mine) <= key(its));
      const bool is_its = has_its && (!has_mine || key(its) <= key(mine));
      if (is_mine && is_its) {
        CompareTwin(named(mine), mine, its);
      } else if (is_mine) {
        ++difference_.twins.only_first;
        Add(named(mine) + ": only in the first run");
      } else {
        ++difference_.twins.only_second;
        Add(named(its) + ": only in the second run");
      }
      if (is_mine) {
        GEMEL_TRY_LET(has_mine, mine.Next());
      }
      if (is_its) {
        GEMEL_TRY_LET(has_its, its.Next());
      }
    }
    return Status::Ok();
  }

  void CompareTwin(const std::string& name, const Objects& mine, const Objects& its) {
    if (mine.text() != its.text()) {
      const json first = Comparable(mine.object());
      const json second = Comparable(its.object());
      if (first != second) {
        ++difference_.twins.changed;
        Add(fmt::format("{}: {}", name, WhereTwinsDiffer(first, second)));
        return;
      }
    }
    ++difference_.twins.same;
  }

  const std::filesystem::path first_;
  const std::filesystem::path second_;
  const size_t examples_max_;
  Difference difference_;
  std::vector<Example> found_;
};

}  // namespace

Result<Difference> Compare(const std::filesystem::path& first, const std::filesystem::path& second,
                           size_t examples_max) {
  return Comparison(first, second, examples_max).Run();
}

}  // namespace gemel::playback
