#include "gateway/history/alert_log.h"

#include <fstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/history/alert_query.h"
#include "tests/support/temp_dir.h"

namespace gemel::history {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace std::chrono_literals;

constexpr auto kPatience = 20'000ms;

class AlertLogTest : public ::testing::Test {
 protected:
  AlertLogTest() { options_.path = folder_ / "history.db"; }

  void Open() {
    log_.reset();
    auto log = AlertLog::Open(options_, clock_);
    ASSERT_TRUE(log.ok()) << log.status().message();
    log_ = *std::move(log);
  }
  void Append(Lsn lsn, std::string_view change, std::string_view twin = "truck/7",
              std::string_view more = "") {
    const size_t slash = twin.find('/');
    const std::string alert = fmt::format(
        R"({{"id":"a-{:x}-0","status":"active_unacked","severity":"major","model":"{}","twin":"{}",)"
        R"("code":"hot","message":"{}","time_ms":{},"first_ms":1,"last_ms":1,"count":1,"properties":{{}}}})",
        lsn, twin.substr(0, slash), twin.substr(slash + 1), more,
        std::chrono::floor<std::chrono::milliseconds>(clock_.Now()).time_since_epoch().count());
    log_->Append({lsn, 0}, change, alert);
  }
  json Read(const AlertQuery& query = {}) {
    EXPECT_TRUE(log_->Flush(kPatience));
    const auto rows = ReadAlertChanges(options_.path, query);
    EXPECT_TRUE(rows.ok()) << rows.status().message();
    return rows.ok() ? json::parse(*rows) : json();
  }
  // "id change" of each, newest first.
  std::vector<std::string> Rows(const AlertQuery& query = {}) {
    std::vector<std::string> rows;
    for (const json& row : Read(query))
      rows.push_back(row["id"].get<std::string>() + " " + row["change"].get<std::string>());
    return rows;
  }

  support::TempDir folder_;
  ManualClock clock_{Time{1'700'000'000s}};
  AlertLogOptions options_;
  std::unique_ptr<AlertLog> log_;
};

TEST_F(AlertLogTest, AChangeIsARowWithAllThatWasSaid) {
  Open();
  Append(0x1a, "raised", "truck/7", "it is \\\"hot\\\"");
  const json rows = Read();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0]["change"], "raised");
  EXPECT_EQ(rows[0]["id"], "a-1a-0");
  EXPECT_EQ(rows[0]["message"], "it is \"hot\"");
  EXPECT_EQ(rows[0]["properties"], json::object());
  EXPECT_EQ(log_->written(), 1u);
}

TEST_F(AlertLogTest, WhatIsDecidedOnceMoreIsOneRow) {
  Open();
  Append(1, "raised");
  Append(2, "cleared");
  EXPECT_TRUE(log_->Flush(kPatience));
  Open();  // as after a kill, when a replay decides the same
  Append(1, "raised");
  Append(2, "cleared");
  Append(3, "raised");
  EXPECT_THAT(Rows(), ElementsAre("a-3-0 raised", "a-2-0 cleared", "a-1-0 raised"));
}

TEST_F(AlertLogTest, TheNewestRecordIsKnownWhenItIsOpened) {
  Open();
  EXPECT_EQ(log_->newest_at_open(), kNoLsn);
  Append(MakeLsn(3, 7), "raised");
  Append(MakeLsn(2, 9), "raised");
  Open();
  EXPECT_EQ(log_->newest_at_open(), MakeLsn(3, 7));
}

TEST_F(AlertLogTest, WhatWaitsAtTheEndIsWritten) {
  options_.gather = 1h;
  Open();
  Append(1, "raised");
  log_.reset();
  const auto rows = ReadAlertChanges(options_.path, {});
  ASSERT_TRUE(rows.ok()) << rows.status().message();
  EXPECT_EQ(json::parse(*rows).size(), 1u);
}

TEST_F(AlertLogTest, AQueryLeavesTheOthersOut) {
  Open();
  Append(1, "raised", "truck/7");
  Append(2, "raised", "truck/8");
  clock_.Advance(1h);
  Append(3, "raised", "bus/7");
  Append(4, "cleared", "truck/7");
  EXPECT_THAT(Rows({.model = "truck", .twin = "7"}), ElementsAre("a-4-0 cleared", "a-1-0 raised"));
  EXPECT_THAT(Rows({.model = "truck"}),
              ElementsAre("a-4-0 cleared", "a-2-0 raised", "a-1-0 raised"));
  EXPECT_THAT(Rows({.id = "a-2-0"}), ElementsAre("a-2-0 raised"));
  EXPECT_THAT(Rows({.from_ms = 1'700'000'001'000}), ElementsAre("a-4-0 cleared", "a-3-0 raised"));
  EXPECT_THAT(Rows({.limit = 1}), ElementsAre("a-4-0 cleared"));
  EXPECT_THAT(Rows({.model = "truck", .from_ms = 1'700'000'001'000}), ElementsAre("a-4-0 cleared"));
  EXPECT_THAT(Rows({.model = "bus", .id = "a-2-0"}), IsEmpty());
  EXPECT_THAT(Rows({.bytes_max = 1}), ElementsAre("a-4-0 cleared"));
  EXPECT_THAT(Rows({.model = "truck", .twin = "' OR 1 = 1 --"}), IsEmpty());
}

TEST_F(AlertLogTest, WhatIsOlderThanItIsKeptGoes) {
  options_.keep = 24h;
  Open();
  Append(1, "raised");
  EXPECT_TRUE(log_->Flush(kPatience));
  clock_.Advance(25h);
  Open();  // the first write of each start looks
  Append(2, "raised");
  EXPECT_THAT(Rows(), ElementsAre("a-2-0 raised"));
}

TEST_F(AlertLogTest, AFileThatIsTooLargeLosesItsOldestRows) {
  options_.bytes_max = 256 * 1'024;
  options_.gather = 1h;  // one write, behind which it is looked at
  Open();
  const std::string message(1'000, 'x');
  for (Lsn lsn = 1; lsn <= 1'000; ++lsn) Append(lsn, "raised", "truck/7", message);
  const auto until = std::chrono::steady_clock::now() + kPatience;
  json rows = Read({.limit = 10'000});
  while (rows.size() >= 250 && std::chrono::steady_clock::now() < until)
    rows = Read({.limit = 10'000});
  EXPECT_LT(rows.size(), 250u);
  EXPECT_GT(rows.size(), 50u);
  EXPECT_EQ(rows[0]["id"], "a-3e8-0") << "the newest";
}

TEST_F(AlertLogTest, WhoAppendsNeverWaitsAndTheOldestMakeRoom) {
  options_.queue_bytes_max = 10'000;
  options_.gather = 1h;
  Open();
  for (Lsn lsn = 1; lsn <= 1'000; ++lsn) Append(lsn, "raised");
  const std::vector<std::string> rows = Rows();
  EXPECT_EQ(rows.size() + log_->dropped(), 1'000u);
  EXPECT_GT(log_->dropped(), 900u);
  EXPECT_EQ(rows.at(0), "a-3e8-0 raised");
}

TEST_F(AlertLogTest, HeldItLosesNothingHoweverSmallTheQueue) {
  options_.queue_bytes_max = 10'000;
  options_.gather = 1h;
  Open();
  log_->HoldWhenFull(true);
  for (Lsn lsn = 1; lsn <= 1'000; ++lsn) Append(lsn, "raised");
  log_->HoldWhenFull(false);
  EXPECT_EQ(Rows({.limit = 10'000}).size(), 1'000u);
  EXPECT_EQ(log_->dropped(), 0u);
}

TEST_F(AlertLogTest, SeveralMayAppendAndWaitAtOnce) {
  Open();
  std::vector<std::jthread> threads;
  for (Lsn thread = 0; thread < 4; ++thread) {
    threads.emplace_back([this, thread] {
      for (Lsn i = 1; i <= 200; ++i) {
        Append(thread * 1'000 + i, "raised");
        if (i % 50 == 0) {
          EXPECT_TRUE(log_->Flush(kPatience));
        }
      }
    });
  }
  threads.clear();
  EXPECT_EQ(Rows({.limit = 10'000}).size(), 800u);
}

TEST_F(AlertLogTest, AnotherFileIsRefusedByName) {
  std::ofstream(options_.path) << "this is no database, and longer than a header of one would be. "
                                  "It goes on until it is a hundred bytes long.";
  auto log = AlertLog::Open(options_, clock_);
  ASSERT_FALSE(log.ok());
  EXPECT_THAT(log.status().message(), HasSubstr("history.db"));
  EXPECT_EQ(ReadAlertChanges(folder_ / "none.db", {}).status().code(), Code::kNotFound);
}

}  // namespace
}  // namespace gemel::history
