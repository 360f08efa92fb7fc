#include "gateway/codec/json_row.h"

#include <simdjson.h>

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "gateway/base/json_text.h"

namespace gemel::codec {

using simdjson::dom::element;

struct JsonRow::Document {
  simdjson::dom::parser parser;
  element root;

  static void AppendKept(const KeptMembers& kept, element value, std::string& out) {
    simdjson::dom::object object;
    if (kept.is_all_ || value.get(object) != simdjson::SUCCESS) {
      out += simdjson::minify(value);
      return;
    }
    char before = '{';
    for (const KeptMembers& member : kept.members_) {
      element inner;
      if (object.at_key(member.name_).get(inner) != simdjson::SUCCESS) continue;
      out += std::exchange(before, ',');
      out += member.json_name_;
      out += ':';
      AppendKept(member, inner, out);
    }
    out += before == '{' ? "{}" : "}";
  }
};

void KeptMembers::Add(std::span<const std::string> tokens) {
  if (tokens.empty()) {
    is_all_ = true;
    return;
  }
  auto member = std::ranges::find(members_, tokens.front(), &KeptMembers::name_);
  if (member == members_.end()) {
    member = members_.emplace(members_.end());
    member->name_ = tokens.front();
    AppendJsonText(member->name_, member->json_name_);
  }
  member->Add(tokens.subspan(1));
}

JsonRow::JsonRow() : document_(std::make_unique<Document>()) {}
JsonRow::~JsonRow() = default;

Status JsonRow::Parse(std::string_view text) {
  const auto error = document_->parser.parse(text.data(), text.size()).get(document_->root);
  if (error != simdjson::SUCCESS)
    return Invalid(fmt::format("no JSON: {}", simdjson::error_message(error)));
  return document_->root.is_object() ? Status::Ok() : Invalid("no JSON object");
}

std::string_view JsonRow::ScalarAt(std::string_view pointer, std::string& scratch) const {
  element value;
  if (document_->root.at_pointer(pointer).get(value) != simdjson::SUCCESS) return {};
  std::string_view text;
  if (value.get(text) == simdjson::SUCCESS) return text;
  if (value.is_null() || value.is_object() || value.is_array()) return {};
  return scratch = simdjson::minify(value);
}

void JsonRow::AppendKept(const KeptMembers& kept, std::string& out) const {
  Document::AppendKept(kept, document_->root, out);
}

}  // namespace gemel::codec
