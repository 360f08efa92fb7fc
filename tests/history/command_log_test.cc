// What the history keeps of commands.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/history/alert_log.h"
#include "gateway/history/alert_query.h"
#include "gateway/history/command_query.h"
#include "tests/support/temp_dir.h"

namespace gemel::history {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::IsEmpty;
using namespace std::chrono_literals;

class CommandLogTest : public ::testing::Test {
 protected:
  static constexpr auto kPatience = 20'000ms;

  CommandLogTest() { options_.path = folder_ / "history.db"; }

  void Open() {
    log_.reset();
    auto log = AlertLog::Open(options_, clock_);
    ASSERT_TRUE(log.ok()) << log.status().message();
    log_ = *std::move(log);
  }
  // What record `lsn` says of the command c-{id}-0.
  void Append(Lsn lsn, int id, std::string_view status, std::string_view twin = "truck/7") {
    const size_t slash = twin.find('/');
    log_->AppendCommand(
        {lsn, 1},
        fmt::format(R"({{"id":"c-{:x}-0","status":"{}","model":"{}","twin":"{}","name":"rest",)"
                    R"("time_ms":{},"decided_ms":1,"sent":1,"args":{{}}}})",
                    id, status, twin.substr(0, slash), twin.substr(slash + 1),
                    std::chrono::floor<std::chrono::milliseconds>(clock_.Now())
                        .time_since_epoch()
                        .count()));
  }
  // "id status" of each, the last that changed first.
  std::vector<std::string> Rows(const CommandQuery& query = {}) {
    EXPECT_TRUE(log_->Flush(kPatience));
    const auto found = ReadCommands(options_.path, query);
    EXPECT_TRUE(found.ok()) << found.status().message();
    std::vector<std::string> rows;
    if (!found.ok()) return rows;
    for (const json& row : json::parse(*found))
      rows.push_back(row["id"].get<std::string>() + " " + row["status"].get<std::string>());
    return rows;
  }

  support::TempDir folder_;
  ManualClock clock_{Time{1'700'000'000s}};
  AlertLogOptions options_;
  std::unique_ptr<AlertLog> log_;
};

TEST_F(CommandLogTest, EachCommandIsAnsweredAsItIsNow) {
  Open();
  Append(1, 1, "sent");
  Append(2, 2, "sent");
  Append(3, 1, "sent");
  Append(4, 1, "successful");
  EXPECT_THAT(Rows(), ElementsAre("c-1-0 successful", "c-2-0 sent"));
  EXPECT_EQ(log_->written(), 4u);
  const auto alerts = ReadAlertChanges(options_.path, {});
  ASSERT_TRUE(alerts.ok());
  EXPECT_EQ(json::parse(*alerts), json::array()) << "none of them is an alert";
}

TEST_F(CommandLogTest, WhatIsDecidedOnceMoreIsOneRow) {
  Open();
  Append(1, 1, "sent");
  Append(2, 1, "failed");
  EXPECT_TRUE(log_->Flush(kPatience));
  Open();  // as after a kill, when a replay decides the same
  EXPECT_EQ(log_->newest_at_open(), 2u);
  Append(1, 1, "sent");
  Append(2, 1, "failed");
  EXPECT_THAT(Rows(), ElementsAre("c-1-0 failed"));
}

TEST_F(CommandLogTest, WhatAReplayWritesLateIsNotTheNewest) {
  Open();
  Append(4, 1, "successful");
  Append(1, 1, "sent");  // which was dropped before
  EXPECT_THAT(Rows(), ElementsAre("c-1-0 successful"));
}

TEST_F(CommandLogTest, ManyCommandsLeaveRoomForAlerts) {
  options_.queue_bytes_max = 20'000;
  options_.gather = 1h;
  Open();
  for (Lsn lsn = 1; lsn <= 1'000; ++lsn) Append(lsn, static_cast<int>(lsn), "sent");
  const uint64_t dropped = log_->dropped();
  EXPECT_GT(dropped, 900u);
  for (Lsn lsn = 1'001; lsn <= 1'020; ++lsn)
    log_->Append({lsn, 0}, "raised", R"({"id":"a-1-0","model":"truck","twin":"7","time_ms":1})");
  EXPECT_TRUE(log_->Flush(kPatience));
  EXPECT_EQ(log_->dropped(), dropped);
  EXPECT_EQ(log_->written(), 1'000 - dropped + 20);
}

// Many commands cost no alerts.
TEST_F(CommandLogTest, AFileThatIsTooLargeLosesWhatItHasMostOf) {
  options_.bytes_max = 256 * 1'024;
  options_.gather = 1h;
  Open();
  for (Lsn lsn = 1; lsn <= 100; ++lsn)
    log_->Append(
        {lsn, 0}, "raised",
        R"({"id":"a-1-0","model":"truck","twin":"7","time_ms":1)" + std::string("700000000000}"));
  for (Lsn lsn = 1'000; lsn <= 3'000; ++lsn) Append(lsn, static_cast<int>(lsn), "sent");
  const auto until = std::chrono::steady_clock::now() + kPatience;
  const CommandQuery all{.limit = 10'000};
  while (Rows(all).size() >= 1'500 && std::chrono::steady_clock::now() < until) {
  }
  EXPECT_LT(Rows(all).size(), 1'500u);
  const auto alerts = ReadAlertChanges(options_.path, {.limit = 1'000});
  ASSERT_TRUE(alerts.ok());
  EXPECT_EQ(json::parse(*alerts).size(), 100u);
}

TEST_F(CommandLogTest, AQueryLeavesTheOthersOut) {
  Open();
  Append(1, 1, "sent", "truck/7");
  Append(2, 2, "sent", "truck/8");
  clock_.Advance(1h);
  Append(3, 3, "expired", "bus/7");
  Append(4, 1, "successful", "truck/7");
  EXPECT_THAT(Rows({.model = "truck"}), ElementsAre("c-1-0 successful", "c-2-0 sent"));
  EXPECT_THAT(Rows({.model = "truck", .twin = "7"}), ElementsAre("c-1-0 successful"));
  EXPECT_THAT(Rows({.id = "c-3-0"}), ElementsAre("c-3-0 expired"));
  EXPECT_THAT(Rows({.model = "bus", .twin = "7", .id = "c-3-0"}), ElementsAre("c-3-0 expired"));
  EXPECT_THAT(Rows({.model = "truck", .id = "c-3-0"}), IsEmpty());
  EXPECT_THAT(Rows({.status = "sent"}), ElementsAre("c-2-0 sent")) << "of the first it was";
  EXPECT_THAT(Rows({.from_ms = 1'700'000'001'000}),
              ElementsAre("c-1-0 successful", "c-3-0 expired"));
  EXPECT_THAT(Rows({.limit = 1}), ElementsAre("c-1-0 successful"));
  EXPECT_THAT(Rows({.bytes_max = 1}), ElementsAre("c-1-0 successful"));
  EXPECT_THAT(Rows({.id = "' OR 1 = 1 --"}), IsEmpty());
}

TEST_F(CommandLogTest, WhatIsOlderThanItIsKeptGoes) {
  options_.keep = 24h;
  Open();
  Append(1, 1, "sent");
  EXPECT_TRUE(log_->Flush(kPatience));
  clock_.Advance(25h);
  Open();  // the first write of each start looks
  Append(2, 2, "sent");
  EXPECT_THAT(Rows(), ElementsAre("c-2-0 sent"));
}

}  // namespace
}  // namespace gemel::history
