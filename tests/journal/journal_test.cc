#include "gateway/journal/journal.h"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/journal/log.h"

namespace gemel::journal {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

std::string Frames(int first, int last) {
  std::string texts;
  for (int i = first; i <= last; ++i) {
    if (!texts.empty()) texts += '|';
    texts += "frame " + std::to_string(i);
  }
  return texts;
}

TEST(JournalTest, FramesReadBackInOrderAcrossSegmentsAndRestarts) {
  Log log;
  EXPECT_EQ(log.ReadAll(), "");
  log.Open();
  log.Append(1, 100);
  log.Close();
  EXPECT_GT(log.segments().size(), 3u);
  log.Open();
  log.Append(101, 120);
  log.Close();
  EXPECT_EQ(log.ReadAll(), Frames(1, 120));
}

TEST(JournalTest, WhatWasAppendedIsInTheFileAtOnce) {
  Log log;
  log.Open();
  log.Append(1, 3);
  EXPECT_EQ(log.ReadAll(), Frames(1, 3));  // the writer is still open, as after a kill
}

TEST(JournalTest, AnOpenedJournalWithoutFramesLeavesNoSegment) {
  Log log;
  log.Open();
  log.Close();
  EXPECT_TRUE(log.segments().empty());
}

TEST(JournalTest, SyncSaysThroughWhere) {
  Log log;
  log.Open();
  log.Append(1, 50);
  EXPECT_EQ(log.journal().synced(), kNoLsn);
  ASSERT_TRUE(log.journal().Sync().ok());
  EXPECT_EQ(log.journal().synced(), log.journal().appended());
  EXPECT_NE(log.journal().synced(), kNoLsn);
}

TEST(JournalTest, WithoutRoomOnTheDiskItDoesNotOpenAndSaysWhy) {
  Log log(uint64_t{1} << 50);
  const auto journal =
      Journal::Open({.folder = log.path(), .segment_bytes = uint64_t{1} << 50}, {});
  ASSERT_FALSE(journal.ok());
  EXPECT_THAT(journal.status().message(), HasSubstr("room for the next segment"));
  EXPECT_TRUE(std::filesystem::is_empty(log.path()));
}

// Whatever was cut off is a frame that nobody was told is safe.
TEST(JournalReaderTest, ATailThatIsTornAnywhereIsCutAndTheJournalGoesOn) {
  Log log(64 * 1'024);
  log.Open();
  log.Append(1, 3);
  log.Close();
  const std::filesystem::path segment = log.segments().back();
  const std::vector<char> whole = Load(segment);
  const size_t frame = kFrameHeadBytes + 8;
  const size_t last = kSegmentHeadBytes + 2 * frame;
  for (size_t size = last; size < last + frame; ++size) {
    std::vector<char> torn = whole;
    std::fill(torn.begin() + static_cast<std::ptrdiff_t>(size), torn.end(), '\0');
    Store(segment, torn);
    // Zeros at a frame's end may be its own.
    const std::string read = log.ReadAll();
    if (size == last) {
      EXPECT_EQ(read, Frames(1, 2));
    } else {
      EXPECT_THAT(read, testing::AnyOf(Frames(1, 3), Frames(1, 2) + " torn")) << size;
    }
  }
  Store(segment, {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(last) + 20});
  EXPECT_EQ(log.ReadAll(), Frames(1, 2) + " torn");
  ASSERT_TRUE(log.Cut().ok());
  EXPECT_EQ(log.ReadAll(), Frames(1, 2));
  log.Open();
  log.Append(3, 4);
  log.Close();
  EXPECT_EQ(log.ReadAll(), Frames(1, 4));
}

TEST(JournalReaderTest, AFrameThatIsMissingThoughItWasSyncedIsDamage) {
  Log log(64 * 1'024);
  log.Open();
  log.Append(1, 5);
  ASSERT_TRUE(log.journal().Sync().ok());
  log.Append(6, 7);
  log.Close();
  std::vector<char> bytes = Load(log.segments()[0]);
  bytes[kSegmentHeadBytes + 2 * (kFrameHeadBytes + 8) + kFrameHeadBytes] ^= 1;
  Store(log.segments()[0], bytes);
  EXPECT_THAT(log.ReadAll(), StartsWith(Frames(1, 2) + "! "));
  EXPECT_THAT(log.ReadAll(), HasSubstr("from offset 128 on it is not what was written"));
  EXPECT_FALSE(log.Cut().ok());
}

// Power may take a page that was not synced and leave a later one.
TEST(JournalReaderTest, AHoleThatNothingKnowsToBeSyncedIsTheEnd) {
  Log log;
  log.Open();
  log.Append(1, 5);
  ASSERT_TRUE(log.journal().Sync().ok());
  log.Append(6, 60);
  log.Close();
  const auto segments = log.segments();
  ASSERT_GT(segments.size(), 2u);
  std::vector<char> bytes = Load(segments[0]);
  std::fill_n(bytes.begin() + kSegmentHeadBytes + 6 * (kFrameHeadBytes + 8), kFrameHeadBytes, '\0');
  Store(segments[0], bytes);
  EXPECT_EQ(log.ReadAll(), Frames(1, 6) + " torn lost");
  ASSERT_TRUE(log.Cut().ok());
  EXPECT_EQ(log.ReadAll(), Frames(1, 6));
  EXPECT_EQ(log.segments().size(), 1u);
  EXPECT_TRUE(std::filesystem::exists(segments[1].string() + ".lost"));
}

// Power may take a head that was not synced and leave the name.
TEST(JournalReaderTest, ASegmentWithoutAHeadIsTheEndUnlessItWasSynced) {
  for (const bool is_synced : {false, true}) {
    SCOPED_TRACE(is_synced);
    Log log;
    log.Open();
    log.Append(1, 40);
    ASSERT_TRUE(!is_synced || log.journal().Sync().ok());
    log.Append(41, 100);
    log.Close();
    const auto segments = log.segments();
    ASSERT_GT(segments.size(), 3u);
    std::vector<char> bytes = Load(segments[1]);
    std::fill_n(bytes.begin(), kSegmentHeadBytes, '\0');
    Store(segments[1], bytes);
    if (is_synced) {
      EXPECT_THAT(log.ReadAll(), EndsWith(segments[1].string() + ": no segment of a journal"));
      continue;
    }
    EXPECT_THAT(log.ReadAll(), EndsWith(" lost"));
    ASSERT_TRUE(log.Cut().ok());
    EXPECT_EQ(log.segments().size(), 1u);
    log.Open();
    log.Append(101, 110);
    log.Close();
    EXPECT_THAT(log.ReadAll(), EndsWith("|frame 110"));
  }
}

TEST(JournalReaderTest, AJournalWhoseOnlySegmentHasNoHeadIsEmpty) {
  Log log;
  log.Open();
  log.Append(1, 3);
  log.Close();
  Store(log.segments()[0], {});
  EXPECT_EQ(log.ReadAll(), " lost");
  ASSERT_TRUE(log.Cut().ok());
  EXPECT_EQ(log.ReadAll(), "");
}

TEST(JournalReaderTest, AMissingSegmentIsNamedUnlessItWasNeverSynced) {
  for (const bool is_synced : {false, true}) {
    SCOPED_TRACE(is_synced);
    Log log;
    log.Open();
    log.Append(1, 90);
    ASSERT_TRUE(!is_synced || log.journal().Sync().ok());
    log.Append(91, 100);
    log.Close();
    const auto segments = log.segments();
    std::filesystem::remove(segments[1]);
    const std::string name = segments[1].filename().string();
    EXPECT_THAT(
        log.ReadAll(),
        EndsWith(is_synced ? "it follows segment " + name + ", which is missing" : " lost"));
  }
}

TEST(JournalReaderTest, ADroppedBeginningIsNoDamage) {
  Log log;
  log.Open();
  log.Append(1, 100);
  log.Close();
  std::filesystem::remove(log.segments()[0]);
  EXPECT_THAT(log.ReadAll(), EndsWith("frame 100"));
}

TEST(JournalReaderTest, ASegmentUnderAnotherNameIsNamed) {
  Log log;
  log.Open();
  log.Append(1, 100);
  log.Close();
  const auto segments = log.segments();
  std::filesystem::copy_file(segments[1], log.path() / SegmentName(MakeLsn(9, 1)));
  EXPECT_THAT(log.ReadAll(), EndsWith("it is segment " + segments[1].filename().string()));
}

TEST(JournalReaderTest, EmptyForeignAndNewerFilesAreRefusedWithTheirName) {
  Log log;
  log.Open();
  log.Append(1, 3);
  ASSERT_TRUE(log.journal().Sync().ok());
  log.Append(4, 100);
  log.Close();
  const std::filesystem::path segment = log.segments()[0];
  const std::vector<char> whole = Load(segment);
  Store(segment, {});
  EXPECT_THAT(log.ReadAll(), StartsWith("! " + segment.string() + ": too short"));
  Store(segment, std::vector<char>(500, 'x'));
  EXPECT_THAT(log.ReadAll(), HasSubstr("no segment of a journal"));
  std::vector<char> bytes = whole;
  bytes[20] ^= 1;
  Store(segment, bytes);
  EXPECT_THAT(log.ReadAll(), HasSubstr("its head is not what was written"));
}

// Each flip is found, or is one of bytes that mean nothing: behind the last frame.
TEST(JournalReaderTest, NoFlippedByteIsEverBelieved) {
  Log log;
  log.Open();
  log.Append(1, 60);
  ASSERT_TRUE(log.journal().Sync().ok());
  log.Append(61, 80);
  log.Close();
  const std::string whole = log.ReadAll();
  std::mt19937 random(1);
  int found = 0;
  int cut = 0;
  for (int flip = 0; flip < 1'000; ++flip) {
    const auto segments = log.segments();
    const std::filesystem::path& path = segments[random() % segments.size()];
    std::vector<char> bytes = Load(path);
    const size_t at = random() % bytes.size();
    const std::vector<char> before = bytes;
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
    Store(path, bytes);
    const std::string read = log.ReadAll();
    Store(path, before);
    const std::string texts = read.substr(0, read.find('!')).substr(0, read.find(" torn"));
    ASSERT_TRUE(whole.starts_with(texts)) << read;
    if (read.find('!') != std::string::npos) {
      ++found;
    } else if (texts != whole) {
      EXPECT_GE(texts.size(), Frames(1, 60).size()) << "synced frames were cut: " << read;
      ++cut;
    } else {
      // Not a frame's, or it would not have been whole.
      EXPECT_TRUE(before[at] == 0) << path << " " << at;
    }
  }
  EXPECT_GT(found, 500);
  EXPECT_GT(cut, 50);
}

}  // namespace
}  // namespace gemel::journal
