#include "gateway/codec/field_map.h"

#include <algorithm>

#include <fmt/format.h>

#include "gateway/base/limits.h"
#include "gateway/base/quote.h"
#include "gateway/codec/plan.h"
#include "gateway/codec/pointer.h"

namespace gemel::codec {
namespace {

bool IsTelemetry(const gemel_field& field) { return field.source == GEMEL_FROM_TELEMETRY; }

// Index in the table, for a field that a route may map.
Result<uint16_t> FindField(std::span<const gemel_field> table, const std::string& name) {
  const auto found =
      std::ranges::find_if(table, [&](const gemel_field& field) { return name == field.name; });
  if (found == table.end()) return Invalid(fmt::format("the model has no field {}", Quote(name)));
  if (!IsTelemetry(*found)) {
    return Invalid(fmt::format("field {} is not filled by telemetry", Quote(name)));
  }
  if (found->choices_count > 0) {
    return Invalid(fmt::format("field {} has choices, so only the model sets it", Quote(name)));
  }
  return static_cast<uint16_t>(found - table.begin());
}

Result<FieldRule> CompileRule(std::span<const gemel_field> table, const FieldMapSpec& spec,
                              const MappedField& mapped) {
  GEMEL_TRY_LET(const uint16_t index, FindField(table, mapped.field));
  const gemel_field& field = table[index];
  FieldRule rule = RuleOf(field, index, spec.time_format);
  if (!mapped.unit.empty()) {
    const bool is_number = field.type == GEMEL_INT64 || field.type == GEMEL_DOUBLE;
    if (!is_number) {
      return Invalid(fmt::format("{}: a unit is for numbers only", mapped.field));
    }
    const Result<Conversion> conversion = FindConversion(mapped.unit, field.unit);
    if (!conversion.ok()) {
      return Invalid(fmt::format("{}: {}", mapped.field, conversion.status().message()));
    }
    if (!conversion->is_identity()) rule.conversion = *conversion;
  }
  for (const auto& [from, value] : mapped.values) GEMEL_TRY(AddNamedValue(rule, from, value));
  return rule;
}

// Every field that telemetry fills, under its own name.
std::vector<MappedField> AllFields(std::span<const gemel_field> table) {
  std::vector<MappedField> all;
  for (const gemel_field& field : table) {
    if (IsTelemetry(field) && field.choices_count == 0) all.push_back({.field = field.name});
  }
  return all;
}

// Hangs the last rule into the trie, behind those that read the same place.
void Hang(std::vector<FieldRule>& rules, Trie& trie, const std::vector<std::string>& tokens) {
  const auto added = static_cast<uint32_t>(rules.size() - 1);
  const uint32_t node = trie.Add(tokens);
  rules[added].next = trie.leaf(node);
  trie.set_leaf(node, added);
}
static_assert(Trie::kNone == FieldRule::kNone);

}  // namespace

FieldMap::FieldMap(std::unique_ptr<Plan> plan) : plan_(std::move(plan)) {}
FieldMap::FieldMap(FieldMap&&) noexcept = default;
FieldMap& FieldMap::operator=(FieldMap&&) noexcept = default;
FieldMap::~FieldMap() = default;

Result<FieldMap> FieldMap::Compile(std::span<const gemel_field> table, const FieldMapSpec& spec) {
  auto plan = std::make_unique<Plan>();
  plan->table_size = table.size();
  std::vector<MappedField> fields = spec.fields;
  const bool is_one_text = spec.codec == Codec::kText && !spec.text_field.empty();
  if (is_one_text && fields.empty()) fields.push_back({.field = spec.text_field});
  if (fields.empty()) fields = AllFields(table);

  std::vector<bool> is_mapped(table.size());
  for (const MappedField& mapped : fields) {
    if (is_one_text && mapped.field != spec.text_field) {
      return Invalid(fmt::format("{}: a text payload fills {} and nothing else", mapped.field,
                                 spec.text_field));
    }
    GEMEL_TRY_LET(FieldRule rule, CompileRule(table, spec, mapped));
    if (is_mapped[rule.field]) return Invalid(fmt::format("{}: mapped twice", mapped.field));
    is_mapped[rule.field] = true;
    const bool is_symbol = rule.type == GEMEL_SYMBOL;
    plan->has_symbols |= is_symbol;
    plan->rules.push_back(std::move(rule));
    if (is_one_text) {
      plan->text_rule = static_cast<uint32_t>(plan->rules.size() - 1);
      continue;
    }
    Pointer pointer{.tokens = {mapped.field}};
    if (!mapped.at.empty()) {
      Result<Pointer> given = ParsePointer(mapped.at);
      if (!given.ok()) {
        return Invalid(fmt::format("{}: {}", mapped.field, given.status().message()));
      }
      pointer = *std::move(given);
    }
    if (spec.codec == Codec::kText && (pointer.is_outer || pointer.tokens.size() != 1)) {
      return Invalid(
          fmt::format("{}: {} is no name that a topic may give", mapped.field, Quote(mapped.at)));
    }
    if (!pointer.is_outer) {
      Hang(plan->rules, plan->places, pointer.tokens);
      continue;
    }
    const std::string key = mapped.at.substr(1);
    Hang(plan->rules, plan->outer_places, {key});
    const bool is_known =
        std::ranges::find(plan->outer_pointers, key) != plan->outer_pointers.end();
    if (!is_symbol && !is_known) plan->outer_pointers.push_back(key);
  }
  plan->places.Pack();
  plan->outer_places.Pack();
  return FieldMap(std::move(plan));
}

size_t FieldMap::table_size() const { return plan_->table_size; }
bool FieldMap::has_symbols() const { return plan_->has_symbols; }

}  // namespace gemel::codec
