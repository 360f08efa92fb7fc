#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "gateway/base/assert.h"
#include "gateway/base/limits.h"
#include "gateway/base/symbols.h"
#include "gateway/base/utf8.h"
#include "gateway/journal/frame.h"
#include "gateway/journal/record.h"
#include "tests/fuzz/entry.h"
#include "tests/support/exact_bytes.h"

namespace gemel::fuzz {
namespace {

using journal::Catalog;
using journal::Entry;
using journal::RecordView;

// So few that mutated symbols fill the table.
constexpr size_t kSymbols = 6;

void CheckLiesIn(std::span<const std::byte> bytes, std::string_view text) {
  const auto* const first = reinterpret_cast<const std::byte*>(text.data());
  GEMEL_ASSERT(first >= bytes.data() && first + text.size() <= bytes.data() + bytes.size());
}

// What a view shows of the bytes lies in them; `fields` of our model, where it was translated.
void CheckRecord(std::span<const std::byte> bytes, size_t fields) {
  const RecordView record(bytes);
  for (const std::string_view text : {record.id(), record.payload(), record.outer()})
    CheckLiesIn(bytes, text);
  for (const journal::RecordSymbol& symbol : record.symbols()) {
    GEMEL_ASSERT(symbol.field < fields || symbol.field == journal::kNoField);
  }
  record.ForEachCapture([&](uint16_t field, std::string_view text) {
    CheckLiesIn(bytes, text);
    GEMEL_ASSERT(field < fields || field == journal::kNoField);
  });
  if (record.kind() == journal::RecordKind::kEffectsSent) {
    size_t effects = 0;
    journal::ForEachSent(record.payload(), [&](EffectId) { ++effects; });
    GEMEL_ASSERT(effects == record.payload().size() / 16);
  }
  if (record.kind() == journal::RecordKind::kEffectOutcome) {
    size_t effects = 0;
    journal::ForEachOutcome(record.payload(), [&](const journal::EndedEffect&) { ++effects; });
    GEMEL_ASSERT(effects == record.payload().size() / 16);
  }
}

// One line that can be said to the person on call.
void CheckRefused(const Status& status) {
  GEMEL_ASSERT(status.code() == Code::kInvalid || status.code() == Code::kNotFound);
  GEMEL_ASSERT(!status.message().empty() && IsUtf8(status.message()));
  GEMEL_ASSERT(status.message().find('\n') == std::string::npos);
}

void ReadRecord(std::span<const std::byte> content, const Catalog& ours,
                const journal::Translation& translation, const Symbols& symbols) {
  support::ExactBytes copy(content);
  if (!journal::IsRecord(copy.span())) return;
  CheckRecord(copy.span(), size_t{1} << 16);
  const bool is_of_twin = journal::IsOfTwin(RecordView(copy.span()).kind());
  if (const Status status = translation.Apply(copy.span()); !status.ok()) {
    CheckRefused(status);
    return;
  }
  GEMEL_ASSERT(journal::IsRecord(copy.span()));
  if (!is_of_twin) return;
  const RecordView record(copy.span());
  GEMEL_ASSERT(record.model() < ours.models.size());
  GEMEL_ASSERT(record.kind() != journal::RecordKind::kTelemetry ||
               record.route() < ours.routes.size());
  CheckRecord(copy.span(), ours.models[record.model()].fields.size());
  for (const journal::RecordSymbol& symbol : record.symbols()) {
    GEMEL_ASSERT(symbol.is_refused != 0 || symbol.number <= symbols.size());
  }
}

}  // namespace

int Frame(const uint8_t* data, size_t size) {
  Symbols symbols(kSymbols);
  const Catalog ours{.models = {{"bus", {"line", "stop"}}, {"truck", {"region", "speed"}}},
                     .routes = {"stops", "fleet", "doors"},
                     .symbols = &symbols};
  journal::Translation translation(ours, symbols);
  support::ExactBytes body({reinterpret_cast<const std::byte*>(data), size});
  journal::EntryReader entries(body.span());
  while (const std::optional<Entry> entry = entries.Next()) {
    GEMEL_ASSERT(entry->content.size() <= size);
    if (entry->kind == journal::EntryKind::kRecord) {
      ReadRecord(entry->content, ours, translation, symbols);
    } else if (const Status status = translation.Define(*entry); !status.ok()) {
      CheckRefused(status);
    }
  }
  return 0;
}

}  // namespace gemel::fuzz

GEMEL_FUZZ_ENTRY(gemel::fuzz::Frame)
