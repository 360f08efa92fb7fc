#include "gateway/base/parker.h"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

namespace gemel {
namespace {

TEST(ParkerTest, NoWakeUpIsLostInPingPong) {
  constexpr int kRounds = 50'000;
  Parker ping, pong;
  std::atomic<int> ball{0};
  const auto play = [&](Parker& mine, Parker& theirs, int parity) {
    for (int round = parity; round < kRounds; round += 2) {
      while (true) {
        if (ball.load() == round) break;
        mine.Announce();
        if (ball.load() == round) {
          mine.Retract();
        } else {
          mine.Park(std::nullopt);
        }
      }
      ball.store(round + 1);
      theirs.Wake();
    }
  };
  std::jthread other([&] { play(pong, ping, 1); });
  play(ping, pong, 0);
  other.join();
  EXPECT_EQ(ball.load(), kRounds);
}

TEST(ParkerTest, ParkingEndsAtItsTimeout) {
  Parker parker;
  parker.Announce();
  parker.Park(std::chrono::milliseconds(1));
  SUCCEED() << "it returned";
}

TEST(ParkerTest, AWakeBetweenAnnouncingAndParkingIsNotLost) {
  Parker parker;
  parker.Announce();
  parker.Wake();
  parker.Park(std::nullopt);
  SUCCEED() << "it returned";
}

TEST(ParkerTest, AWakeWhileAwakeLeavesNothingBehind) {
  Parker parker;
  parker.Wake();
  parker.Announce();
  parker.Retract();
  parker.Announce();
  parker.Park(std::chrono::milliseconds(1));
  SUCCEED() << "it returned";
}

}  // namespace
}  // namespace gemel
