#include "gateway/journal/frame.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "gateway/base/quote.h"

namespace gemel::journal {
namespace {

struct EntryHead {
  uint32_t bytes;  // of the content, without what fills up the last word
  uint16_t kind;
  uint16_t reserved;
};
static_assert(sizeof(EntryHead) == kFrameAlignment);

// Of the content of an entry that defines; the texts follow, each behind its size in two bytes.
struct DefinitionHead {
  uint32_t number;
  uint32_t texts;
};

constexpr size_t RoundUp(size_t bytes) {
  return (bytes + kFrameAlignment - 1) / kFrameAlignment * kFrameAlignment;
}

// Whether the number is new to the set, which holds it afterwards.
bool AddTo(std::vector<bool>& set, uint32_t number) {
  if (number >= set.size()) set.resize(number + 1);
  if (set[number]) return false;
  set[number] = true;
  return true;
}

struct Definition {
  uint32_t number = 0;
  std::vector<std::string_view> texts;
};

std::optional<Definition> ReadDefinition(std::span<const std::byte> content) {
  DefinitionHead head;
  if (content.size() < sizeof head) return std::nullopt;
  std::memcpy(&head, content.data(), sizeof head);
  content = content.subspan(sizeof head);
  Definition definition{.number = head.number, .texts = {}};
  for (uint32_t i = 0; i < head.texts; ++i) {
    uint16_t size = 0;
    if (content.size() < sizeof size) return std::nullopt;
    std::memcpy(&size, content.data(), sizeof size);
    content = content.subspan(sizeof size);
    if (content.size() < size) return std::nullopt;
    definition.texts.emplace_back(reinterpret_cast<const char*>(content.data()), size);
    content = content.subspan(size);
  }
  return definition;
}

}  // namespace

std::optional<Entry> EntryReader::Next() {
  EntryHead head;
  if (rest_.size() < sizeof head) return std::nullopt;
  std::memcpy(&head, rest_.data(), sizeof head);
  const std::span<const std::byte> behind = rest_.subspan(sizeof head);
  if (RoundUp(head.bytes) > behind.size()) return std::nullopt;
  rest_ = behind.subspan(RoundUp(head.bytes));
  return Entry{static_cast<EntryKind>(head.kind), behind.first(head.bytes)};
}

std::span<std::byte> FrameBuilder::Build(std::span<const Record> records) {
  size_ = kFrameHeadBytes;
  records_.clear();
  for (const Record& record : records) {
    DefineFor(record);
    const size_t bytes = EncodedSize(record);
    // Its read-ahead is overwritten by what follows; behind the last record it is not written.
    std::byte* const to = AddEntry(EntryKind::kRecord, bytes);
    Encode(record, to);
    const size_t offset = static_cast<size_t>(to - reinterpret_cast<std::byte*>(words_.data()));
    records_.push_back({offset, bytes - kReadAhead});
    const EntryHead head{static_cast<uint32_t>(bytes - kReadAhead),
                         static_cast<uint16_t>(EntryKind::kRecord), 0};
    std::memcpy(to - sizeof head, &head, sizeof head);
    size_ = offset + RoundUp(head.bytes);
  }
  return {reinterpret_cast<std::byte*>(words_.data()), size_};
}

std::span<const std::byte> FrameBuilder::record(size_t index) const {
  const Place place = records_[index];
  return {reinterpret_cast<const std::byte*>(words_.data()) + place.offset, place.bytes};
}

void FrameBuilder::BeginSegment() {
  models_.clear();
  routes_.clear();
  symbols_.clear();
}

void FrameBuilder::DefineFor(const Record& record) {
  if (!IsOfTwin(record.kind)) return;
  if (AddTo(models_, record.model)) {
    const Catalog::Model& model = catalog_.models[record.model];
    std::vector<std::string_view> texts = {model.name};
    texts.insert(texts.end(), model.fields.begin(), model.fields.end());
    Define(EntryKind::kModel, record.model, texts);
  }
  if (record.kind == RecordKind::kTelemetry && AddTo(routes_, record.route)) {
    const std::string_view name = catalog_.routes[record.route];
    Define(EntryKind::kRoute, record.route, {&name, 1});
  }
  for (const RecordSymbol& symbol : record.symbols) {
    if (symbol.is_refused != 0 || !AddTo(symbols_, symbol.number)) continue;
    const std::string_view text = catalog_.symbols->TextOf(Symbol{symbol.number});
    Define(EntryKind::kSymbol, symbol.number, {&text, 1});
  }
}

void FrameBuilder::Define(EntryKind kind, uint32_t number,
                          std::span<const std::string_view> texts) {
  const DefinitionHead head{number, static_cast<uint32_t>(texts.size())};
  size_t bytes = sizeof head;
  for (const std::string_view text : texts) bytes += sizeof(uint16_t) + text.size();
  std::byte* to = AddEntry(kind, bytes);
  std::memcpy(to, &head, sizeof head);
  to += sizeof head;
  for (const std::string_view text : texts) {
    const auto size = static_cast<uint16_t>(text.size());
    std::memcpy(to, &size, sizeof size);
    if (size > 0) std::memcpy(to + sizeof size, text.data(), size);
    to += sizeof size + size;
  }
}

std::byte* FrameBuilder::AddEntry(EntryKind kind, size_t bytes) {
  const EntryHead head{static_cast<uint32_t>(bytes), static_cast<uint16_t>(kind), 0};
  const size_t at = size_;
  size_ += sizeof head + RoundUp(bytes);
  if (words_.size() * sizeof(uint64_t) < size_) words_.resize(size_ / sizeof(uint64_t) * 3 / 2);
  auto* const to = reinterpret_cast<std::byte*>(words_.data()) + at;
  if (bytes > 0) words_[size_ / sizeof(uint64_t) - 1] = 0;  // what fills up the last word
  std::memcpy(to, &head, sizeof head);
  return to + sizeof head;
}

void Translation::BeginSegment() {
  models_.clear();
  routes_.clear();
  numbers_.clear();
}

Status Translation::Define(const Entry& entry) {
  const std::optional<Definition> definition = ReadDefinition(entry.content);
  const bool is_of_format = definition && !definition->texts.empty() &&
                            (entry.kind == EntryKind::kModel || definition->texts.size() == 1);
  if (!is_of_format) return Invalid("an entry that defines nothing");
  const std::string_view name = definition->texts.front();
  switch (entry.kind) {
    case EntryKind::kModel:
      models_[definition->number] = TranslateModel(definition->texts);
      return Status::Ok();
    case EntryKind::kRoute: {
      Route& route = routes_[definition->number];
      route = {std::string(name), std::nullopt};
      const auto found = std::ranges::find(ours_.routes, name);
      if (found != ours_.routes.end())
        route.number = static_cast<uint16_t>(found - ours_.routes.begin());
      return Status::Ok();
    }
    case EntryKind::kSymbol: {
      if (definition->number > kSymbolsMax || name.size() > kSymbolBytesMax)
        return Invalid("an entry that defines what can't be a symbol");
      const std::optional<Symbol> symbol = symbols_.Intern(name);
      if (definition->number >= numbers_.size()) numbers_.resize(definition->number + 1);
      numbers_[definition->number] =
          RecordSymbol{0, static_cast<uint16_t>(symbol ? 0 : 1), symbol ? symbol->number : 0};
      return Status::Ok();
    }
    case EntryKind::kRecord:
      break;
  }
  return Invalid(fmt::format("an entry of kind {}, which this program does not know",
                             static_cast<unsigned>(entry.kind)));
}

Translation::Model Translation::TranslateModel(const std::vector<std::string_view>& texts) const {
  Model model{std::string(texts.front()), std::nullopt, {}};
  const auto found = std::ranges::find(ours_.models, texts.front(), &Catalog::Model::name);
  if (found == ours_.models.end()) return model;
  model.number = static_cast<uint16_t>(found - ours_.models.begin());
  for (size_t i = 1; i < texts.size(); ++i) {
    const auto field = std::ranges::find(found->fields, texts[i]);
    model.fields.push_back(field == found->fields.end()
                               ? kNoField
                               : static_cast<uint16_t>(field - found->fields.begin()));
  }
  return model;
}

Status Translation::Apply(std::span<std::byte> record) const {
  RecordView::Fixed fixed;
  std::memcpy(&fixed, record.data(), sizeof fixed);
  if (!IsOfTwin(static_cast<RecordKind>(fixed.kind))) return Status::Ok();
  const auto model = models_.find(fixed.model);
  if (model == models_.end()) return Invalid("a record of a model that its segment does not name");
  if (!model->second.number) return NotFound("model " + Quote(model->second.name));
  if (fixed.kind == static_cast<uint16_t>(RecordKind::kTelemetry)) {
    const auto route = routes_.find(fixed.route);
    if (route == routes_.end())
      return Invalid("a record of a route that its segment does not name");
    if (!route->second.number) return NotFound("route " + Quote(route->second.name));
    fixed.route = *route->second.number;
  }
  const std::vector<uint16_t>& fields = model->second.fields;
  const auto field_of = [&](uint16_t theirs) {
    return theirs < fields.size() ? fields[theirs] : kNoField;
  };
  fixed.model = *model->second.number;
  std::memcpy(record.data(), &fixed, sizeof fixed);
  auto* symbol = reinterpret_cast<RecordSymbol*>(record.data() + sizeof fixed);
  for (uint16_t i = 0; i < fixed.symbols; ++i, ++symbol) {
    symbol->field = field_of(symbol->field);
    if (symbol->is_refused != 0) continue;
    if (symbol->number >= numbers_.size() || !numbers_[symbol->number])
      return Invalid("a record of a symbol that its segment does not name");
    symbol->is_refused = numbers_[symbol->number]->is_refused;
    symbol->number = numbers_[symbol->number]->number;
  }
  std::byte* capture = reinterpret_cast<std::byte*>(symbol) + fixed.captures_offset;
  for (uint16_t i = 0; i < fixed.captures; ++i) {
    uint16_t head[2];
    std::memcpy(head, capture, sizeof head);
    head[0] = field_of(head[0]);
    std::memcpy(capture, head, sizeof head);
    capture += sizeof head + head[1];
  }
  return Status::Ok();
}

}  // namespace gemel::journal
