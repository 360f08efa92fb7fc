#include "gateway/journal/epoch.h"

#include <fstream>

#include <gtest/gtest.h>

#include "gateway/base/lsn.h"
#include "tests/support/temp_dir.h"

namespace gemel::journal {
namespace {

class EpochTest : public ::testing::Test {
 protected:
  uint64_t Raise() {
    const Result<Epoch> epoch = Epoch::Raise(folder_ / "journal");
    EXPECT_TRUE(epoch.ok()) << epoch.status().message();
    return epoch.ok() ? epoch->number() : 0;
  }
  void Write(const std::string& text) { std::ofstream(folder_ / "journal" / "epoch") << text; }

  support::TempDir folder_;
};

TEST_F(EpochTest, EveryStartGetsTheNextNumber) {
  EXPECT_EQ(Raise(), 1u);
  EXPECT_EQ(Raise(), 2u);
  EXPECT_EQ(Raise(), 3u);
}

TEST_F(EpochTest, NumbersOfTwoStartsAreNeverEqual) {
  const Lsn last_of_first = MakeLsn(Raise(), (uint64_t{1} << kLsnCounterBits) - 1);
  EXPECT_LT(last_of_first, MakeLsn(Raise(), 0));
}

TEST_F(EpochTest, ASecondHolderIsRefusedInOneLine) {
  const Result<Epoch> first = Epoch::Raise(folder_ / "journal");
  ASSERT_TRUE(first.ok());
  const Result<Epoch> second = Epoch::Raise(folder_ / "journal");
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), Code::kUnavailable);
  EXPECT_NE(second.status().message().find("another gateway"), std::string::npos);
}

TEST_F(EpochTest, TheLockEndsWithItsHolder) {
  Raise();
  EXPECT_TRUE(Epoch::Raise(folder_ / "journal").ok());
}

TEST_F(EpochTest, AFileThatIsNotWhatWasWrittenIsDamagedAndNeverGuessed) {
  for (const char* text :
       {"", "17", "17 18", "17 18446744073709551598", "17 18446744073709551598\nx", "x\n"}) {
    Raise();
    Write(text);
    const Result<Epoch> epoch = Epoch::Raise(folder_ / "journal");
    ASSERT_FALSE(epoch.ok()) << text;
    EXPECT_EQ(epoch.status().code(), Code::kDamaged) << text;
    EXPECT_NE(epoch.status().message().find("journal/epoch"), std::string::npos);
    std::filesystem::remove(folder_ / "journal" / "epoch");
  }
}

TEST_F(EpochTest, TheNumberThatItsMessageShowsIsAccepted) {
  Raise();
  Write("17 18446744073709551598\n");
  EXPECT_EQ(Raise(), 18u);
}

TEST_F(EpochTest, AfterTheLastEpochThereIsNoOther) {
  Raise();
  Write(std::to_string(kEpochMax) + " " + std::to_string(~kEpochMax) + "\n");
  EXPECT_FALSE(Epoch::Raise(folder_ / "journal").ok());
}

TEST_F(EpochTest, FoldersAboveTheJournalAreMadeAsWell) {
  const Result<Epoch> epoch = Epoch::Raise(folder_ / "a" / "b" / "journal");
  ASSERT_TRUE(epoch.ok()) << epoch.status().message();
  EXPECT_TRUE(std::filesystem::exists(folder_ / "a" / "b" / "journal" / "epoch"));
}

TEST_F(EpochTest, AFolderThatCantBeMadeIsUnavailable) {
  std::ofstream(folder_ / "file") << "x";
  const Result<Epoch> epoch = Epoch::Raise(folder_ / "file" / "journal");
  ASSERT_FALSE(epoch.ok());
  EXPECT_EQ(epoch.status().code(), Code::kUnavailable);
}

}  // namespace
}  // namespace gemel::journal
