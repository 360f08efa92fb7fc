#include "gateway/store/bases.h"

#include <fstream>

#include <gtest/gtest.h>

#include "gateway/sqlite/database.h"
#include "gateway/store/store.h"
#include "tests/store/site.h"
#include "tests/support/temp_dir.h"

namespace gemel::store {
namespace {

class BasesTest : public ::testing::Test {
 protected:
  BasesTest() : site_(MadeJournal(), {.segment_bytes = 8 * 1'024}) {
    auto store = Store::Open(path(), site_.probes.world, site_.shards());
    EXPECT_TRUE(store.ok()) << store.status().message();
    store_ = *std::move(store);
    EXPECT_TRUE(store_->Restore(site_.gate()).ok());
    site_.Start();
  }
  // Writes so many messages and saves; the checkpoint.
  Lsn Live(int messages) {
    for (int i = 0; i < messages; ++i) site_.Append({.id = std::to_string(i % 7)});
    site_.Twins();  // waits
    return store_
        ->Save({.sequencer = site_.sequencer(),
                .journal = site_.journal(),
                .effects = [] { return std::vector<effects::OwnedEffect>(); }})
        ->checkpoint;
  }
  Result<bool> Keep(Lsn checkpoint, const BasePolicy& policy) {
    return KeepBases(path(), folder_ / "journal", checkpoint, policy, site_.clock.Now());
  }
  std::vector<Base> bases() const { return FindBases(BasesFolder(path())); }
  std::filesystem::path path() const { return folder_ / "gemel.db"; }
  std::filesystem::path MadeJournal() const {
    std::filesystem::create_directories(folder_ / "journal");
    return folder_ / "journal";
  }

  support::TempDir folder_;
  Site site_;
  std::unique_ptr<Store> store_;
};

constexpr BasePolicy kNever{.bytes = UINT64_MAX, .time = std::chrono::hours(1'000)};

TEST_F(BasesTest, IsMadeOnceSoMuchOfTheJournalHasCome) {
  const BasePolicy policy{.bytes = 32 * 1'024, .time = std::chrono::hours(1'000)};
  const Lsn early = Live(10);
  EXPECT_FALSE(*Keep(early, policy));
  const Lsn late = Live(300);
  EXPECT_TRUE(*Keep(late, policy));
  EXPECT_FALSE(*Keep(late, policy)) << "nothing has come since";
  ASSERT_EQ(bases().size(), 1U);
  EXPECT_EQ(bases()[0].checkpoint, late);
  auto database = sqlite::Database::Open(bases()[0].path, sqlite::Database::Mode::kReadOnly);
  ASSERT_TRUE(database.ok());
  EXPECT_EQ(database->Integer("SELECT count(*) FROM probe").value(), 7);
}

TEST_F(BasesTest, IsMadeOnceSoMuchTimeHasPassed) {
  const BasePolicy policy{.bytes = UINT64_MAX, .time = std::chrono::minutes(15)};
  const Lsn checkpoint = Live(50);
  EXPECT_FALSE(*Keep(checkpoint, policy));
  site_.clock.Advance(std::chrono::minutes(15));
  EXPECT_TRUE(*Keep(checkpoint, policy));
}

TEST_F(BasesTest, GoesWhenItsJournalIsGone) {
  const BasePolicy policy{.bytes = 1, .time = std::chrono::hours(1'000)};
  ASSERT_TRUE(*Keep(Live(100), policy));
  const Lsn second = Live(100);
  ASSERT_TRUE(*Keep(second, policy));
  ASSERT_EQ(bases().size(), 2U);
  ASSERT_FALSE(*Keep(second, kNever));
  EXPECT_EQ(bases().size(), 2U) << "the journal goes back to its beginning";
  const auto segments = journal::FindSegments(folder_ / "journal").value();
  for (size_t i = 0; i + 1 < segments.size(); ++i) {
    if (*journal::LsnOfName(segments[i + 1].filename().string()) <= second + 1)
      std::filesystem::remove(segments[i]);
  }
  ASSERT_FALSE(*Keep(second, kNever));
  ASSERT_EQ(bases().size(), 1U);
  EXPECT_EQ(bases()[0].checkpoint, second);
}

TEST_F(BasesTest, WhatAnEndedProcessLeftUnfinishedIsNoBase) {
  const auto folder = BasesFolder(path());
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "unfinished") << "half";
  std::ofstream(folder / "notes.txt") << "of a person";
  EXPECT_TRUE(bases().empty());
  EXPECT_TRUE(*Keep(Live(100), {.bytes = 1, .time = std::chrono::hours(1)}));
  EXPECT_EQ(bases().size(), 1U);
  EXPECT_FALSE(std::filesystem::exists(folder / "unfinished"));
}

}  // namespace
}  // namespace gemel::store
