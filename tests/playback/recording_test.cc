#include "gateway/playback/recording.h"

#include <atomic>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/journal/segment.h"
#include "gateway/playback/check.h"
#include "tests/playback/life.h"
#include "tests/support/temp_dir.h"

namespace gemel::playback {
namespace {

using nlohmann::json;
using store::Line;
using testing::HasSubstr;

class RecordingTest : public ::testing::Test {
 protected:
  RecordingTest() {
    std::filesystem::create_directories(folder_ / "conf/tables");
    std::ofstream(folder_ / "conf/probe.so") << "a plug-in";
    std::ofstream(folder_ / "conf/devices.csv") << "id,limit\np1,4\n";
    std::ofstream(folder_ / "conf/tables/devices.csv") << "another file of this name\n";
    recorded_ = {.store = folder_ / "gateway/gemel.db",
                 .journal = folder_ / "gateway/journal",
                 .meaning = R"({"models":[{"name":"probe","plugin":"probe.so",
                                "profile":"devices.csv","tables":{"stops":"tables/devices.csv"}}],
                                "root":"g"})",
                 .code = {{"probe", folder_ / "conf/probe.so"}},
                 .folder = folder_ / "conf"};
  }

  std::filesystem::path gateway() const { return folder_ / "gateway"; }
  Result<Recorder> Begin() { return Recorder::Begin(recorded_, recording_, "gemel 1.2.3"); }
  std::vector<Line> Lines(size_t count) { return RandomLines(random_, count); }
  std::vector<std::filesystem::path> segments() const {
    return journal::FindSegments(gateway() / "journal").value();
  }
  // What the recording folds to.
  std::vector<std::string> Folded() {
    FoldWorld world;
    Fold fold(world.probes.world, 3);
    const bool has_base = std::filesystem::exists(paths_.base);
    const auto recovered =
        fold.Run({.base = has_base ? paths_.base : "", .journal = paths_.journal});
    EXPECT_TRUE(recovered.ok()) << recovered.status().message();
    return recovered.ok() ? fold.TwinLines() : std::vector<std::string>();
  }
  uint64_t Differing() {
    FoldWorld world;
    const bool has_base = std::filesystem::exists(paths_.base);
    const auto checked = CheckAgainst(paths_.end, has_base ? paths_.base : "", paths_.journal,
                                      world.probes.world, 2, 10);
    EXPECT_TRUE(checked.ok()) << checked.status().message();
    return checked.ok() ? checked->differing : 999;
  }

  const uint64_t seed_ = std::random_device()();
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  std::mt19937_64 random_{seed_};
  support::TempDir folder_;
  const std::filesystem::path recording_ = folder_ / "recording";
  const RecordingPaths paths_{recording_};
  Recorded recorded_;
};

TEST_F(RecordingTest, HoldsAllThatAFoldNeeds) {
  std::vector<std::string> live;
  {
    Life life(gateway());
    ASSERT_TRUE(life.Start().ok());
    life.site.AppendAll(Lines(300));
    life.Lines();
    ASSERT_TRUE(life.Save().ok());
    EXPECT_FALSE(IsRecording(recording_));
    auto recorder = Begin();
    ASSERT_TRUE(recorder.ok()) << recorder.status().message();
    EXPECT_TRUE(IsRecording(recording_));
    EXPECT_EQ(recorder->checkpoint(), MakeLsn(1, 300));
    life.site.AppendAll(Lines(300));
    life.Lines();
    ASSERT_TRUE(life.Save().ok());
    life.site.AppendAll(Lines(50));
    live = life.Lines();
    const Status ended = recorder->End();
    ASSERT_TRUE(ended.ok()) << ended.message();
  }
  EXPECT_EQ(Folded(), live);
  EXPECT_EQ(Differing(), 0u);
}

TEST_F(RecordingTest, FilesThatTheConfigurationNamesAreCopiedAndNamedWithin) {
  {
    Life life(gateway());
    ASSERT_TRUE(life.Start().ok());
  }
  ASSERT_TRUE(Begin().ok());
  const json configuration = json::parse(BytesOf(paths_.configuration));
  EXPECT_EQ(configuration["root"], "g");
  const json& model = configuration["models"][0];
  EXPECT_EQ(BytesOf(recording_ / model["plugin"].get<std::string>()), "a plug-in");
  EXPECT_EQ(BytesOf(recording_ / model["profile"].get<std::string>()), "id,limit\np1,4\n");
  EXPECT_EQ(BytesOf(recording_ / model["tables"]["stops"].get<std::string>()),
            "another file of this name\n");
  const json about = json::parse(BytesOf(paths_.about));
  EXPECT_EQ(about["format"], 1);
  EXPECT_EQ(about["program"], "gemel 1.2.3");
  EXPECT_EQ(about["models"][0]["name"], "probe");
  // printf 'a plug-in' | sha256sum
  EXPECT_EQ(about["models"][0]["sha256"],
            "da0643476de79e40dbb2c4d6eab03415665c83285695a6345a868287c1e5ea50");
}

TEST_F(RecordingTest, AFolderThatHoldsSomethingIsNotTouched) {
  {
    Life life(gateway());
    ASSERT_TRUE(life.Start().ok());
  }
  std::filesystem::create_directories(recording_);
  ASSERT_TRUE(Begin().ok()) << "an empty folder will do";
  const auto before = FilesOf(recording_);
  const Status again = Begin().status();
  EXPECT_EQ(again.code(), Code::kInvalid);
  EXPECT_THAT(again.message(), HasSubstr(recording_.string()));
  EXPECT_EQ(FilesOf(recording_), before);
}

TEST_F(RecordingTest, AGatewayThatHasNotRunYetIsNoneToRecord) {
  const Status status = Begin().status();
  EXPECT_EQ(status.code(), Code::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr(recorded_.journal.string()));
  EXPECT_FALSE(std::filesystem::exists(recording_));
}

TEST_F(RecordingTest, AGatewayThatHasSavedNothingYetIsRecordedFromItsBeginning) {
  {
    std::filesystem::create_directories(gateway() / "journal");
    store::Site site(gateway() / "journal");
    site.Start();
    site.AppendAll(Lines(100));
    auto recorder = Begin();
    ASSERT_TRUE(recorder.ok()) << recorder.status().message();
    site.AppendAll(Lines(100));
    site.Twins();
    ASSERT_TRUE(recorder->End().ok());
  }
  EXPECT_FALSE(std::filesystem::exists(paths_.base));
  EXPECT_FALSE(std::filesystem::exists(paths_.end));
  Life again(gateway(), {.epoch = 2});
  ASSERT_TRUE(again.Start().ok());
  EXPECT_EQ(Folded(), again.Lines());
}

TEST_F(RecordingTest, SegmentsThatAreFilledMeanwhileAreCopiedOnce) {
  std::vector<std::string> live;
  {
    Life life(gateway(), {.segment_bytes = 16 * 1'024});
    ASSERT_TRUE(life.Start().ok());
    life.site.AppendAll(Lines(500));
    life.Lines();
    ASSERT_TRUE(life.Save().ok());
    auto recorder = Begin();
    ASSERT_TRUE(recorder.ok());
    for (int i = 0; i < 20; ++i) {
      life.site.AppendAll(Lines(60));
      ASSERT_TRUE(recorder->Follow().ok());
      life.Lines();
      ASSERT_TRUE(life.Save().ok());
    }
    live = life.Lines();
    ASSERT_TRUE(recorder->End().ok());
    EXPECT_GT(recorder->segments(), 10u);
    const auto copied = journal::FindSegments(paths_.journal).value();
    EXPECT_EQ(copied.size(), recorder->segments());
    EXPECT_LT(copied.size(), segments().size());  // none from before the base
  }
  EXPECT_EQ(Folded(), live);
  EXPECT_EQ(Differing(), 0u);
}

TEST_F(RecordingTest, WhatTheGatewayDropsOnceItIsCopiedIsInTheRecording) {
  std::vector<std::string> live;
  {
    Life life(gateway(), {.segment_bytes = 16 * 1'024});
    ASSERT_TRUE(life.Start().ok());
    auto recorder = Begin();
    ASSERT_TRUE(recorder.ok());
    for (int i = 0; i < 10; ++i) {
      life.site.AppendAll(Lines(60));
      ASSERT_TRUE(recorder->Follow().ok());
      const auto there = segments();
      for (size_t old = 0; old + 1 < there.size(); ++old) std::filesystem::remove(there[old]);
    }
    live = life.Lines();
    ASSERT_TRUE(life.Save().ok());
    ASSERT_TRUE(recorder->End().ok());
  }
  EXPECT_EQ(Folded(), live);
  EXPECT_EQ(Differing(), 0u);
}

TEST_F(RecordingTest, APluginOrAFormatThatWasNotRecordedIsRefused) {
  {
    Life life(gateway());
    ASSERT_TRUE(life.Start().ok());
  }
  ASSERT_TRUE(Begin().ok());
  EXPECT_TRUE(CheckRecording(recording_).ok()) << CheckRecording(recording_).message();

  const json about = json::parse(BytesOf(paths_.about));
  const auto refused = [&](const json& changed) {
    std::ofstream(paths_.about) << changed.dump();
    return CheckRecording(recording_);
  };
  json newer = about;
  newer["format"] = 2;
  EXPECT_EQ(refused(newer).code(), Code::kInvalid);
  EXPECT_THAT(refused(newer).message(), HasSubstr("of format 2"));
  for (const json& wrong : {json::array(), json{{"format", "1"}}, json{{"format", 1}}})
    EXPECT_EQ(refused(wrong).code(), Code::kDamaged) << wrong;
  std::ofstream(paths_.about) << "{";
  EXPECT_EQ(CheckRecording(recording_).code(), Code::kDamaged);

  std::ofstream(paths_.about) << about.dump();
  const auto plugin =
      recording_ / "models" / (about["models"][0]["name"].get<std::string>() + ".so");
  std::ofstream(plugin) << "another plug-in";
  EXPECT_EQ(CheckRecording(recording_).code(), Code::kDamaged);
  EXPECT_THAT(CheckRecording(recording_).message(), HasSubstr(plugin.string()));
}

// Whether there was a base or not, and whichever segment it is that nobody has.
TEST_F(RecordingTest, ASegmentThatWasDroppedBeforeItWasCopiedIsAnError) {
  for (const bool has_base : {true, false}) {
    for (const size_t dropped : {0u, 1u}) {
      std::filesystem::remove_all(gateway());
      std::filesystem::remove_all(recording_);
      Life life(gateway(), {.segment_bytes = 16 * 1'024});
      ASSERT_TRUE(life.Start().ok());
      life.site.AppendAll(Lines(20));
      life.Lines();
      if (has_base) {
        ASSERT_TRUE(life.Save().ok());
      } else {
        for (const char* suffix : {"", "-wal", "-shm"})
          std::filesystem::remove(recorded_.store.string() + suffix);
      }
      auto recorder = Begin();
      ASSERT_TRUE(recorder.ok()) << recorder.status().message();
      life.site.AppendAll(Lines(400));
      life.Lines();
      ASSERT_GT(segments().size(), 3u);
      std::filesystem::remove(segments()[dropped]);
      const Status ended = recorder->End();
      EXPECT_EQ(ended.code(), Code::kDamaged)
          << (has_base ? "with base, " : "without base, ") << dropped << ": " << ended.message();
      EXPECT_THAT(ended.message(), HasSubstr("missing"));
    }
  }
}

// A gateway that has lived for ten hours and has kept two bases, of two and of one hour ago; the
// oldest half of its journal is gone.
class PastTest : public RecordingTest {
 protected:
  static constexpr Time kNow{std::chrono::hours(500'000)};
  PastTest() {
    Life life(gateway(), {.segment_bytes = 16 * 1'024});
    EXPECT_TRUE(life.Start().ok());
    for (const int hours : {2, 1}) {
      life.site.AppendAll(QuickLines(random_, 300));
      life.Lines();
      EXPECT_TRUE(life.Save().ok());
      KeepBase(kNow - std::chrono::hours(hours));
    }
    life.site.AppendAll(QuickLines(random_, 300));
    live_ = life.Lines();
    EXPECT_TRUE(life.Save().ok());
  }
  void KeepBase(Time made) {
    const auto path = gateway() / "gemel.db";
    auto database = sqlite::Database::Open(path, sqlite::Database::Mode::kReadOnly);
    const Lsn checkpoint = store::CheckpointOf(*database).value();
    const auto kept = store::KeepBases(path, gateway() / "journal", checkpoint, {}, kNow);
    ASSERT_TRUE(kept.ok() && *kept);
    std::filesystem::last_write_time(bases().back().path,
                                     std::chrono::file_clock::from_sys(
                                         std::chrono::sys_time<Duration>(made.time_since_epoch())));
  }
  std::vector<store::Base> bases() const {
    return store::FindBases(store::BasesFolder(gateway() / "gemel.db"));
  }
  // Segments that the base at `index` does without.
  void DropJournalBefore(size_t index) {
    const auto there = segments();
    for (size_t i = 0; i + 1 < there.size(); ++i) {
      const Lsn next = *journal::LsnOfName(there[i + 1].filename().string());
      if (next <= bases()[index].checkpoint + 1) std::filesystem::remove(there[i]);
    }
  }
  // What a recording from so long ago begins with.
  Lsn RecordFrom(std::chrono::minutes back) {
    std::filesystem::remove_all(recording_);
    recorded_.from = kNow - back;
    auto recorder = Begin();
    EXPECT_TRUE(recorder.ok()) << recorder.status().message();
    if (!recorder.ok()) return 0;
    EXPECT_TRUE(recorder->End().ok());
    EXPECT_EQ(Folded(), live_);
    EXPECT_EQ(Differing(), 0u);
    return recorder->checkpoint();
  }

  std::vector<std::string> live_;
};

TEST_F(PastTest, ARecordingBeginsWithTheLastTwinsFromBefore) {
  const std::vector<store::Base> kept = bases();
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(RecordFrom(std::chrono::minutes(30)), kept[1].checkpoint);
  EXPECT_EQ(RecordFrom(std::chrono::minutes(60)), kept[1].checkpoint);
  EXPECT_EQ(RecordFrom(std::chrono::minutes(61)), kept[0].checkpoint);
  EXPECT_EQ(RecordFrom(std::chrono::minutes(121)), kNoLsn) << "the journal is there from its start";
  EXPECT_FALSE(std::filesystem::exists(paths_.base));
}

TEST_F(PastTest, ARecordingBeginsAsEarlyAsItCan) {
  DropJournalBefore(0);
  EXPECT_EQ(RecordFrom(std::chrono::hours(9)), bases()[0].checkpoint);
  std::filesystem::remove(bases()[0].path);
  EXPECT_EQ(RecordFrom(std::chrono::hours(9)), bases()[0].checkpoint);
  std::filesystem::remove(bases()[0].path);
  std::filesystem::remove_all(recording_);
  const auto none = Begin();
  EXPECT_EQ(none.status().code(), Code::kNotFound);
  EXPECT_THAT(none.status().message(), HasSubstr("journal.retention.bases"));
}

// The gateway removes a base some time after its journal.
TEST_F(PastTest, ABaseWhoseJournalIsGoneIsNoneToBeginWith) {
  DropJournalBefore(1);
  ASSERT_EQ(bases().size(), 2u);
  EXPECT_EQ(RecordFrom(std::chrono::hours(2)), bases()[1].checkpoint);
  EXPECT_EQ(RecordFrom(std::chrono::hours(9)), bases()[1].checkpoint);
}

TEST_F(RecordingTest, ATornTailIsCutInTheCopyAndTheOriginalIsLeftAlone) {
  std::vector<std::string> live;
  {
    Life life(gateway());
    ASSERT_TRUE(life.Start().ok());
    life.site.AppendAll(Lines(100));
    live = life.Lines();
    ASSERT_TRUE(life.Save().ok());
  }
  std::ofstream(segments().back(), std::ios::binary | std::ios::app) << "half a frame";
  const auto before = FilesOf(gateway() / "journal");
  auto recorder = Begin();
  ASSERT_TRUE(recorder.ok()) << recorder.status().message();
  ASSERT_TRUE(recorder->End().ok());
  EXPECT_EQ(FilesOf(gateway() / "journal"), before);
  const auto copied = journal::FindSegments(paths_.journal).value();
  ASSERT_EQ(copied.size(), 1u);
  EXPECT_EQ(BytesOf(copied[0]) + "half a frame", BytesOf(segments()[0]));
  EXPECT_EQ(Folded(), live);
}

TEST_F(RecordingTest, ARunningGatewaysFilesAreLeftAlone) {
  Life life(gateway());
  ASSERT_TRUE(life.Start().ok());
  life.site.AppendAll(Lines(100));
  life.Lines();
  ASSERT_TRUE(life.Save().ok());
  const auto before = FilesOf(gateway() / "journal");
  auto recorder = Begin();
  ASSERT_TRUE(recorder.ok());
  ASSERT_TRUE(recorder->Follow().ok());
  ASSERT_TRUE(recorder->End().ok());
  EXPECT_EQ(FilesOf(gateway() / "journal"), before);
  life.site.AppendAll(Lines(10));
  life.Lines();
  EXPECT_TRUE(life.Save().ok());
}

// The end comes while frames are written: whatever the copy has caught of them, it is a journal.
TEST_F(RecordingTest, TheEndMayComeWhileMessagesDo) {
  Life life(gateway(), {.segment_bytes = 256 * 1'024});
  ASSERT_TRUE(life.Start().ok());
  const std::vector<Line> lines = QuickLines(random_, 500);
  std::atomic<bool> is_ending{false};
  std::thread messages([&] {
    while (!is_ending) life.site.AppendAll(lines);
  });
  for (int i = 0; i < 4; ++i) {
    std::filesystem::remove_all(recording_);
    ASSERT_TRUE(life.Save().ok());
    auto recorder = Begin();
    EXPECT_TRUE(recorder.ok()) << i << ": " << recorder.status().message();
    if (!recorder.ok()) break;
    EXPECT_TRUE(recorder->Follow().ok());
    EXPECT_TRUE(life.Save().ok());
    const Status ended = recorder->End();
    EXPECT_TRUE(ended.ok()) << i << ": " << ended.message();
  }
  is_ending = true;
  messages.join();
  EXPECT_EQ(Differing(), 0u);
}

}  // namespace
}  // namespace gemel::playback
