#include "gateway/playback/check.h"

#include <atomic>
#include <cmath>
#include <functional>
#include <latch>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/playback/life.h"
#include "tests/support/temp_dir.h"

namespace gemel::playback {
namespace {

using store::Line;
using testing::HasSubstr;

class CheckTest : public ::testing::Test {
 protected:
  std::filesystem::path snapshot(size_t number = 0) const {
    return folder_ / ("snapshot-" + std::to_string(number) + ".db");
  }
  Checked CheckedOf(const std::filesystem::path& snapshot, const std::filesystem::path& base,
                    uint32_t shards) {
    FoldWorld world;
    auto checked =
        CheckAgainst(snapshot, base, folder_ / "journal", world.probes.world, shards, 10);
    EXPECT_TRUE(checked.ok()) << checked.status().message();
    return checked.ok() ? *std::move(checked) : Checked{.differing = 999};
  }
  void ExpectSame(const std::filesystem::path& snapshot, uint64_t twins,
                  const std::filesystem::path& base = {}) {
    for (const uint32_t shards : {1U, 3U}) {
      const Checked checked = CheckedOf(snapshot, base, shards);
      EXPECT_EQ(checked.differing, 0u)
          << snapshot << ": " << (checked.examples.empty() ? "" : checked.examples[0]);
      EXPECT_EQ(checked.twins, twins) << snapshot;
    }
  }
  // A process that has had these messages, saved and ended, its database being snapshot(0).
  void Live(const std::vector<Line>& lines) {
    Life life(folder_.path());
    ASSERT_TRUE(life.Start().ok());
    life.site.AppendAll(lines);
    life.Lines();
    ASSERT_TRUE(life.Save().ok());
    life.CopyTo(snapshot());
  }
  // Changes a twin of a snapshot as a gateway would that had another state, checksums included.
  void Change(const std::function<void(twin::Twin&, twin::Probe::State&)>& change) {
    const support::TempDir other;
    std::filesystem::copy_file(snapshot(), other / "gemel.db");
    {
      Life life(other.path(), {.shards = 1});
      ASSERT_TRUE(life.Start().ok());
      life.site.Twins();
      std::latch done(1);
      life.site.shards().Ask(0, [&](twin::Engine& engine) {
        twin::Twin* twin = engine.table(0).Find(HashKey("probe", "x"), "x");
        change(*twin, *reinterpret_cast<twin::Probe::State*>(twin->state()));
        engine.table(0).MarkDirty(*twin);
        done.count_down();
        return true;
      });
      done.wait();
      ASSERT_TRUE(life.Save().ok());
      std::filesystem::remove(snapshot());
      life.CopyTo(snapshot());
    }
  }

  const uint64_t seed_ = std::random_device()();
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  std::mt19937_64 random_{seed_};
  support::TempDir folder_;
};

TEST_F(CheckTest, ASnapshotOfWhatWasRecordedIsTheSame) {
  Live(RandomLines(random_, 2'000));
  ExpectSame(snapshot(), CheckedOf(snapshot(), {}, 2).twins);
  EXPECT_GT(CheckedOf(snapshot(), {}, 2).twins, 20u);
}

// Each snapshot is of no single moment: twins are copied while messages come, deletions among them.
TEST_F(CheckTest, SnapshotsThatWereTakenWhileRecordsCameAreTheSame) {
  constexpr size_t kSnapshots = 5;
  const std::vector<Line> lines = QuickLines(random_, 500);
  {
    Life life(folder_.path(), {.shards = 3});
    ASSERT_TRUE(life.Start().ok());
    std::atomic<bool> is_ending{false};
    std::thread messages([&] {
      while (!is_ending) life.site.AppendAll(lines);
    });
    for (size_t i = 0; i < kSnapshots; ++i) {
      EXPECT_TRUE(life.Save().ok());
      EXPECT_TRUE(life.Save().ok());
      life.CopyTo(snapshot(i));
    }
    is_ending = true;
    messages.join();
  }
  for (size_t i = 0; i < kSnapshots; ++i) {
    const Checked checked = CheckedOf(snapshot(i), {}, static_cast<uint32_t>(1 + i % 3));
    EXPECT_EQ(checked.differing, 0u) << i << checked.examples.size();
    for (const std::string& example : checked.examples) ADD_FAILURE() << i << ": " << example;
    if (i < 2) continue;
    const Checked from_base = CheckedOf(snapshot(i), snapshot(i - 2), 2);
    EXPECT_EQ(from_base.differing, 0u) << i;
    EXPECT_EQ(from_base.twins, checked.twins);
  }
}

TEST_F(CheckTest, TwinsThatAreDeletedMadeAgainOrMadeLaterAreNoDifference) {
  {
    Life life(folder_.path());
    ASSERT_TRUE(life.Start().ok());
    const auto delete_twin = [&](const char* id) {
      life.site.Append({.id = id, .is_deletion = true});
    };
    for (const char* id : {"stays", "goes", "comes back", "went", "late goer"})
      life.site.Append({.id = id, .json = R"({"a":1,"order":"raise"})", .message_id = 1});
    delete_twin("went");
    life.Lines();
    ASSERT_TRUE(life.Save().ok());
    life.CopyTo(snapshot(1));  // the base
    delete_twin("goes");
    delete_twin("comes back");
    life.site.Append({.id = "comes back", .json = R"({"a":2})", .message_id = 1});
    life.site.Append({.id = "went", .json = R"({"b":3})"});
    life.site.Append({.id = "new"});
    life.site.Append({.id = "new and gone"});
    delete_twin("new and gone");
    delete_twin("never there");
    life.Lines();
    ASSERT_TRUE(life.Save().ok());
    life.CopyTo(snapshot());
    life.site.Append({.id = "after"});
    life.site.Append({.id = "stays", .json = R"({"a":9})"});
    delete_twin("late goer");
    life.Lines();
  }
  ExpectSame(snapshot(), 5, snapshot(1));
  ExpectSame(snapshot(), 5);
}

// A saved row has no negative zero, and what was saved, or not, must not show afterwards.
TEST_F(CheckTest, ANegativeZeroIsNoDifference) {
  {
    Life life(folder_.path());
    ASSERT_TRUE(life.Start().ok());
    life.site.Append({.id = "x", .json = R"({"a":-0.0})"});
    life.Lines();
    ASSERT_TRUE(life.Save().ok());
    life.CopyTo(snapshot(1));                                       // the base
    life.site.Append({.id = "x", .json = R"({"order":"raise"})"});  // says what it knows
    life.Lines();
    ASSERT_TRUE(life.Save().ok());
    life.CopyTo(snapshot());
  }
  ExpectSame(snapshot(1), 1);
  ExpectSame(snapshot(), 1, snapshot(1));
}

TEST_F(CheckTest, AStateThatDiffersIsFoundAndNamed) {
  Live({{.id = "w"}, {.id = "x", .json = R"({"a":1.5})"}, {.id = "y"}});
  ExpectSame(snapshot(), 3);
  Change([](twin::Twin&, twin::Probe::State& state) { state.drawn = 42; });
  for (const uint32_t shards : {1U, 3U}) {
    const Checked checked = CheckedOf(snapshot(), {}, shards);
    EXPECT_EQ(checked.twins, 3u);
    EXPECT_EQ(checked.differing, 1u);
    ASSERT_EQ(checked.examples.size(), 1u);
    EXPECT_EQ(checked.examples[0], R"(twin probe/"x": state.drawn 42 and 0)");
  }
}

TEST_F(CheckTest, WhateverOfATwinDiffersIsFound) {
  const std::vector<Line> lines = {
      {.id = "x", .json = R"({"a":1.5,"order":"raise"})", .message_id = 1}, {.id = "y"}};
  using State = twin::Probe::State;
  const std::vector<std::function<void(twin::Twin&, State&)>> changes = {
      [](twin::Twin&, State& state) { state.a.Set(1.5, state.a.at() + Duration(1)); },
      [](twin::Twin&, State& state) { state.limit = std::nextafter(state.limit, 0.0); },
      [](twin::Twin& twin, State&) { twin.last_telemetry += Duration(1); },
      [](twin::Twin& twin, State&) { twin.SeenBy(0) += Duration(1); },
      [](twin::Twin& twin, State&) { twin.SeenBy(2) = twin::kStart; },
      [](twin::Twin& twin, State&) { twin.side()->alerts[0].count = 2; },
      [](twin::Twin& twin, State&) { twin.side()->alerts[0].first += Duration(1); },
      [](twin::Twin& twin, State&) { twin.side()->alerts.clear(); },
      [](twin::Twin& twin, State&) { twin.side()->RepeatsOf(0).HasSeenId(7, 8); },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    std::filesystem::remove_all(folder_ / "journal");
    std::filesystem::remove(folder_ / "gemel.db");
    std::filesystem::remove(snapshot());
    Live(lines);
    Change(changes[i]);
    const Checked checked = CheckedOf(snapshot(), {}, 2);
    EXPECT_EQ(checked.differing, 1u) << i;
    EXPECT_EQ(checked.examples.size(), 1u) << i;
  }
}

TEST_F(CheckTest, ADamagedSnapshotIsRefused) {
  Live({{.id = "x"}});
  {
    auto database = sqlite::Database::Open(snapshot(), sqlite::Database::Mode::kReadWrite);
    ASSERT_TRUE(database->Run("UPDATE probe SET calls = 7").ok());
  }
  FoldWorld world;
  const auto checked = CheckAgainst(snapshot(), {}, folder_ / "journal", world.probes.world, 2, 10);
  EXPECT_EQ(checked.status().code(), Code::kDamaged);
  const auto missing =
      CheckAgainst(folder_ / "none.db", {}, folder_ / "journal", world.probes.world, 2, 10);
  EXPECT_EQ(missing.status().code(), Code::kNotFound);
}

}  // namespace
}  // namespace gemel::playback
