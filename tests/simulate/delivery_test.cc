#include "gateway/simulate/delivery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/mqtt/fake.h"

namespace gemel::simulate {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

class DeliveryTest : public testing::Test {
 protected:
  DeliveryTest() { EXPECT_TRUE(delivery_.Connect().ok()); }

  void Offer(uint64_t tag) { delivery_.Offer({.topic = "t", .payload = std::to_string(tag)}, tag); }
  std::vector<std::string> Published() const {
    std::vector<std::string> payloads;
    for (const mqtt::Outbound& message : publisher_.published())
      payloads.push_back(message.payload);
    return payloads;
  }

  mqtt::FakePublisher publisher_;
  ManualClock clock_{Time{std::chrono::seconds(1'700'000'000)}};
  std::vector<uint64_t> sent_, acknowledged_, refused_;
  Delivery delivery_{
      publisher_,
      clock_,
      {.on_sent = [this](uint64_t tag, auto) { sent_.push_back(tag); },
       .on_acknowledged = [this](uint64_t tag) { acknowledged_.push_back(tag); },
       .on_refused = [this](uint64_t tag, const Status&) { refused_.push_back(tag); }}};
};

TEST_F(DeliveryTest, SendsInOrderAndForgetsWhatIsAcknowledged) {
  Offer(1);
  Offer(2);
  EXPECT_FALSE(delivery_.is_empty());
  delivery_.Pump(0ms);
  EXPECT_THAT(Published(), ElementsAre("1", "2"));
  EXPECT_THAT(acknowledged_, ElementsAre(1, 2));
  EXPECT_TRUE(delivery_.is_empty());
}

TEST_F(DeliveryTest, AFullWindowOnlyDelays) {
  publisher_.SetAcknowledging(false);
  publisher_.SetWindow(2);
  for (uint64_t tag = 1; tag <= 5; ++tag) Offer(tag);
  delivery_.Pump(0ms);
  EXPECT_THAT(sent_, ElementsAre(1, 2));
  for (int i = 0; i < 3; ++i) {
    publisher_.Acknowledge();
    delivery_.Pump(0ms);
  }
  EXPECT_THAT(acknowledged_, ElementsAre(1, 2, 3, 4, 5));
  EXPECT_TRUE(delivery_.is_empty());
}

TEST_F(DeliveryTest, ALostConnectionRepeatsWhatWasNotAcknowledgedBeforeAnythingNew) {
  publisher_.SetAcknowledging(false);
  for (uint64_t tag = 1; tag <= 4; ++tag) Offer(tag);
  publisher_.Acknowledge(2);
  delivery_.Pump(0ms);
  publisher_.SetReachable(false);
  Offer(5);
  delivery_.Pump(0ms);
  EXPECT_FALSE(delivery_.is_connected());
  EXPECT_EQ(delivery_.why(), "told to be unreachable");
  Offer(6);
  publisher_.SetReachable(true);
  publisher_.SetAcknowledging(true);
  clock_.Advance(1min);
  delivery_.Pump(0ms);
  delivery_.Pump(0ms);
  EXPECT_THAT(Published(), ElementsAre("1", "2", "3", "4", "3", "4", "5", "6"));
  EXPECT_THAT(sent_, ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(acknowledged_, ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ(delivery_.repeated(), 2u);
}

TEST_F(DeliveryTest, WaitsLongerBetweenAttemptsThatFail) {
  publisher_.SetReachable(false);
  delivery_.Pump(0ms);
  publisher_.SetReachable(true);
  delivery_.Pump(0ms);
  EXPECT_FALSE(delivery_.is_connected());
  clock_.Advance(100ms);
  delivery_.Pump(0ms);
  EXPECT_TRUE(delivery_.is_connected());
}

TEST_F(DeliveryTest, HasRoomForABoundedNumber) {
  publisher_.SetAcknowledging(false);
  uint64_t held = 0;
  while (delivery_.has_room()) Offer(held++);
  EXPECT_EQ(held, 16'384u);
}

}  // namespace
}  // namespace gemel::simulate
