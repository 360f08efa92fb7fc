#include "gateway/store/store.h"

#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/sqlite/database.h"
#include "gateway/store/verify.h"
#include "tests/store/site.h"
#include "tests/support/temp_dir.h"

namespace gemel::store {
namespace {

using testing::HasSubstr;

// A process with a store: what a gateway is, as far as its twins go.
class StoredSite {
 public:
  explicit StoredSite(const std::filesystem::path& folder, SiteOptions options = {})
      : path_(folder / "gemel.db"), site(folder / "journal", options) {}

  // Restores and replays, as a gateway starts; the status of what fails.
  Status Start() {
    GEMEL_TRY_LET(store, Store::Open(path_, site.probes.world, site.shards()));
    GEMEL_TRY_LET(restored, store->Restore(site.gate()));
    recovered = site.Start(restored.checkpoint);
    return Status::Ok();
  }
  Result<Saved> Save(std::vector<effects::OwnedEffect> effects = {}) {
    return store->Save({.sequencer = site.sequencer(),
                        .journal = site.journal(),
                        .effects = [&effects] { return effects; }});
  }

 private:
  const std::filesystem::path path_;

 public:
  Site site;
  std::unique_ptr<Store> store;
  Restored restored;
  Recovered recovered;
};

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() { std::filesystem::create_directories(folder_ / "journal"); }

  static std::vector<Line> Lines(uint64_t seed, size_t count) {
    constexpr const char* kOrders[] = {"", "reply", "raise", "minor", "clear", "draw", "throw"};
    std::mt19937_64 random(seed);
    std::vector<Line> lines;
    for (size_t i = 0; i < count; ++i) {
      lines.push_back({.id = "device-" + std::to_string(random() % 30),
                       .json = fmt::format(
                           R"({{"a": {}.5, "b": {}, "kind": "k{}", "made": {}, "order": "{}"}})",
                           random() % 100, random() % 100, random() % 5,
                           1'704'067'200'000 + random() % 1'000, kOrders[random() % 7]),
                       .region = random() % 2 == 0 ? "north" : "süd",
                       .message_id = random() % 40,
                       .is_deletion = random() % 60 == 0});
    }
    return lines;
  }
  std::vector<std::string> Expected(const std::vector<Line>& lines, uint32_t shards = 2) {
    support::TempDir folder;
    Site site(folder.path(), {.shards = shards});
    site.Start();
    site.AppendAll(lines);
    return site.Twins();
  }
  std::filesystem::path path() const { return folder_ / "gemel.db"; }

  support::TempDir folder_;
};

TEST_F(StoreTest, TimersThatWereSavedAndThoseThatFiredAfterItAreThereAgain) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  uint64_t epoch = 1;
  std::vector<std::string> twins;
  for (const uint32_t shards : {1U, 2U, 7U, 3U}) {
    StoredSite next(folder_.path(), {.epoch = epoch++, .shards = shards, .is_timing = true});
    next.site.clock.Advance(std::chrono::hours(epoch));  // no start is before the last one's end
    const Status status = next.Start();
    ASSERT_TRUE(status.ok()) << status.message();
    for (const Line& line : DerivedLines(random, 600)) {
      next.site.Append(line);
      if (random() % 200 == 0) {
        ASSERT_TRUE(next.Save().ok());
      }
    }
    EXPECT_GT(next.site.fired(), 100u);
    twins = next.site.Twins();
    StoredSite reader(folder_.path(), {.epoch = epoch++, .shards = 2});
    ASSERT_TRUE(reader.Start().ok());
    EXPECT_EQ(reader.site.Twins(), twins);
  }
}

TEST_F(StoreTest, WhatWasSavedAndWhatCameAfterItIsThereAgain) {
  const std::vector<Line> lines = Lines(1, 2'000);
  const auto middle = lines.begin() + 1'200;
  uint64_t epoch = 1;
  {
    StoredSite first(folder_.path(), {.epoch = epoch++});
    ASSERT_TRUE(first.Start().ok());
    size_t at = 0;
    for (auto line = lines.begin(); line != middle; ++line) {
      first.site.Append(*line);
      if (++at % 300 == 0) {
        ASSERT_TRUE(first.Save().ok());
      }
    }
    first.site.AppendAll({middle, lines.end()});
    EXPECT_EQ(first.site.Twins(), Expected(lines));
  }
  for (const uint32_t shards : {1U, 2U, 7U}) {
    StoredSite next(folder_.path(), {.epoch = epoch++, .shards = shards});
    const Status status = next.Start();
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_GT(next.restored.twins, 0u);
    EXPECT_LT(next.recovered.records, lines.size());
    EXPECT_EQ(next.site.Twins(), Expected(lines)) << shards << " shards";
    ASSERT_TRUE(next.Save().ok());
  }
}

TEST_F(StoreTest, ASnapshotHoldsOnlyWhatHasChanged) {
  StoredSite site(folder_.path());
  ASSERT_TRUE(site.Start().ok());
  for (int i = 0; i < 500; ++i) site.site.Append({.id = std::to_string(i)});
  site.site.Twins();
  EXPECT_EQ(site.Save()->twins, 500u);
  site.site.Append({.id = "7"});
  site.site.Twins();
  EXPECT_EQ(site.Save()->twins, 1u);
  EXPECT_EQ(site.Save()->twins, 0u);
}

TEST_F(StoreTest, TheCheckpointOfAnIdleGatewayMovesOn) {
  StoredSite site(folder_.path(), {.shards = 7});
  ASSERT_TRUE(site.Start().ok());
  for (int i = 0; i < 5; ++i) site.site.Append({.id = "x"});  // all of one shard
  site.site.Twins();
  const Result<Saved> saved = site.Save();
  ASSERT_TRUE(saved.ok());
  EXPECT_EQ(saved->checkpoint, MakeLsn(1, 5));
}

TEST_F(StoreTest, EffectsThatWaitAreSavedAndNotDecidedTwice) {
  {
    StoredSite first(folder_.path());
    ASSERT_TRUE(first.Start().ok());
    first.site.Append({.json = R"({"order": "reply"})"});
    std::vector<effects::OwnedEffect> waiting;
    for (const twin::Kept& kept : first.site.Effects()) {
      waiting.emplace_back(effects::Effect{
          .id = kept.id, .kind = kept.kind, .topic = kept.topic, .payload = kept.payload});
    }
    ASSERT_EQ(waiting.size(), 1u);
    ASSERT_EQ(first.Save(waiting)->effects, 1u);
    first.site.Append({.json = R"({"order": "reply reply"})"});
  }
  StoredSite next(folder_.path(), {.epoch = 2});
  ASSERT_TRUE(next.Start().ok());
  const std::vector<twin::Kept> effects = next.site.Effects();
  ASSERT_EQ(effects.size(), 3u);
  EXPECT_EQ(effects[0].id, (EffectId{MakeLsn(1, 1), 0}));
  EXPECT_EQ(effects[2].id, (EffectId{MakeLsn(1, 2), 1}));
}

TEST_F(StoreTest, ADeletedTwinStaysDeletedThoughOlderMessagesAreReplayed) {
  const Lsn before = MakeLsn(1, 0);
  {
    StoredSite first(folder_.path(), {.shards = 1});
    ASSERT_TRUE(first.Start().ok());
    for (int i = 0; i < 3; ++i) first.site.Append({.id = "gone"});
    first.site.Append({.id = "gone", .is_deletion = true});
    first.site.Append({.id = "stays"});
    first.site.Twins();
    ASSERT_TRUE(first.Save().ok());
  }
  // As if one shard had been far behind the others when its scan began.
  StoredSite next(folder_.path(), {.epoch = 2, .shards = 1});
  GEMEL_ASSERT(next.Start().ok());
  EXPECT_EQ(next.site.Twins().size(), 1u);
  EXPECT_GT(next.restored.checkpoint, before);
  StoredSite again(folder_.path(), {.epoch = 3, .shards = 1});
  again.store = *Store::Open(path(), again.site.probes.world, again.site.shards());
  ASSERT_TRUE(again.store->Restore(again.site.gate()).ok());
  again.site.Start(kNoLsn);
  const auto twins = again.site.Twins();
  ASSERT_EQ(twins.size(), 1u);
  EXPECT_THAT(twins[0], HasSubstr("stays"));
}

TEST_F(StoreTest, TheShellReadsTypedColumns) {
  {
    StoredSite site(folder_.path());
    ASSERT_TRUE(site.Start().ok());
    site.site.Append({.id = "p1", .json = R"({"a": 1.5, "b": 7, "is_on": true})"});
    site.site.Twins();
    ASSERT_TRUE(site.Save().ok());
  }
  auto database = sqlite::Database::Open(path(), sqlite::Database::Mode::kReadOnly);
  ASSERT_TRUE(database.ok());
  auto select = database->Prepare("SELECT id, a, b, is_on, region, \"limit\", made FROM probe");
  ASSERT_TRUE(select.ok()) << select.status().message();
  ASSERT_TRUE(*select->Step());
  EXPECT_EQ(select->text(0), "p1");
  EXPECT_EQ(select->real(1), 1.5);
  EXPECT_EQ(select->integer(2), 7);
  EXPECT_EQ(select->integer(3), 1);
  EXPECT_EQ(select->text(4), "north");
  EXPECT_EQ(select->real(5), 4);
  EXPECT_EQ(select->type(6), sqlite::Type::kNull);
}

TEST_F(StoreTest, AForeignOrNewerDatabaseIsRefusedWithWhatToDo) {
  {
    auto database = sqlite::Database::Open(path(), sqlite::Database::Mode::kReadWrite);
    ASSERT_TRUE(database->Run("CREATE TABLE photos (name TEXT)").ok());
  }
  StoredSite site(folder_.path());
  const Status foreign = site.Start();
  EXPECT_EQ(foreign.code(), Code::kDamaged);
  EXPECT_THAT(foreign.message(), HasSubstr("gemel repair"));
  std::filesystem::remove(path());
  {
    StoredSite ours(folder_.path());
    ASSERT_TRUE(ours.Start().ok());
  }
  {
    auto database = sqlite::Database::Open(path(), sqlite::Database::Mode::kReadWrite);
    ASSERT_TRUE(database->Run("PRAGMA user_version = 999").ok());
  }
  StoredSite older(folder_.path());
  const Status newer = older.Start();
  EXPECT_EQ(newer.code(), Code::kInvalid);
  EXPECT_THAT(newer.message(), HasSubstr("of version 999"));
}

// Every value of every table, in order; what SQLite itself would let pass.
Result<std::string> Dump(const std::filesystem::path& path) {
  GEMEL_TRY_LET(sqlite::Database database,
                sqlite::Database::Open(path, sqlite::Database::Mode::kReadOnly));
  std::string dump;
  for (const char* table : {"probe", "gemel_tables", "gemel_checkpoints", "gemel_outbox"}) {
    GEMEL_TRY_LET(sqlite::Statement select,
                  database.Prepare(std::string("SELECT * FROM ") + table));
    while (true) {
      GEMEL_TRY_LET(const bool has_row, select.Step());
      if (!has_row) break;
      for (int column = 0; column < select.columns(); ++column) {
        dump += fmt::format("{}:", static_cast<int>(select.type(column)));
        const auto bytes = select.blob(column);
        dump.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        dump += '|';
      }
    }
  }
  return dump;
}

TEST_F(StoreTest, VerifyFindsEveryFlippedByteThatChangesAValue) {
  constexpr int kFlips = 1'000;
  {
    StoredSite site(folder_.path());
    ASSERT_TRUE(site.Start().ok());
    site.site.AppendAll(Lines(3, 600));
    site.site.Twins();
    std::vector<effects::OwnedEffect> waiting;
    waiting.emplace_back(effects::Effect{.id = {1, 2}, .topic = "t/1", .payload = "{}"});
    ASSERT_TRUE(site.Save(waiting).ok());
    ASSERT_TRUE(site.store->Checkpoint().value());
  }
  ASSERT_TRUE(VerifyDatabase(path()).ok());
  const std::string whole = Dump(path()).value();
  std::ifstream file(path(), std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  std::mt19937_64 random(4);
  int changed = 0;
  int missed = 0;
  for (int i = 0; i < kFlips; ++i) {
    std::vector<char> flipped = bytes;
    char& byte = flipped[random() % flipped.size()];
    byte = static_cast<char>(byte ^ (1 + random() % 255));
    for (const char* suffix : {"-wal", "-shm"}) std::filesystem::remove(path().string() + suffix);
    std::ofstream(path(), std::ios::binary | std::ios::trunc)
        .write(flipped.data(), static_cast<std::streamsize>(flipped.size()));
    const Result<std::string> dump = Dump(path());
    if (dump.ok() && *dump == whole) continue;
    ++changed;
    if (VerifyDatabase(path()).ok()) ++missed;
  }
  EXPECT_GT(changed, kFlips / 4);
  EXPECT_EQ(missed, 0) << "of " << changed;
}

TEST_F(StoreTest, ADamagedRowIsRefusedAtTheStart) {
  {
    StoredSite site(folder_.path());
    ASSERT_TRUE(site.Start().ok());
    site.site.AppendAll(Lines(3, 100));
    site.site.Twins();
    ASSERT_TRUE(site.Save().ok());
  }
  for (const char* sql :
       {"UPDATE probe SET a = a + 1 WHERE gemel_row = 3", "DELETE FROM probe WHERE gemel_row = 3",
        "UPDATE gemel_checkpoints SET lsn = lsn - 1", "DELETE FROM gemel_tables"}) {
    std::filesystem::copy_file(path(), folder_ / "copy.db");
    {
      auto database =
          sqlite::Database::Open(folder_ / "copy.db", sqlite::Database::Mode::kReadWrite);
      ASSERT_TRUE(database->Run(sql).ok()) << sql;
    }
    const Status verified = VerifyDatabase(folder_ / "copy.db").status();
    EXPECT_EQ(verified.code(), Code::kDamaged) << sql;
    twin::ProbeWorld probes;
    twin::KeptSink sink;
    effects::Gate gate(sink);
    twin::ShardSet shards(probes.world, gate, 2, 64 * 1'024);
    auto store = Store::Open(folder_ / "copy.db", probes.world, shards);
    ASSERT_TRUE(store.ok());
    const Status restored = (*store)->Restore(gate).status();
    EXPECT_EQ(restored.code(), Code::kDamaged) << sql;
    EXPECT_THAT(restored.message(), HasSubstr("Restore the file from a copy"));
    std::filesystem::remove(folder_ / "copy.db");
  }
}

// Else segments of the journal would be dropped that a start needs after a loss of power.
TEST_F(StoreTest, WhileSomebodyReadsTheDatabaseACheckpointIsNotTakenForDurable) {
  StoredSite site(folder_.path());
  ASSERT_TRUE(site.Start().ok());
  site.site.Append({});
  ASSERT_TRUE(site.Save().ok());
  auto reader = sqlite::Database::Open(path(), sqlite::Database::Mode::kReadOnly);
  ASSERT_TRUE(reader->Run("BEGIN").ok());
  ASSERT_TRUE(reader->Integer("SELECT count(*) FROM gemel_tables").ok());
  site.site.Append({});
  ASSERT_TRUE(site.Save().ok());
  const Result<bool> held = site.store->Checkpoint();
  ASSERT_TRUE(held.ok()) << held.status().message();
  EXPECT_FALSE(*held);
  ASSERT_TRUE(reader->Run("COMMIT").ok());
  const Result<bool> free = site.store->Checkpoint();
  EXPECT_TRUE(free.ok() && *free);
}

TEST_F(StoreTest, AJournalThatEndsBeforeWhatATwinHasSeenIsRefused) {
  {
    StoredSite first(folder_.path());
    ASSERT_TRUE(first.Start().ok());
    for (int i = 0; i < 5; ++i) first.site.Append({});
    first.site.Twins();
    ASSERT_TRUE(first.Save().ok());
  }
  const auto recover = [this](uint64_t epoch) {
    StoredSite next(folder_.path(), {.epoch = epoch});
    next.store = *Store::Open(path(), next.site.probes.world, next.site.shards());
    const Result<Restored> restored = next.store->Restore(next.site.gate());
    GEMEL_ASSERT(restored.ok());
    Result<Recovered> recovered =
        next.site.Recover(next.site.CatalogOf(), restored->checkpoint, restored->highest_row);
    return std::move(recovered).status();
  };
  EXPECT_TRUE(recover(2).ok());
  const auto segments = journal::FindSegments(folder_ / "journal");
  ASSERT_TRUE(segments.ok());
  for (const std::filesystem::path& segment : segments.value()) std::filesystem::remove(segment);
  const Status gone = recover(3);
  EXPECT_EQ(gone.code(), Code::kDamaged);
  EXPECT_THAT(gone.message(), HasSubstr("some of it is gone"));
}

}  // namespace
}  // namespace gemel::store
