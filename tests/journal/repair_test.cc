#include "gateway/journal/repair.h"

#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/base/crc32c.h"
#include "gateway/journal/frame.h"
#include "gateway/journal/journal.h"
#include "gateway/journal/reader.h"
#include "tests/journal/log.h"
#include "tests/support/temp_dir.h"

namespace gemel::journal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr Lsn At(uint64_t counter) { return MakeLsn(1, counter); }

class JournalRepairTest : public ::testing::Test {
 protected:
  // A process that writes so many records, each a frame, and ends. Some ten go into a segment.
  // Synced one by one, so that no loss of power explains what is missing later, unless told not to.
  void Write(uint64_t count, uint64_t segment_bytes = 2'048, bool is_synced = true) {
    symbols_.Intern("north");
    FrameBuilder builder({.models = {{"m", {"region"}}}, .routes = {"r"}, .symbols = &symbols_});
    JournalOptions options{.folder = path(), .segment_bytes = segment_bytes};
    if (is_synced) options.sync_every = std::chrono::milliseconds(0);
    auto journal = Journal::Open(options, {});
    ASSERT_TRUE(journal.ok());
    for (uint64_t i = 1; i <= count; ++i) {
      const RecordSymbol symbol{0, 0, symbols_.Intern("north")->number};
      const std::string payload = "{\"n\":" + std::to_string(i) + "}";
      const Record record{.lsn = At(i), .id = "x", .payload = payload, .symbols = {&symbol, 1}};
      std::span<std::byte> frame = builder.Build({&record, 1});
      if (!(*journal)->HasRoomFor(frame.size() - kFrameHeadBytes)) {
        builder.BeginSegment();
        frame = builder.Build({&record, 1});
      }
      Status status;
      do {
        status = (*journal)->Append(record.lsn, Time{}, frame);
      } while (status.code() == Code::kFull);
      ASSERT_TRUE(status.ok()) << status.message();
    }
    written_ = count;
  }
  JournalRepair Examine(const JournalRepair::Needs& needs = {}) {
    Result<JournalRepair> repair = JournalRepair::Examine(path(), needs);
    EXPECT_TRUE(repair.ok()) << repair.status().message();
    return *std::move(repair);
  }
  // Repairs, and expects that the journal then opens with all records but those that are said to be
  // lost, each as it was written. Returns how many there are.
  uint64_t RepairAndRead(const JournalRepair& repair, const JournalRepair::Needs& needs = {}) {
    const auto aside = repair.Write(2, Time{std::chrono::seconds(9)});
    EXPECT_TRUE(aside.ok()) << aside.status().message();
    const std::map<Lsn, std::string> read = Read();
    EXPECT_EQ(read.size(), repair.records());
    for (uint64_t i = 1; i <= written_; ++i) {
      const bool is_lost = std::ranges::any_of(repair.lost(), [i](const LostRange& range) {
        return range.after < At(i) && (range.before == kNoLsn || At(i) < range.before);
      });
      EXPECT_NE(read.contains(At(i)), is_lost) << i;
    }
    EXPECT_THAT(Examine(needs).damage(), IsEmpty());
    return read.size();
  }
  // The payloads, by LSN, of a journal without damage. Each record can be understood.
  std::map<Lsn, std::string> Read() {
    std::map<Lsn, std::string> payloads;
    Symbols symbols;
    const Catalog ours{
        .models = {{"other", {}}, {"m", {"x", "region"}}}, .routes = {"r"}, .symbols = &symbols};
    Translation translation(ours, symbols);
    Result<JournalReader> reader = JournalReader::Open(path());
    Lsn segment = kNoLsn;
    while (true) {
      const Result<std::optional<Frame>> frame = reader->Next();
      EXPECT_TRUE(frame.ok()) << frame.status().message();
      if (!frame.ok() || !*frame) return payloads;
      if (std::exchange(segment, reader->end().segment) != reader->end().segment)
        translation.BeginSegment();
      EntryReader entries((*frame)->body);
      while (const std::optional<Entry> entry = entries.Next()) {
        if (entry->kind != EntryKind::kRecord) {
          EXPECT_TRUE(translation.Define(*entry).ok());
          continue;
        }
        std::vector<uint64_t> words(entry->content.size() / 8 + 9);
        std::memcpy(words.data(), entry->content.data(), entry->content.size());
        const auto bytes = std::as_writable_bytes(std::span(words)).first(entry->content.size());
        EXPECT_TRUE(translation.Apply(bytes).ok());
        const RecordView record(bytes);
        if (!IsOfTwin(record.kind())) continue;
        EXPECT_EQ(symbols.TextOf(Symbol{record.symbols()[0].number}), "north");
        payloads[record.lsn()] = record.payload();
        EXPECT_EQ(record.payload(), "{\"n\":" + std::to_string(record.lsn() - At(0)) + "}");
      }
    }
  }
  std::vector<std::filesystem::path> segments() const { return FindSegments(path()).value(); }
  static void Flip(const std::filesystem::path& segment, size_t offset) {
    std::vector<char> bytes = Load(segment);
    bytes[offset] = static_cast<char>(bytes[offset] ^ 0x10);
    Store(segment, bytes);
  }
  // Where the frames of a segment begin.
  static std::vector<uint64_t> FramesOf(const std::filesystem::path& segment) {
    SegmentReader reader = *SegmentReader::Open(segment);
    std::vector<uint64_t> offsets = {reader.offset()};
    while (reader.Next()) offsets.push_back(reader.offset());
    offsets.pop_back();
    return offsets;
  }
  static Lsn FirstOf(const std::filesystem::path& segment) {
    return *LsnOfName(segment.filename().string());
  }
  const std::filesystem::path& path() const { return folder_.path(); }

  support::TempDir folder_;
  Symbols symbols_;
  uint64_t written_ = 0;
};

TEST_F(JournalRepairTest, AWholeJournalNeedsNothing) {
  Write(50);
  const JournalRepair repair = Examine({.checkpoint = At(7), .newest = At(50)});
  EXPECT_THAT(repair.damage(), IsEmpty());
  EXPECT_THAT(repair.lost(), IsEmpty());
  EXPECT_EQ(repair.records(), 50u);
  EXPECT_TRUE(repair.begins_with_first());
}

TEST_F(JournalRepairTest, AFlippedByteInAMiddleFrameCostsThatFrame) {
  Write(50);
  const auto paths = segments();
  ASSERT_GT(paths.size(), 3u);
  Flip(paths[1], FramesOf(paths[1])[3] + 60);
  const std::vector<char> before = Load(paths[1]);
  const JournalRepair repair = Examine();
  const Lsn lost = FirstOf(paths[1]) + 3;
  EXPECT_THAT(repair.damage(), ElementsAre(HasSubstr(paths[1].string())));
  ASSERT_THAT(repair.lost(), ElementsAre(LostRange{lost - 1, lost + 1}));
  EXPECT_EQ(repair.lost()[0].records(), 1u);
  EXPECT_EQ(RepairAndRead(repair), 49u);
  EXPECT_EQ(Load(paths[1].string() + ".damaged-2"), before) << "nothing is ever deleted";
}

TEST_F(JournalRepairTest, WhatALostFrameExplainedIsTakenFromOtherSegmentsOfTheProcess) {
  Write(50);
  const auto paths = segments();
  Flip(paths[1], kSegmentHeadBytes + 40);
  const JournalRepair repair = Examine();
  EXPECT_THAT(repair.lost(), ElementsAre(LostRange{FirstOf(paths[1]) - 1, FirstOf(paths[1]) + 1}));
  EXPECT_EQ(RepairAndRead(repair), 49u);
}

TEST_F(JournalRepairTest, WhatNothingExplainsIsLost) {
  Write(10, 64 * 1'024);
  Flip(segments()[0], kSegmentHeadBytes + 40);
  const JournalRepair repair = Examine({.newest = At(10)});
  EXPECT_THAT(repair.lost(), ElementsAre(LostRange{At(0), At(11)}));
  EXPECT_EQ(RepairAndRead(repair, {.newest = At(10)}), 0u);
}

TEST_F(JournalRepairTest, AMissingMiddleSegmentCostsWhatItHeld) {
  Write(50);
  const auto paths = segments();
  std::filesystem::remove(paths[2]);
  const JournalRepair repair = Examine();
  EXPECT_THAT(repair.damage(), ElementsAre(HasSubstr(paths[2].filename().string())));
  EXPECT_THAT(repair.lost(), ElementsAre(LostRange{FirstOf(paths[2]) - 1, FirstOf(paths[3])}));
  EXPECT_TRUE(repair.begins_with_first());
  RepairAndRead(repair);
}

TEST_F(JournalRepairTest, AnEmptySegmentCostsWhatItHeld) {
  Write(50);
  const auto paths = segments();
  for (const auto& path : {paths[1], paths.back()}) Store(path, {});
  const JournalRepair repair = Examine({.newest = At(50)});
  EXPECT_THAT(repair.lost(), ElementsAre(LostRange{FirstOf(paths[1]) - 1, FirstOf(paths[2])},
                                         LostRange{FirstOf(paths.back()) - 1, At(51)}));
  RepairAndRead(repair, {.newest = At(50)});
}

TEST_F(JournalRepairTest, ADoubledSegmentCostsNothing) {
  Write(50);
  const auto paths = segments();
  for (const Lsn name : {At(0), At(1'000)})
    std::filesystem::copy_file(paths[1], path() / SegmentName(name));
  const JournalRepair repair = Examine();
  EXPECT_FALSE(repair.damage().empty());
  EXPECT_THAT(repair.lost(), IsEmpty());
  EXPECT_EQ(RepairAndRead(repair), 50u);
}

TEST_F(JournalRepairTest, ARenamedSegmentGetsItsNameBack) {
  Write(50);
  const auto paths = segments();
  std::filesystem::rename(paths[1], path() / SegmentName(At(1'000)));
  const JournalRepair repair = Examine();
  EXPECT_THAT(repair.lost(), IsEmpty());
  EXPECT_EQ(RepairAndRead(repair), 50u);
}

TEST_F(JournalRepairTest, ADamagedHeadCostsNothing) {
  Write(50);
  for (const auto& path : {segments()[0], segments()[2]}) Flip(path, 30);
  const JournalRepair repair = Examine();
  EXPECT_EQ(repair.damage().size(), 2u);
  EXPECT_THAT(repair.lost(), IsEmpty());
  EXPECT_TRUE(repair.begins_with_first()) << "its first record says so";
  EXPECT_EQ(RepairAndRead(repair), 50u);
}

TEST_F(JournalRepairTest, AJournalThatEndsBeforeWhatATwinHasSeenEndsBehindItThen) {
  Write(50);
  const auto paths = segments();
  std::filesystem::remove(paths.back());
  const JournalRepair repair = Examine({.newest = At(50)});
  EXPECT_THAT(repair.damage(), ElementsAre(HasSubstr("a saved twin has seen")));
  EXPECT_THAT(repair.lost(), ElementsAre(LostRange{FirstOf(paths.back()) - 1, At(51)}));
  RepairAndRead(repair, {.newest = At(50)});
}

TEST_F(JournalRepairTest, AJournalThatBeginsBehindTheCheckpointOpensAndIsNotTakenForComplete) {
  Write(50);
  const auto paths = segments();
  std::filesystem::remove(paths[0]);
  const JournalRepair::Needs needs{.checkpoint = At(3)};
  const JournalRepair repair = Examine(needs);
  EXPECT_THAT(repair.damage(), ElementsAre(HasSubstr("is missing before it")));
  EXPECT_THAT(repair.lost(), ElementsAre(LostRange{At(3), FirstOf(paths[1])}));
  EXPECT_FALSE(repair.begins_with_first());
  ASSERT_TRUE(repair.Write(2, Time{}).ok());
  EXPECT_THAT(Examine(needs).damage(), IsEmpty());
  EXPECT_FALSE(Examine(needs).begins_with_first());
}

TEST_F(JournalRepairTest, AJournalOfANewerFormatIsLeftAlone) {
  Write(10);
  std::vector<char> bytes = Load(segments()[0]);
  bytes[8] = 2;
  const uint32_t crc =
      Crc32c(0, std::as_bytes(std::span(bytes)).first(kSegmentHeadBytes - sizeof(uint32_t)));
  std::memcpy(&bytes[kSegmentHeadBytes - sizeof crc], &crc, sizeof crc);
  Store(segments()[0], bytes);
  EXPECT_EQ(JournalRepair::Examine(path(), {}).status().code(), Code::kInvalid);
}

// Whatever is done to it, a repaired journal opens, and what is not in it is named as lost.
TEST_F(JournalRepairTest, DamageOfAnyKindLeavesAJournalThatOpensAndSaysWhatItLacks) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  constexpr int kRounds = 40;
  uint64_t damaged = 0;
  for (int round = 0; round < kRounds; ++round) {
    for (const auto& entry : std::filesystem::directory_iterator(path()))
      std::filesystem::remove_all(entry.path());
    Write(40 + random() % 30, 2'048, false);
    const JournalRepair::Needs needs{.checkpoint = At(0), .newest = At(written_)};
    for (uint64_t blow = 1 + random() % 3; blow > 0; --blow) {
      const auto paths = segments();
      const auto& victim = paths[random() % paths.size()];
      std::vector<char> bytes = Load(victim);
      if (random() % 8 == 0) {
        std::filesystem::remove(victim);
      } else if (random() % 8 == 0) {
        bytes.resize(random() % (bytes.size() + 1));
        Store(victim, bytes);
      } else if (!bytes.empty()) {
        for (size_t at = random() % bytes.size(),
                    end = std::min(at + 1 + random() % 100, bytes.size());
             at < end; ++at)
          bytes[at] = static_cast<char>(random());
        Store(victim, bytes);
      }
      if (segments().empty()) break;
    }
    const JournalRepair repair = Examine(needs);
    if (repair.damage().empty()) continue;
    ++damaged;
    RepairAndRead(repair, needs);
    if (HasFailure()) return;
  }
  EXPECT_GT(damaged, kRounds / 2);
}

}  // namespace
}  // namespace gemel::journal
