#include "gateway/broker_backlog.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <future>

#include <gtest/gtest.h>

namespace gemel {
namespace {

constexpr std::chrono::seconds kOverWithin{20};

uint64_t NoneHeard() { return 0; }

TEST(BrokerBacklogTest, IsOverOnceTheGatewayHearsItself) {
  std::promise<void> over;
  std::future<void> is_over = over.get_future();
  BrokerBacklog backlog(std::chrono::hours(1), NoneHeard, [&] { over.set_value(); });
  backlog.OnStatus(R"({"state":"online","receiving":true,"since_ms":7})");
  backlog.Begin(7);
  for (const char* other :
       {R"({"state":"offline"})", R"({"receiving":false,"since_ms":7})",
        R"({"receiving":true,"since_ms":6})", R"({"receiving":1,"since_ms":7})",
        R"({"receiving":true,"since_ms":"7"})", R"({"receiving":true})", "[]", "7", "{", ""}) {
    backlog.OnStatus(other);
  }
  EXPECT_EQ(is_over.wait_for(std::chrono::milliseconds(0)), std::future_status::timeout);
  backlog.OnStatus(R"({"state":"online","receiving":true,"since_ms":7})");
  EXPECT_EQ(is_over.wait_for(kOverWithin), std::future_status::ready);
  // As after each reconnect; a second call of set_value would throw.
  backlog.Begin(8);
  backlog.OnStatus(R"({"receiving":true,"since_ms":8})");
}

TEST(BrokerBacklogTest, ABrokerThatIsAwayDoesNotHoldItForEver) {
  std::promise<void> over;
  const BrokerBacklog backlog(std::chrono::milliseconds(1), NoneHeard, [&] { over.set_value(); });
  EXPECT_EQ(over.get_future().wait_for(kOverWithin), std::future_status::ready);
}

TEST(BrokerBacklogTest, WhileMessagesComeItHoldsForTenTimesAsLong) {
  std::promise<void> over;
  std::atomic<uint64_t> asked = 0;
  const BrokerBacklog backlog(
      std::chrono::milliseconds(1), [&] { return ++asked; }, [&] { over.set_value(); });
  EXPECT_EQ(over.get_future().wait_for(kOverWithin), std::future_status::ready);
  EXPECT_EQ(asked, 20u);  // before and after each
}

TEST(BrokerBacklogTest, AStopMeanwhileIsNoEnd) {
  bool is_over = false;
  {
    const BrokerBacklog backlog(std::chrono::hours(1), NoneHeard, [&] { is_over = true; });
  }
  EXPECT_FALSE(is_over);
}

}  // namespace
}  // namespace gemel
