#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/playback/collector.h"
#include "gateway/playback/fold.h"
#include "gateway/playback/twin_line.h"
#include "gateway/sqlite/database.h"
#include "gateway/store/store.h"
#include "tests/store/site.h"

namespace gemel::playback {

// One process of a gateway that keeps a journal and a database in a folder, and the lines of its
// twins.
class Life {
 public:
  explicit Life(const std::filesystem::path& folder, store::SiteOptions options = {})
      : path_(folder / "gemel.db"), site(MadeJournal(folder), options) {}

  // Restores and replays, as a gateway starts; the status of what fails.
  Status Start() {
    GEMEL_TRY_LET(store_, store::Store::Open(path_, site.probes.world, site.shards()));
    GEMEL_TRY_LET(const store::Restored restored, store_->Restore(site.gate()));
    site.Start(restored.checkpoint);
    return Status::Ok();
  }
  Status Save() {
    return store_
        ->Save({.sequencer = site.sequencer(),
                .journal = site.journal(),
                .effects = [] { return std::vector<effects::OwnedEffect>(); }})
        .status();
  }
  // The database as it is now, as one file that nobody else writes.
  void CopyTo(const std::filesystem::path& copy) const {
    auto database = sqlite::Database::Open(path_, sqlite::Database::Mode::kReadOnly);
    ASSERT_TRUE(database.ok()) << database.status().message();
    const Status copied = database->CopyTo(copy);
    ASSERT_TRUE(copied.ok()) << copied.message();
  }

  // Of all twins, once everything is applied.
  std::vector<std::string> Lines() {
    site.Twins();  // waits
    std::map<std::string, std::string> by_id;
    std::mutex mutex;
    site.shards().Scan(0, [&](uint32_t, const twin::Engine& engine, const twin::Twin& twin) {
      store::TwinBatch batch;
      batch.Add(twin, site.probes.model().state_size(), engine);
      std::string line;
      batch.ForEach(site.probes.model().state_size(), [&](const store::CopiedTwin& copied) {
        AppendTwinLine(copied, site.probes.world, 0, line);
      });
      const std::lock_guard lock(mutex);
      by_id[std::string(twin.id())] = line;
    });
    std::vector<std::string> lines;
    lines.reserve(by_id.size());
    for (auto& [id, line] : by_id) lines.push_back(std::move(line));
    return lines;
  }

 private:
  static std::filesystem::path MadeJournal(const std::filesystem::path& folder) {
    std::filesystem::create_directories(folder / "journal");
    return folder / "journal";
  }

  const std::filesystem::path path_;

 public:
  store::Site site;

 private:
  std::unique_ptr<store::Store> store_;
};

// The world of a Life, for a fold.
struct FoldWorld {
  FoldWorld() {
    for (twin::Route& route : probes.world.routes) route.repeat_window = 8;
  }
  twin::ProbeWorld probes;
};

// Messages of all sorts to a few twins: late ones, repeats, ones that can't be read, ones that the
// model fails on, deletions.
inline std::vector<store::Line> RandomLines(std::mt19937_64& random, size_t count,
                                            size_t twins = 30) {
  constexpr const char* kOrders[] = {"",     "reply", "soon",  "raise", "minor",       "clear",
                                     "draw", "throw", "flood", "look",  "clear raise", "fill",
                                     "long"};
  constexpr const char* kRegions[] = {"north", "süd", "east"};
  std::vector<store::Line> lines;
  for (size_t i = 0; i < count; ++i) {
    const uint64_t word = random();
    const auto part = [word](unsigned shift, uint64_t below) { return (word >> shift) % below; };
    store::Line line{
        .id = "device-" + std::to_string(part(0, twins)),
        .json = fmt::format(R"({{"a":{}.5,"b":{},"kind":"k\"{}","made":{},"order":"{}"}})",
                            part(8, 100), part(16, 100), part(20, 5),
                            1'704'067'200'000 + part(24, 1'000), kOrders[random() % 13]),
        .route = static_cast<uint16_t>(part(32, twin::kRoutes)),
        .region = kRegions[part(36, 3)]};
    if (part(40, 20) == 0) line.json = "{";
    if (part(44, 25) == 0) line.json = R"({"a":-0.0})";
    if (part(48, 2) == 0) line.event_time = twin::kStart + std::chrono::seconds(random() % 100);
    if (part(50, 2) == 0) line.message_id = random() % 12;
    line.is_deletion = part(52, 40) == 0;
    lines.push_back(std::move(line));
  }
  return lines;
}

// Without those whose many alerts take long.
inline std::vector<store::Line> QuickLines(std::mt19937_64& random, size_t count) {
  std::vector<store::Line> lines = RandomLines(random, count);
  std::erase_if(lines, [](const store::Line& line) {
    return line.json.find('f') != std::string::npos;  // fill, flood
  });
  return lines;
}

inline std::string BytesOf(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Of each file below a folder: when it was written, and its bytes.
inline std::map<std::string, std::pair<int64_t, std::string>> FilesOf(
    const std::filesystem::path& folder) {
  std::map<std::string, std::pair<int64_t, std::string>> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    files[entry.path().string()] = {entry.last_write_time().time_since_epoch().count(),
                                    BytesOf(entry.path())};
  }
  return files;
}

inline std::vector<std::string> TextsOf(const std::vector<EffectLine>& lines) {
  std::vector<std::string> texts;
  texts.reserve(lines.size());
  for (const EffectLine& line : lines) texts.push_back(line.json);
  return texts;
}

}  // namespace gemel::playback
