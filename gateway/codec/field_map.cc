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
  if (spec.codec == Codec::kText) {
    if (mapped.field == spec.text_field) return rule;
    return Invalid(fmt::format("{}: a text payload fills one field, here {}", mapped.field,
                               Quote(spec.text_field)));
  }
  rule.at.tokens = {mapped.field};
  if (!mapped.at.empty()) {
    Result<Pointer> at = ParsePointer(mapped.at);
    if (!at.ok()) return Invalid(fmt::format("{}: {}", mapped.field, at.status().message()));
    rule.at = *std::move(at);
  }
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

// Hangs the last rule into a trie, behind those that read the same place. Places that two tries
// know are the same in both, so the rules behind each other are as well.
void Hang(std::vector<FieldRule>& rules, Trie& trie, const std::vector<std::string>& tokens) {
  const auto added = static_cast<uint32_t>(rules.size() - 1);
  const uint32_t node = trie.Add(tokens);
  rules[added].next = trie.leaf(node);
  trie.set_leaf(node, added);
}
static_assert(Trie::kNone == FieldRule::kNone);

// What the route maps, or what it means where it maps nothing.
std::vector<MappedField> FieldsOf(std::span<const gemel_field> table, const FieldMapSpec& spec) {
  if (!spec.fields.empty()) return spec.fields;
  if (spec.codec != Codec::kText) return AllFields(table);
  // Where the topic names the field, its value does not come through here.
  if (spec.text_field.empty()) return {};
  return {{.field = spec.text_field}};
}

// Where the last rule reads.
void Place(FieldMap::Plan& plan) {
  const Pointer& at = plan.rules.back().at;
  if (!at.is_outer) {
    Hang(plan.rules, plan.places, at.tokens);
    return;
  }
  plan.has_outer = true;
  Hang(plan.rules, plan.outer_keys, {at.text});
  Hang(plan.rules, plan.outer_places, at.tokens);
}

}  // namespace

FieldMap::FieldMap(std::unique_ptr<Plan> plan) : plan_(std::move(plan)) {}
FieldMap::FieldMap(FieldMap&&) noexcept = default;
FieldMap& FieldMap::operator=(FieldMap&&) noexcept = default;
FieldMap::~FieldMap() = default;

Result<FieldMap> FieldMap::Compile(std::span<const gemel_field> table, const FieldMapSpec& spec) {
  auto plan = std::make_unique<Plan>();
  plan->table_size = table.size();
  std::vector<bool> is_mapped(table.size());
  for (const MappedField& mapped : FieldsOf(table, spec)) {
    GEMEL_TRY_LET(FieldRule rule, CompileRule(table, spec, mapped));
    if (is_mapped[rule.field]) return Invalid(fmt::format("{}: mapped twice", mapped.field));
    is_mapped[rule.field] = true;
    plan->has_symbols |= rule.type == GEMEL_SYMBOL;
    plan->rules.push_back(std::move(rule));
    if (spec.codec == Codec::kText) {
      plan->text_rule = static_cast<uint32_t>(plan->rules.size() - 1);
    } else {
      Place(*plan);
    }
  }
  for (const FieldRule& rule : plan->rules) {
    const bool is_plain = !rule.conversion && rule.values.empty() && rule.next == FieldRule::kNone;
    plan->plain.push_back(
        {.type = is_plain ? rule.type : uint32_t{GEMEL_NULL}, .field = rule.field});
  }
  plan->places.Pack();
  plan->outer_keys.Pack();
  plan->outer_places.Pack();
  plan->reads_members = !plan->has_outer && plan->places.leaf(Trie::kRoot) == Trie::kNone;
  return FieldMap(std::move(plan));
}

size_t FieldMap::table_size() const { return plan_->table_size; }
bool FieldMap::has_symbols() const { return plan_->has_symbols; }

}  // namespace gemel::codec
