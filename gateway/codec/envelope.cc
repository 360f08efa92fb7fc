#include "gateway/codec/envelope.h"

#include <algorithm>
#include <deque>
#include <span>

#include <fmt/format.h>

#include "gateway/base/assert.h"
#include "gateway/base/json_text.h"
#include "gateway/base/limits.h"
#include "gateway/base/quote.h"
#include "gateway/codec/binary.h"
#include "gateway/codec/flat.h"
#include "gateway/codec/items.h"
#include "gateway/codec/json.h"
#include "gateway/codec/plan.h"
#include "gateway/codec/text.h"

namespace gemel::codec {
namespace {

using Kind = Scalar::Kind;

// What a reading is made of; symbols and then outer fields follow.
enum Slot : uint32_t { kId, kTime, kMessageId, kSequence, kItems, kFirstSymbol };
constexpr uint32_t kNone = Trie::kNone;

// One of the slots that are filled from one place.
struct Use {
  uint32_t slot;
  uint32_t next;
};

}  // namespace

struct Envelope::Plan {
  Codec codec = Codec::kJson;
  EnvelopeSpec spec;
  std::vector<FieldRule> symbols;
  std::vector<std::string> outer;  // pointers of fields in the whole message, without "^"
  // A leaf is the first of the uses of that place.
  Trie whole;
  Trie item;
  std::vector<Use> uses;
  bool reads_payload = false;
  bool reads_members = false;  // of the document, so that a flat object may be all it takes

  bool has_items() const { return spec.items.has_value(); }
  uint32_t slots() const {
    return kFirstSymbol + static_cast<uint32_t>(symbols.size() + outer.size());
  }

  void Add(const Pointer& pointer, uint32_t slot) {
    Trie& trie = pointer.is_outer || !has_items() ? whole : item;
    const uint32_t node = trie.Add(pointer.tokens);
    uses.push_back({slot, trie.leaf(node)});
    trie.set_leaf(node, static_cast<uint32_t>(uses.size() - 1));
    reads_payload = true;
  }

  Status AddNamed(std::string_view key, const std::optional<std::string>& given, uint32_t slot) {
    if (!given) return Status::Ok();
    const std::string& text = *given;
    if (codec == Codec::kText) {
      return Invalid(fmt::format("{}: a text payload is one value, so {} points to nothing", key,
                                 Quote(text)));
    }
    const bool is_document = slot == kItems && text == ".";
    Result<Pointer> pointer = is_document ? Pointer{} : ParsePointer(text);
    if (!pointer.ok()) return Invalid(fmt::format("{}: {}", key, pointer.status().message()));
    pointer->is_outer |= slot == kItems;
    Add(*pointer, slot);
    return Status::Ok();
  }

  // Whether all that is wanted are members of the document itself.
  bool ReadsMembers() const {
    if (codec != Codec::kJson || has_items() || whole.leaf(Trie::kRoot) != kNone) return false;
    for (uint32_t node = 0; node < whole.size(); ++node) {
      if (node != Trie::kRoot && whole.has_children(node)) return false;
    }
    return true;
  }

  void AddFields(const FieldMap::Plan& map) {
    for (const FieldRule& rule : map.rules) {
      if (rule.type == GEMEL_SYMBOL) symbols.push_back(rule);
    }
    if (codec == Codec::kText) return;
    for (size_t i = 0; i < symbols.size(); ++i) {
      Add(symbols[i].at, kFirstSymbol + static_cast<uint32_t>(i));
    }
    if (!has_items()) return;
    for (const FieldRule& rule : map.rules) {
      const bool is_known = std::ranges::find(outer, rule.at.text) != outer.end();
      if (!rule.at.is_outer || rule.type == GEMEL_SYMBOL || is_known) continue;
      Add(rule.at, slots());
      outer.push_back(rule.at.text);
    }
  }
};

Envelope::Envelope(std::unique_ptr<Plan> plan) : plan_(std::move(plan)) {}
Envelope::Envelope(Envelope&&) noexcept = default;
Envelope& Envelope::operator=(Envelope&&) noexcept = default;
Envelope::~Envelope() = default;

Result<Envelope> Envelope::Compile(const EnvelopeSpec& spec, const FieldMap& map) {
  auto plan = std::make_unique<Plan>();
  plan->codec = spec.codec;
  plan->spec = spec;
  GEMEL_TRY(plan->AddNamed("items", spec.items, kItems));
  GEMEL_TRY(plan->AddNamed("id", spec.id, kId));
  GEMEL_TRY(plan->AddNamed("time", spec.time, kTime));
  GEMEL_TRY(plan->AddNamed("message_id", spec.message_id, kMessageId));
  GEMEL_TRY(plan->AddNamed("sequence", spec.sequence, kSequence));
  plan->AddFields(map.plan());
  plan->whole.Pack();
  plan->item.Pack();
  plan->reads_members = plan->ReadsMembers();
  return Envelope(std::move(plan));
}

struct EnvelopeReader::Buffers {
  JsonParser parser;
  Marks marks;
  std::string text;  // the message as JSON, padded
  std::string outer;
  std::vector<Scalar> message_slots;
  std::vector<Scalar> slots;
  std::deque<NumberText> numbers;  // texts of numbers, which must not move
  size_t numbers_used = 0;
  std::vector<Reading> readings;
  std::vector<SymbolText> symbols;

  char (&Number())[kNumberBytesMax] {
    if (numbers_used == numbers.size()) numbers.emplace_back();
    return numbers[numbers_used++].bytes;
  }

  std::optional<Refused> Fill(const Envelope::Plan& plan, const Trie& places, size_t begin,
                              std::vector<Scalar>& into) {
    const auto visit = [&](uint32_t node, const Scalar& scalar) {
      bool is_items = false;
      for (uint32_t i = places.leaf(node); i != kNone; i = plan.uses[i].next) {
        into[plan.uses[i].slot] = scalar;
        is_items |= plan.uses[i].slot == kItems;
      }
      return is_items ? Step::kOver : Step::kOn;
    };
    return Walk(parser.tape(), begin, places, marks, visit);
  }

  // Fills the slots from a flat object; whether the values that nobody wants are valid is seen by
  // whoever decodes it. False if the message must be read otherwise.
  bool FillFromFlat(const Envelope::Plan& plan, std::string_view message) {
    Marks::OfWalk met = marks.Begin(plan.whole.size());
    const auto visit = [&](uint32_t node, const Scalar& scalar) {
      if (!met.Set(node)) return false;
      for (uint32_t i = plan.whole.leaf(node); i != kNone; i = plan.uses[i].next) {
        slots[plan.uses[i].slot] = scalar;
      }
      return true;
    };
    // To its end, though all may have been found before: a key that comes twice is refused
    // wherever.
    const Trie::Children wanted = plan.whole.ChildrenOf(Trie::kRoot);
    if (ReadFlat<Unasked::kSkip>(message, wanted, visit) == Flat::kWhole) return true;
    slots.assign(plan.slots(), Scalar{});
    return false;
  }

  std::optional<Refused> SetId(const Envelope::Plan& plan, Reading& reading) {
    if (!plan.spec.id) return std::nullopt;
    const Scalar& id = slots[kId];
    const bool is_allowed = (id.kind == Kind::kText && !id.text.empty()) ||
                            id.kind == Kind::kInteger || id.kind == Kind::kUnsigned;
    if (!is_allowed) {
      return Refused{Refusal::kIdInvalid,
                     fmt::format("id at {} is {}; wanted is a text or an integer",
                                 Quote(*plan.spec.id), Shown(id))};
    }
    reading.id = TextOf(id, Number());
    return std::nullopt;
  }

  std::optional<Refused> SetTime(const Envelope::Plan& plan, Reading& reading) {
    if (!plan.spec.time) return std::nullopt;
    reading.time_us = TimeOf(slots[kTime], plan.spec.time_format);
    if (reading.time_us) return std::nullopt;
    return Refused{Refusal::kTimeInvalid,
                   fmt::format("time at {} is {}; wanted is {}", Quote(*plan.spec.time),
                               Shown(slots[kTime]), TimeFormatMeaning(plan.spec.time_format))};
  }

  std::optional<Refused> SetRepeatKeys(const Envelope::Plan& plan, Reading& reading) {
    const Scalar& id = slots[kMessageId];
    if (id.is_container()) {
      return Refused{Refusal::kFieldInvalid,
                     fmt::format("message_id at {} is {}; wanted is a text or a number",
                                 Quote(*plan.spec.message_id), Shown(id))};
    }
    if (!id.is_nothing()) reading.message_id = TextOf(id, Number());
    if (reading.message_id && reading.message_id->empty()) reading.message_id.reset();

    if (slots[kSequence].is_nothing()) return std::nullopt;
    reading.sequence = IntegerOf(slots[kSequence]);
    if (reading.sequence) return std::nullopt;
    return Refused{Refusal::kFieldInvalid,
                   fmt::format("sequence at {} is {}; wanted is an integer",
                               Quote(*plan.spec.sequence), Shown(slots[kSequence]))};
  }

  std::optional<Refused> AddSymbols(const Envelope::Plan& plan, Reading& reading) {
    reading.first_symbol = static_cast<uint32_t>(symbols.size());
    for (size_t i = 0; i < plan.symbols.size(); ++i) {
      gemel_value value;
      if (auto refused = Convert(plan.symbols[i], slots[kFirstSymbol + i], Number(), value))
        return refused;
      if (value.type == GEMEL_NULL || value.length == 0) continue;
      symbols.push_back({plan.symbols[i].field, {value.as.text, value.length}});
      ++reading.symbols;
    }
    return std::nullopt;
  }

  std::optional<Refused> AddReading(const Envelope::Plan& plan, Reading reading) {
    if (auto refused = SetId(plan, reading)) return refused;
    if (auto refused = SetTime(plan, reading)) return refused;
    if (auto refused = SetRepeatKeys(plan, reading)) return refused;
    if (auto refused = AddSymbols(plan, reading)) return refused;
    readings.push_back(reading);
    return std::nullopt;
  }

  // What "^/" fields read, under their pointers.
  void WriteOuter(const Envelope::Plan& plan) {
    outer.clear();
    if (plan.outer.empty()) return;
    outer += '{';
    for (size_t i = 0; i < plan.outer.size(); ++i) {
      const Scalar& scalar = message_slots[kFirstSymbol + plan.symbols.size() + i];
      if (scalar.kind == Kind::kAbsent) continue;
      if (outer.size() > 1) outer += ',';
      AppendJsonText(plan.outer[i], outer);
      outer += ':';
      if (scalar.kind == Kind::kText) {
        AppendJsonText(scalar.text, outer);
      } else if (scalar.is_container()) {
        // Refused by whoever decodes it: no field is a container.
        outer += scalar.kind == Kind::kObject ? "{}" : "[]";
      } else {
        NumberText number;
        outer += TextOf(scalar, number.bytes);
      }
    }
    outer += '}';
  }

  std::optional<Refused> AddItem(const Envelope::Plan& plan, const Reading& reading, size_t at) {
    if (parser.tape().TypeAt(at) != '{') {
      return Refused{Refusal::kPayloadInvalid,
                     fmt::format("{}; wanted is an object", Shown(parser.tape().ValueAt(at)))};
    }
    slots = message_slots;
    if (auto refused = Fill(plan, plan.item, at, slots)) return refused;
    return AddReading(plan, reading);
  }

  std::optional<Refused> AddItems(const Envelope::Plan& plan, std::string_view message) {
    const Scalar& items = message_slots[kItems];
    if (items.kind != Kind::kArray) {
      return Refused{Refusal::kPayloadInvalid, fmt::format("items at {} is {}; wanted is an array",
                                                           Quote(*plan.spec.items), Shown(items))};
    }
    WriteOuter(plan);
    const Tape tape = parser.tape();
    const auto array = static_cast<size_t>(items.unsigned_integer);
    ItemTexts texts(message, tape, array);
    Reading reading{.codec = Codec::kJson, .outer = outer};
    for (size_t at = array + 1; tape.TypeAt(at) != ']'; at = tape.After(at), ++reading.item) {
      if (reading.item == kItemsMax) {
        return Refused{Refusal::kPayloadInvalid, fmt::format("over {} items", kItemsMax)};
      }
      reading.payload = texts.Next();
      if (auto refused = AddItem(plan, reading, at)) {
        refused->detail = fmt::format("item {}: {}", reading.item, refused->detail);
        return refused;
      }
    }
    return std::nullopt;
  }

  std::optional<Refused> ReadText(const Envelope::Plan& plan, std::string_view payload) {
    Scalar scalar;
    if (auto refused = codec::ReadText(payload, scalar)) return refused;
    if (!plan.symbols.empty()) slots[kFirstSymbol] = scalar;
    return AddReading(plan, {.codec = Codec::kText, .payload = payload});
  }

  std::optional<Refused> Read(const Envelope::Plan& plan, std::string_view payload) {
    slots.assign(plan.slots(), Scalar{});
    if (plan.codec == Codec::kText) return ReadText(plan, payload);
    const Reading whole{.codec = plan.codec, .payload = payload};
    if (!plan.reads_payload) return AddReading(plan, whole);
    if (plan.codec == Codec::kJson) {
      text.assign(payload);
    } else if (auto refused = ToJson(plan.codec, payload, text)) {
      return refused;
    }
    const std::string_view message = Pad(text);
    if (plan.reads_members && FillFromFlat(plan, message)) return AddReading(plan, whole);
    if (auto refused = parser.Parse(message)) return refused;
    if (!plan.has_items()) {
      if (auto refused = Fill(plan, plan.whole, Tape::kRoot, slots)) return refused;
      return AddReading(plan, whole);
    }
    message_slots = slots;
    if (auto refused = Fill(plan, plan.whole, Tape::kRoot, message_slots)) return refused;
    return AddItems(plan, message);
  }
};

EnvelopeReader::EnvelopeReader() : buffers_(std::make_unique<Buffers>()) {}
EnvelopeReader::~EnvelopeReader() = default;

std::optional<Refused> EnvelopeReader::Read(const Envelope& envelope, std::string_view payload) {
  buffers_->numbers_used = 0;
  buffers_->readings.clear();
  buffers_->symbols.clear();
  if (payload.empty()) return Refused{Refusal::kPayloadInvalid, "empty payload"};
  auto refused = buffers_->Read(envelope.plan(), payload);
  if (refused) {
    buffers_->readings.clear();
    buffers_->symbols.clear();
  }
  return refused;
}

const std::vector<Reading>& EnvelopeReader::readings() const { return buffers_->readings; }
const std::vector<SymbolText>& EnvelopeReader::symbols() const { return buffers_->symbols; }

}  // namespace gemel::codec
