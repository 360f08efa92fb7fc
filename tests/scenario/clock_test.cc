// The wall clock jumps by hours while messages flow, or is wrong from the start: record time never
// goes back, nothing is lost and nothing doubled. GEMEL_JUMPS and GEMEL_SEED set how often, and
// from which seed.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/journal/frame.h"
#include "gateway/journal/reader.h"
#include "tests/scenario/trial.h"
#include "tests/support/temp_dir.h"

namespace gemel::scenario {
namespace {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// The wall clock of a gateway. See jumping_clock.cc.
class WrongClock {
 public:
  WrongClock() {
    const int file = ::open((folder_ / "clock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    EXPECT_EQ(::ftruncate(file, sizeof(int64_t)), 0);
    void* const bytes =
        ::mmap(nullptr, sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ::close(file);
    EXPECT_NE(bytes, MAP_FAILED);
    offset_ = static_cast<std::atomic<int64_t>*>(bytes);
  }
  ~WrongClock() { ::munmap(offset_, sizeof(int64_t)); }
  WrongClock(const WrongClock&) = delete;
  WrongClock& operator=(const WrongClock&) = delete;

  // How far it is ahead of the right time.
  void Set(nanoseconds ahead) { offset_->store(ahead.count()); }
  std::vector<std::string> Environment() const {
    return {"LD_PRELOAD=" GEMEL_BUILD_DIR "/lib/jumping_clock.so",
            "GEMEL_JUMPING_CLOCK=" + (folder_ / "clock").string(),
            "ASAN_OPTIONS=verify_asan_link_order=0"};
  }

 private:
  support::TempDir folder_;
  std::atomic<int64_t>* offset_;
};

nanoseconds SinceEpoch() { return std::chrono::system_clock::now().time_since_epoch(); }

// What a gateway that has stopped says in its journal of time.
struct Times {
  int64_t telemetry = 0;
  int64_t backward = 0;  // records that are older than the one before
  Time first = kNoTime;
  Time last = kNoTime;
};

Times ReadTimes(const GatewayProcess& gateway) {
  Times times;
  auto reader = journal::JournalReader::Open(gateway.folder() / "journal");
  EXPECT_TRUE(reader.ok()) << reader.status().message();
  while (reader.ok()) {
    const auto frame = reader->Next();
    EXPECT_TRUE(frame.ok()) << frame.status().message();
    if (!frame.ok() || !*frame) break;
    journal::EntryReader entries((*frame)->body);
    while (const std::optional<journal::Entry> entry = entries.Next()) {
      if (entry->kind != journal::EntryKind::kRecord) continue;
      const journal::RecordView record(entry->content);
      if (record.kind() == journal::RecordKind::kTelemetry) ++times.telemetry;
      if (times.first == kNoTime) times.first = record.record_time();
      if (times.last != kNoTime && record.record_time() < times.last) ++times.backward;
      times.last = record.record_time();
    }
  }
  return times;
}

class ClockTest : public ::testing::Test {
 protected:
  ClockTest()
      : trial_(
            {.broker = {.is_persistent = true},
             .changes = {{"mqtt", {{"keepalive", "2s"}}}, {"store", {{"snapshot_every", "100ms"}}}},
             .environment = clock_.Environment()}) {}

  void ExpectAll(const char* name) {
    const Trial::Verdict verdict = trial_.End();
    trial_.ExpectNothingLostInGateway(verdict);
    EXPECT_EQ(verdict.lost_in_broker, 0);
    EXPECT_EQ(trial_.gateway().Stop(), 0) << trial_.gateway().errors();
    times_ = ReadTimes(trial_.gateway());
    EXPECT_GE(times_.telemetry, verdict.published);
    EXPECT_EQ(times_.backward, 0);
    std::printf("clock=%s %s seed=%lu\n", name, ToString(verdict).c_str(), trial_.seed());
  }
  // Connections of both clients, which come back by themselves whatever the clock says meanwhile.
  void CutAndAwait(milliseconds most) {
    trial_.proxy().Cut();
    const auto back = trial_.AwaitBack();
    EXPECT_TRUE(back && *back < most) << trial_.gateway().errors();
  }
  void Restart() {
    ASSERT_TRUE(trial_.gateway().Start(clock_.Environment())) << trial_.gateway().errors();
    ASSERT_TRUE(trial_.AwaitBack()) << trial_.gateway().errors();
  }

  WrongClock clock_;
  Trial trial_;
  Times times_;
};

TEST_F(ClockTest, JumpsBackAndForthByHoursWhileMessagesFlow) {
  ASSERT_TRUE(trial_.Start());
  const nanoseconds started = SinceEpoch();
  const int64_t jumps = FromEnvironment("GEMEL_JUMPS", 20);
  for (int64_t jump = 0; jump < jumps; ++jump) {
    const auto hours = std::chrono::hours(trial_.Draw(40)) - 20h;
    clock_.Set(hours + trial_.DrawTime(0ms, 3'600'000ms));
    ASSERT_TRUE(trial_.Pass(trial_.DrawTime(10ms, 400ms))) << trial_.gateway().errors();
    if (jump % 4 == 3) {
      CutAndAwait(10s);
    } else {
      ASSERT_TRUE(trial_.AwaitBack()) << trial_.gateway().errors();
    }
  }
  const auto passed = SinceEpoch() - started;
  ExpectAll("jumps");
  // Where it is ahead, it is followed at twice the speed of time.
  EXPECT_LT(times_.last - times_.first, 2 * passed + std::chrono::minutes(2));
}

TEST_F(ClockTest, StartsIn1970AndIsSetRightMeanwhile) {
  clock_.Set(-SinceEpoch() + 5s);
  ASSERT_TRUE(trial_.Start());
  ASSERT_TRUE(trial_.Pass(500ms)) << trial_.gateway().errors();
  clock_.Set(0s);
  CutAndAwait(10s);
  trial_.gateway().Kill();
  Restart();
  ExpectAll("1970");
  EXPECT_LT(times_.first.time_since_epoch(), 1h);
  // A start takes the clock at its word where it is ahead.
  EXPECT_LT(SinceEpoch() - times_.last.time_since_epoch(), 1h);
}

TEST_F(ClockTest, IsSetBackBeforeTheLastRecordWhileTheGatewayIsAway) {
  ASSERT_TRUE(trial_.Start());
  for (const nanoseconds back : {nanoseconds(-5h), nanoseconds(-30h), 10s - SinceEpoch()}) {
    ASSERT_TRUE(trial_.Pass(trial_.DrawTime(100ms, 500ms))) << trial_.gateway().errors();
    trial_.gateway().Kill();
    clock_.Set(back);
    Restart();
  }
  ExpectAll("set_back");
}

}  // namespace
}  // namespace gemel::scenario
