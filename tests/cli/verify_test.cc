#include "gateway/cli/verify.h"

#include <filesystem>
#include <fstream>
#include <vector>

#include <gmock/gmock.h>

#include "gateway/cli/verbs.h"
#include "gateway/journal/frame.h"
#include "gateway/journal/journal.h"
#include "tests/cli/program.h"
#include "tests/support/temp_dir.h"

namespace gemel::cli {
namespace {

using ::testing::HasSubstr;

class VerifyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_ / "journal");
    std::ofstream(folder_ / "gemel.json")
        << R"({"journal": {"path": "journal"}, "store": {"path": "gemel.db"}})";
  }
  // A journal of ten records.
  void Write() {
    auto journal = journal::Journal::Open({.folder = folder_ / "journal"}, {});
    ASSERT_TRUE(journal.ok());
    journal::FrameBuilder builder({.models = {{"m", {}}}, .routes = {"r"}, .symbols = &symbols_});
    for (uint64_t i = 1; i <= 10; ++i) {
      const journal::Record record{.lsn = MakeLsn(1, i), .id = "x", .payload = "{}"};
      ASSERT_TRUE((*journal)->Append(record.lsn, Time{}, builder.Build({&record, 1})).ok());
    }
  }
  Outcome Verify() { return Gemel({"verify", (folder_ / "gemel.json").string()}); }

  support::TempDir folder_;
  Symbols symbols_;
};

TEST_F(VerifyTest, AGatewayThatHasNeverRunIsWhole) {
  const Outcome outcome = Verify();
  EXPECT_EQ(outcome.code, kDone) << outcome.errors;
  EXPECT_THAT(outcome.output, HasSubstr("not there yet"));
}

TEST_F(VerifyTest, SaysWhatTheJournalHolds) {
  Write();
  const Outcome outcome = Verify();
  EXPECT_EQ(outcome.code, kDone) << outcome.errors;
  EXPECT_THAT(outcome.output, HasSubstr("1 segments, 10 frames, 10 records"));
}

TEST_F(VerifyTest, DamageIsExitCodeOneAndNamesTheFile) {
  Write();
  for (const auto& entry : std::filesystem::directory_iterator(folder_ / "journal")) {
    if (entry.path().extension() != ".journal") continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(20).put('\x55');
  }
  const Outcome outcome = Verify();
  EXPECT_EQ(outcome.code, kNo);
  EXPECT_THAT(outcome.errors, HasSubstr(".journal: its head is not what was written"));
}

TEST_F(VerifyTest, ADatabaseThatIsNoneIsDamage) {
  std::ofstream(folder_ / "gemel.db") << "this is no database, however long it may be";
  ExpectRefusal(Verify(), kNo);
}

TEST_F(VerifyTest, AConfigurationThatCannotBeReadIsAFailure) {
  ExpectRefusal(Gemel({"verify", (folder_ / "no_such.json").string()}), kFailed);
}

}  // namespace
}  // namespace gemel::cli
