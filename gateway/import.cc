// The part of the gateway that takes in twins from a file, without broker or devices.

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gateway/base/quote.h"
#include "gateway/codec/lines.h"
#include "gateway/gateway.h"
#include "gateway/route/id.h"
#include "gateway/twin/put.h"

namespace gemel {
namespace {

constexpr std::chrono::milliseconds kRoomPatience{10};

// A line and whose it is.
struct ImportedTwin {
  nlohmann::json line;
  uint16_t model = 0;
  std::string id;
};

std::optional<std::string> Read(std::string_view text, const twin::World& world,
                                ImportedTwin& twin) {
  twin.line = nlohmann::json::parse(text, nullptr, false);
  if (!twin.line.is_object()) return "no JSON object";
  const auto text_of = [&](const char* name) {
    const auto found = twin.line.find(name);
    return found != twin.line.end() && found->is_string() ? found->get<std::string>() : "";
  };
  const std::string model = text_of("model");
  const auto found = std::ranges::find_if(
      world.models, [&](const twin::ModelEntry& entry) { return entry.model->name() == model; });
  if (found == world.models.end())
    return fmt::format("the configuration has no model {}", Quote(model));
  twin.model = static_cast<uint16_t>(found - world.models.begin());
  twin.id = text_of("id");
  return route::CheckId(twin.id);
}

}  // namespace

Result<uint64_t> Gateway::Import(const std::filesystem::path& path, bool replaces) {
  GEMEL_TRY_LET(epoch_, journal::Epoch::Raise(config_.journal.path));
  GEMEL_TRY_LET(attempts_, journal::Attempts::Open(config_.journal.path, epoch_->number()));
  MakeParts();
  GEMEL_TRY(RecoverTwins());
  GEMEL_TRY(CheckImport(path, replaces));
  GEMEL_TRY_LET(const uint64_t twins, AppendImport(path));
  while (sequencer_->lag() > 0) sequencer_->WaitForRoom(kRoomPatience);
  GEMEL_TRY(store_->Save(SnapshotSources()).status());
  GEMEL_TRY(store_->Checkpoint().status());
  return twins;
}

Status Gateway::CheckImport(const std::filesystem::path& path, bool replaces) {
  const twin::World& world = compiled_->world;
  GEMEL_TRY_LET(codec::LineReader lines, codec::LineReader::Open(path));
  std::set<std::pair<uint16_t, std::string>> seen;
  // Aligned as a state wants it.
  std::vector<std::max_align_t> state(kStateBytesMax / sizeof(std::max_align_t) + 1);
  while (true) {
    GEMEL_TRY_LET(const auto text, lines.Next());
    if (!text) return Status::Ok();
    if (text->empty()) continue;
    ImportedTwin twin;
    std::optional<std::string> wrong = Read(*text, world, twin);
    if (!wrong) {
      const model::Model& model = *world.models[twin.model].model;
      auto* const bytes = reinterpret_cast<std::byte*>(state.data());
      model.Construct(bytes);
      wrong = twin::PutState(twin.line, model, bytes);
    }
    if (!wrong && !twin::RepeatsOf(twin.line)) wrong = "repeats: no hexadecimal text";
    if (!wrong) wrong = twin::WrongTimers(twin.line);
    if (!wrong) wrong = twin::WrongTold(twin.line);
    if (!wrong && !seen.emplace(twin.model, twin.id).second)
      wrong = fmt::format("the twin {} stands in it twice", Quote(twin.id));
    if (!wrong && !replaces && shards_->Get(twin.model, twin.id)) {
      wrong = fmt::format("there is a twin {} already; --replace puts this one in its place",
                          Quote(twin.id));
    }
    if (wrong) return lines.Wrong(*wrong);
  }
}

Result<uint64_t> Gateway::AppendImport(const std::filesystem::path& path) {
  const twin::World& world = compiled_->world;
  GEMEL_TRY_LET(codec::LineReader lines, codec::LineReader::Open(path));
  uint64_t twins = 0;
  while (true) {
    GEMEL_TRY_LET(const auto text, lines.Next());
    if (!text) return twins;
    if (text->empty()) continue;
    ImportedTwin twin;
    if (const auto wrong = Read(*text, world, twin)) return lines.Wrong(*wrong);
    const model::Model& model = *world.models[twin.model].model;
    std::vector<journal::RecordSymbol> symbols;
    for (const auto& [field, symbol] : twin::SymbolsOf(twin.line, model)) {
      const auto interned = symbols_.Intern(symbol);
      symbols.push_back({.field = field,
                         .is_refused = static_cast<uint16_t>(interned ? 0 : 1),
                         .number = interned ? interned->number : 0});
    }
    journal::Record record{.kind = journal::RecordKind::kTwinPut,
                           .model = twin.model,
                           .key_hash = HashKey(model.name(), twin.id),
                           .id = twin.id,
                           .payload = *text,
                           .symbols = symbols};
    auto outcome = journal::Sequencer::Outcome::kFull;
    while ((outcome = sequencer_->Append({&record, 1})) == journal::Sequencer::Outcome::kFull)
      sequencer_->WaitForRoom(kRoomPatience);
    if (outcome == journal::Sequencer::Outcome::kTooLarge) return lines.Wrong("too long a line");
    if (outcome == journal::Sequencer::Outcome::kFailed) return Unavailable(sequencer_->failure());
    ++twins;
  }
}

}  // namespace gemel
