#include "gateway/playback/recording.h"

#include <fstream>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gateway/journal/folder.h"
#include "gateway/journal/reader.h"
#include "gateway/journal/segment.h"
#include "gateway/model/plugin.h"
#include "gateway/sqlite/database.h"

namespace gemel::playback {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr int kFormat = 1;

Status Refused(const fs::path& path, const char* what, const std::error_code& error) {
  std::string message = fmt::format("{}: {}: {}", path.string(), what, error.message());
  if (error == std::errc::no_space_on_device) return {Code::kFull, std::move(message)};
  return Unavailable(std::move(message));
}

Status CopyFile(const fs::path& from, const fs::path& to) {
  GEMEL_TRY(journal::MakeFolder(to.parent_path()));
  std::error_code error;
  fs::copy_file(from, to, fs::copy_options::overwrite_existing, error);
  return error ? Refused(from, fmt::format("cannot be copied to {}", to.string()).c_str(), error)
               : Status::Ok();
}

Status WriteText(const fs::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text << '\n';
  file.flush();
  if (file) return Status::Ok();
  return Unavailable(fmt::format("{}: cannot be written", path.string()));
}

// Of a model, below the recording's folder. A script keeps its name, which stands in its errors.
fs::path CodePath(const std::string& model, const std::optional<std::string>& script) {
  return script ? fs::path("models") / model / *script : fs::path("models") / (model + ".so");
}

}  // namespace

bool IsRecording(const fs::path& folder) {
  std::error_code error;
  return fs::is_regular_file(RecordingPaths(folder).about, error);
}

Status CheckRecording(const fs::path& folder) {
  const fs::path path = RecordingPaths(folder).about;
  std::ifstream file(path, std::ios::binary);
  const ordered_json about = ordered_json::parse(file, nullptr, false);
  try {
    if (about.at("format").get<int>() > kFormat) {
      return Invalid(fmt::format("{}: of format {}; this program knows formats up to {}",
                                 path.string(), about.at("format").dump(), kFormat));
    }
    for (const ordered_json& model : about.at("models")) {
      const auto script = model.find("script");
      const fs::path code = CodePath(
          model.at("name").get<std::string>(),
          script == model.end() ? std::nullopt : std::optional(script->get<std::string>()));
      GEMEL_TRY_LET(const std::string digest, model::HashOf(folder / code));
      if (digest == model.at("sha256").get<std::string>()) continue;
      return Damaged(
          fmt::format("{}: it is another plug-in than was recorded", (folder / code).string()));
    }
  } catch (const ordered_json::exception&) {
    return Damaged(fmt::format("{}: it is not what was recorded", path.string()));
  }
  return Status::Ok();
}

Result<std::optional<store::Base>> BaseOf(const fs::path& folder) {
  const fs::path path = RecordingPaths(folder).base;
  std::error_code error;
  if (!fs::exists(path, error)) return std::optional<store::Base>();
  GEMEL_TRY_LET(auto database, sqlite::Database::Open(path, sqlite::Database::Mode::kReadOnly));
  GEMEL_TRY_LET(const Lsn checkpoint, store::CheckpointOf(database));
  return std::optional(store::Base{path, checkpoint});
}

Result<Recorder> Recorder::Begin(Recorded recorded, const fs::path& folder,
                                 const std::string& program) {
  std::error_code error;
  if (fs::exists(folder, error) && !fs::is_empty(folder, error)) {
    return Invalid(fmt::format("{}: it is there already; a recording needs a folder of its own",
                               folder.string()));
  }
  if (!fs::is_directory(recorded.journal, error)) {
    return NotFound(fmt::format("{}: there is no journal; has this gateway run yet?",
                                recorded.journal.string()));
  }
  Recorder recorder(std::move(recorded), folder);
  GEMEL_TRY(journal::MakeFolder(recorder.paths_.journal));
  GEMEL_TRY(recorder.CopyBase());
  GEMEL_TRY(recorder.Follow());
  GEMEL_TRY(recorder.CopyConfiguration(program));
  return recorder;
}

Result<std::optional<store::Base>> Recorder::PastBase() const {
  GEMEL_TRY_LET(const std::vector<fs::path> segments, journal::FindSegments(recorded_.journal));
  if (segments.empty()) return NotFound(fmt::format("{}: it is empty", recorded_.journal.string()));
  GEMEL_TRY_LET(const journal::SegmentHead oldest, journal::ReadSegmentHead(segments.front()));
  std::optional<store::Base> found;
  for (const store::Base& base : store::FindBases(store::BasesFolder(recorded_.store))) {
    // One whose journal is gone, and that the gateway has not removed yet.
    if (oldest.IsTooLateFor(base.checkpoint)) continue;
    if (!found || base.made <= *recorded_.from) found = base;
  }
  if (found && found->made <= *recorded_.from) return found;
  if (oldest.previous == kNoLsn) return std::optional<store::Base>();
  if (found) return found;
  return NotFound(
      fmt::format("{}: there are no twins of the past: journal.retention.bases says how many are "
                  "kept, and journal.retention how much of the journal",
                  store::BasesFolder(recorded_.store).string()));
}

Status Recorder::CopyBase() {
  if (recorded_.from) {
    GEMEL_TRY_LET(const auto base, PastBase());
    if (!base) return Status::Ok();
    checkpoint_ = base->checkpoint;
    base_made_ = base->made;
    return CopyFile(base->path, paths_.base);
  }
  auto database = sqlite::Database::Open(recorded_.store, sqlite::Database::Mode::kReadOnly);
  if (!database.ok() && database.status().code() == Code::kNotFound) return Status::Ok();
  if (!database.ok()) return std::move(database).status();
  GEMEL_TRY(database->CopyTo(paths_.base));
  GEMEL_TRY_LET(auto copy, sqlite::Database::Open(paths_.base, sqlite::Database::Mode::kReadOnly));
  GEMEL_TRY_LET(checkpoint_, store::CheckpointOf(copy));
  return Status::Ok();
}

Status Recorder::CopyConfiguration(const std::string& program) {
  ordered_json document = ordered_json::parse(recorded_.meaning);
  ordered_json about = {{"format", kFormat}, {"program", program}, {"models", {}}};
  const auto take = [&](ordered_json& name, const fs::path& from, const fs::path& to) {
    Status copied = CopyFile(from, folder_ / to);
    name = to.string();
    return copied;
  };
  for (ordered_json& model : document["models"]) {
    const auto name = model["name"].get<std::string>();
    const fs::path code = recorded_.code.at(name);
    const bool is_script = model.contains("script");
    GEMEL_TRY_LET(const std::string digest, model::HashOf(code));
    about["models"].push_back({{"name", name},
                               {is_script ? "script" : "plugin", code.filename().string()},
                               {"sha256", digest}});
    GEMEL_TRY(
        take(model[is_script ? "script" : "plugin"], code,
             CodePath(name, is_script ? std::optional(code.filename().string()) : std::nullopt)));
    const auto take_file = [&](ordered_json& file, const std::string& kind) {
      const fs::path from = recorded_.folder / file.get<std::string>();
      return take(file, from, fs::path("files") / name / (kind + "-" + from.filename().string()));
    };
    if (model.contains("profile")) GEMEL_TRY(take_file(model["profile"], "profile"));
    if (!model.contains("tables")) continue;
    for (auto& table : model["tables"].items())
      GEMEL_TRY(take_file(table.value(), "table-" + table.key()));
  }
  GEMEL_TRY(WriteText(paths_.configuration, document.dump(2)));
  return WriteText(paths_.about, about.dump(2));
}

Status Recorder::CopySegments(bool with_last) {
  GEMEL_TRY_LET(const std::vector<fs::path> paths, journal::FindSegments(recorded_.journal));
  for (size_t i = 0; i < paths.size(); ++i) {
    const bool is_last = i + 1 == paths.size();
    if (is_last && !with_last) break;
    const Lsn first = *journal::LsnOfName(paths[i].filename().string());
    const bool is_needed =
        is_last || *journal::LsnOfName(paths[i + 1].filename().string()) > checkpoint_;
    if (!is_needed || copied_.contains(first)) continue;
    GEMEL_TRY(CopyFile(paths[i], paths_.journal / paths[i].filename()));
    if (!is_last) copied_.insert(first);  // the last one grows
  }
  return Status::Ok();
}

Status Recorder::Follow() { return CopySegments(false); }

Status Recorder::End() {
  // The database first: what it has seen is in the journal by then.
  auto database = sqlite::Database::Open(recorded_.store, sqlite::Database::Mode::kReadOnly);
  if (database.ok()) {
    GEMEL_TRY(database->CopyTo(paths_.end));
  } else if (database.status().code() != Code::kNotFound) {
    return std::move(database).status();
  }
  // A copy that grew while it was made may hold a later frame and not the one before it.
  constexpr int kAttemptsMax = 3;
  Status status;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    status = CopyLast();
    if (status.code() != Code::kDamaged) break;
  }
  return status;
}

Status Recorder::CopyLast() {
  GEMEL_TRY(CopySegments(true));
  // As a fold opens it: without a base it needs the journal from its beginning on.
  GEMEL_TRY_LET(auto reader, journal::JournalReader::Open(paths_.journal, checkpoint_));
  while (true) {
    GEMEL_TRY_LET(const auto frame, reader.Next());
    if (!frame) break;
  }
  // A start would take it for what a loss of power has left; here none was.
  if (!reader.lost_segments().empty()) {
    return Damaged(fmt::format(
        "{}: the segment before it is missing: the gateway has dropped it before it was copied",
        reader.lost_segments().front().string()));
  }
  // Of the segment that grows: what was reserved for it, and a frame that was being written.
  return reader.Cut();
}

}  // namespace gemel::playback
