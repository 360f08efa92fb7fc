#include "gateway/journal/attempts.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/journal/frame.h"
#include "gateway/journal/journal.h"
#include "gateway/journal/skipped.h"
#include "tests/support/temp_dir.h"

namespace gemel::journal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

constexpr Lsn kCulprit = MakeLsn(1, 5);
constexpr Lsn kNeighbour = MakeLsn(1, 6);

class AttemptsTest : public ::testing::Test {
 protected:
  std::unique_ptr<Attempts> Open() {
    Result<std::unique_ptr<Attempts>> attempts = Attempts::Open(folder_.path(), ++epoch_);
    EXPECT_TRUE(attempts.ok()) << attempts.status().message();
    return attempts.ok() ? *std::move(attempts) : nullptr;
  }
  // A process dies while its shards 0 and 1 apply these.
  void Die(Lsn first, Lsn second = kNoLsn) {
    const auto attempts = Open();
    attempts->slot(0) = first;
    attempts->slot(1) = second;
  }
  std::filesystem::path file(const char* name) const { return folder_.path() / name; }

  support::TempDir folder_;
  uint64_t epoch_ = 0;
};

TEST_F(AttemptsTest, AProcessThatEndsBetweenRecordsLeavesNoSuspect) {
  Die(kNoLsn);
  EXPECT_THAT(Open()->counts(), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(file("attempts"))) << "such a start writes nothing";
}

TEST_F(AttemptsTest, WhatEachShardWasApplyingIsCountedAtEachDeath) {
  Die(kCulprit, kNeighbour);
  EXPECT_THAT(Open()->counts(), ElementsAre(Pair(kCulprit, 1), Pair(kNeighbour, 1)));
  Die(kCulprit);
  EXPECT_THAT(Open()->counts(), ElementsAre(Pair(kCulprit, 2), Pair(kNeighbour, 1)));
  EXPECT_EQ(Open()->CountOf(kCulprit), Attempts::kMax);
}

TEST_F(AttemptsTest, WhatIsForgottenIsCountedFromTheBeginning) {
  Die(kCulprit, kNeighbour);
  {
    const auto attempts = Open();
    ASSERT_TRUE(attempts->Forget(kNeighbour).ok());
    EXPECT_EQ(attempts->CountOf(kNeighbour), 0u);
  }
  EXPECT_THAT(Open()->counts(), ElementsAre(Pair(kCulprit, 1)));
  ASSERT_TRUE(Open()->ForgetAll().ok());
  Die(kCulprit);
  EXPECT_THAT(Open()->counts(), ElementsAre(Pair(kCulprit, 1)));
}

// A kill between the two files: the list is written, the notes are not taken over yet.
TEST_F(AttemptsTest, ADeathIsCountedOnceThoughTheStartThatCountsItDies) {
  Die(kCulprit);
  std::filesystem::copy_file(file("applying"), file("as it was"));
  Open();
  std::filesystem::rename(file("as it was"), file("applying"));
  EXPECT_THAT(Open()->counts(), ElementsAre(Pair(kCulprit, 1)));
}

TEST_F(AttemptsTest, AListThatIsNotWhatWasWrittenIsForgotten) {
  Die(kCulprit);
  Open();
  std::fstream(file("attempts"), std::ios::in | std::ios::out).seekp(8).put('7');
  EXPECT_THAT(Open()->counts(), IsEmpty());
  Die(kNeighbour);
  EXPECT_THAT(Open()->counts(), ElementsAre(Pair(kNeighbour, 1)));
}

TEST_F(AttemptsTest, NotesOfAnotherSizeAreBegunAnew) {
  std::ofstream(file("applying")) << "not written by this program";
  Die(kCulprit);
  EXPECT_THAT(Open()->counts(), ElementsAre(Pair(kCulprit, 1)));
}

// A process appends this record, and an ordinary one behind it.
void AppendTo(const std::filesystem::path& folder, JournalEnd& end, uint64_t epoch, Record record) {
  Symbols symbols;
  FrameBuilder builder({.models = {{"m", {}}}, .routes = {"r"}, .symbols = &symbols});
  auto journal = Journal::Open({.folder = folder, .segment_bytes = 4'096}, end);
  ASSERT_TRUE(journal.ok());
  record.lsn = MakeLsn(epoch, 1);
  ASSERT_TRUE((*journal)->Append(record.lsn, Time{}, builder.Build({&record, 1})).ok());
  const Record behind{.lsn = MakeLsn(epoch, 2), .id = "x", .payload = "{}"};
  ASSERT_TRUE((*journal)->Append(behind.lsn, Time{}, builder.Build({&behind, 1})).ok());
  end = {record.lsn, behind.lsn};
}

TEST(SkippedTest, AllThatProcessesHaveNamedAreFound) {
  const support::TempDir folder;
  JournalEnd end;
  std::string payload;
  AppendTo(folder.path(), end, 1, {.id = "y", .payload = "{}"});
  EXPECT_THAT(*FindSkipped(folder.path()), IsEmpty());
  EncodeSkipped(std::array{kCulprit, kNeighbour}, payload);
  AppendTo(folder.path(), end, 2, {.kind = RecordKind::kSkipped, .payload = payload});
  AppendTo(folder.path(), end, 3, {.id = "y", .payload = "{}"});
  EncodeSkipped(std::array{MakeLsn(3, 2)}, payload);
  AppendTo(folder.path(), end, 4, {.kind = RecordKind::kSkipped, .payload = payload});
  EXPECT_THAT(*FindSkipped(folder.path()), ElementsAre(kCulprit, kNeighbour, MakeLsn(3, 2)));
}

}  // namespace
}  // namespace gemel::journal
