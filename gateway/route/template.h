#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/status.h"

namespace gemel::route {

// A topic template: "fleet/{region}/truck/{id}/telemetry". A level is literal text, or one capture
// with an optional literal before and behind it ("dev-{id}.json"), or "+" (any one level, not
// kept);
// "#" may stand last (any rest). Two captures in one level can't be told apart and are refused.
class Template {
 public:
  // Invalid, naming the template and the level, if it is not a valid MQTT topic filter once
  // captures are replaced, if a brace is unbalanced, a name is not [a-z][a-z0-9_]*, or a name is
  // used twice.
  static Result<Template> Parse(std::string_view text);

  struct Level {
    enum class Kind : unsigned char { kLiteral, kCapture, kAny, kRest } kind = Kind::kLiteral;
    std::string prefix;  // the literal, or what stands before the capture
    std::string suffix;
    std::string name;  // of the capture
  };
  const std::string& text() const { return text_; }
  const std::vector<Level>& levels() const { return levels_; }
  // Names of the captures in the order of the topic.
  std::vector<std::string> names() const;
  // The MQTT topic filter to subscribe to: captures become "+".
  std::string filter() const;
  // Whether some topic matches both; then `example` holds one.
  bool Overlaps(const Template& other, std::string* example) const;

 private:
  std::string text_;
  std::vector<Level> levels_;
};

// Renders a template as a topic: each capture is asked for by name and appended; `any` stands for
// "+", `rest` for "#".
template <typename Append>
void Render(const Template& topic, std::string& out, const Append& append,
            std::string_view any = "+", std::string_view rest = "#") {
  bool is_first = true;
  for (const Template::Level& level : topic.levels()) {
    if (!is_first) out += '/';
    is_first = false;
    out += level.prefix;
    if (level.kind == Template::Level::Kind::kCapture) append(level.name, out);
    if (level.kind == Template::Level::Kind::kAny) out += any;
    if (level.kind == Template::Level::Kind::kRest) out += rest;
    out += level.suffix;
  }
}

}  // namespace gemel::route
