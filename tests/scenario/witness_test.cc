#include "tests/scenario/witness.h"

#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gemel::scenario {
namespace {

using support::Way;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Packets of MQTT 5, QoS 1.
std::string Number(uint16_t number) {
  return {static_cast<char>(number >> 8), static_cast<char>(number & 0xFF)};
}
std::string Publish(std::string_view topic, uint16_t packet_id, std::string_view payload) {
  const std::string body = Number(static_cast<uint16_t>(topic.size())) + std::string(topic) +
                           Number(packet_id) + std::string(1, '\0') + std::string(payload);
  return "\x32" + std::string(1, static_cast<char>(body.size())) + body;
}
std::string Puback(uint16_t packet_id) { return "\x40\x02" + Number(packet_id); }

// Two connections: the receiver's and the publisher's.
class WitnessTest : public ::testing::Test {
 protected:
  void Deliver(int number, uint16_t packet_id) {
    ear_(1, Way::kToClient,
         Publish("scenario/wa/d/in", packet_id, R"({"n":)" + std::to_string(number) + "}"));
  }
  void Take(uint16_t packet_id) { ear_(1, Way::kToServer, Puback(packet_id)); }
  void Command(const std::string& id, int number, uint16_t packet_id) {
    ear_(2, Way::kToServer,
         Publish("scenario/wa/d/out", packet_id,
                 R"({"id":")" + id + R"(","args":{"n":)" + std::to_string(number) + "}}"));
  }
  void Acknowledge(uint16_t packet_id) { ear_(2, Way::kToClient, Puback(packet_id)); }

  Witness witness_;
  support::Proxy::Witness ear_ = witness_.Ear();
};

TEST_F(WitnessTest, ANumberIsTakenOnceItIsAcknowledgedAndAnsweredOnceItsCommandIs) {
  Deliver(5, 1);
  EXPECT_THAT(witness_.Testify().taken, IsEmpty());
  Command("c-1", 5, 1);
  Take(1);
  EXPECT_THAT(witness_.Testify().taken, ElementsAre(5));
  EXPECT_FALSE(witness_.HasAnswer(5));
  Acknowledge(1);
  EXPECT_TRUE(witness_.HasAnswer(5));
  EXPECT_EQ(witness_.highest_taken(), 5);
}

TEST_F(WitnessTest, AcknowledgementsBelongToTheirConnection) {
  Deliver(5, 1);
  Acknowledge(1);
  ear_(3, Way::kToServer, Puback(1));
  EXPECT_THAT(witness_.Testify().taken, IsEmpty());
  EXPECT_THAT(witness_.Testify().answered, IsEmpty());
}

TEST_F(WitnessTest, PacketsComeInPieces) {
  const std::string both =
      Publish("scenario/wa/d/in", 1, R"({"n":5})") + Publish("scenario/wa/d/in", 2, R"({"n":6})");
  for (const char byte : both) ear_(1, Way::kToClient, std::string_view(&byte, 1));
  Take(1);
  ear_(1, Way::kToServer, Puback(2));
  EXPECT_THAT(witness_.Testify().taken, ElementsAre(5, 6));
}

TEST_F(WitnessTest, ANumberWithTwoIdsAndAnIdWithTwoContentsAreSeen) {
  Command("c-1", 5, 1);
  Command("c-1", 5, 2);
  EXPECT_EQ(witness_.Testify().repeated, 1);
  EXPECT_EQ(witness_.Testify().doubled + witness_.Testify().changed, 0);
  Command("c-2", 5, 3);
  EXPECT_EQ(witness_.Testify().doubled, 1);
  Command("c-2", 6, 4);
  EXPECT_EQ(witness_.Testify().changed, 1);
}

TEST_F(WitnessTest, AMessageThatComesAgainIsCountedAndTakenOnce) {
  Deliver(5, 1);
  Deliver(5, 1);
  Take(1);
  EXPECT_EQ(witness_.Testify().redelivered, 1);
  EXPECT_EQ(witness_.progress().taken, 1u);
}

TEST_F(WitnessTest, WhatIsNotOfTheScenarioIsPassedOver) {
  ear_(2, Way::kToServer, Publish("gemel/status", 9, "online"));
  Acknowledge(9);
  EXPECT_THAT(witness_.Testify().answered, IsEmpty());
}

}  // namespace
}  // namespace gemel::scenario
