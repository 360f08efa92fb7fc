// What the engine does with messages between twins.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/twin/lab.h"

namespace gemel::twin {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

class EngineMessageTest : public ::testing::Test {
 protected:
  void Order(std::string_view words, std::string_view id = "x") {
    json_ = R"({"order": ")" + std::string(words) + R"(", "b": 5})";
    lab_.Say({.id = id, .json = json_});
  }
  std::string Error() {
    const auto sent = lab_.Take();
    if (sent.size() != 1) return {};
    return nlohmann::json::parse(sent[0].payload)["error"].get<std::string>();
  }

  Lab lab_;
  std::string json_;
};

TEST_F(EngineMessageTest, AMessageMakesItsTwinAndIsToldToIt) {
  Order("sum", "x");
  Order("sum", "y");
  EXPECT_EQ(lab_.Find("sum"), nullptr) << "it is a record of its own";
  EXPECT_EQ(lab_.Deliver(), 2u);
  EXPECT_EQ(lab_.Field("sum", "told"), "10");
  EXPECT_EQ(lab_.Field("sum", "last_from"), "\"y\"");
  EXPECT_EQ(lab_.Field("sum", "is_ready"), "true") << "on_init comes first";
  EXPECT_EQ(lab_.Field("sum", "calls"), "0");
  EXPECT_EQ(lab_.stats().twin_messages.value(), 2u);
}

TEST_F(EngineMessageTest, TheCauseIsTheRecordAndThePlaceAmongWhatItDid) {
  const Lsn lsn = lab_.Say({.json = R"({"order": "raise sum_twice"})"});
  const auto sent = lab_.engine.TakeSent();
  ASSERT_THAT(sent, SizeIs(2));
  // Counted without effects, of which another configuration may have others.
  EXPECT_EQ(sent[0].view().cause, (EffectId{lsn, 0}));
  EXPECT_EQ(sent[1].view().cause, (EffectId{lsn, 1}));
  EXPECT_EQ(sent[0].view().depth, 1);
}

TEST_F(EngineMessageTest, AnAnswerComesBack) {
  Order("ping");
  EXPECT_EQ(lab_.Deliver(), 2u);
  EXPECT_EQ(lab_.Field("x", "told"), "1");
  EXPECT_EQ(lab_.Field("x", "last_from"), "\"other\"");
}

TEST_F(EngineMessageTest, AChainWithoutEndIsCutAndCounted) {
  Order("loop");
  EXPECT_EQ(lab_.Deliver(), size_t{kMessageDepthMax});
  EXPECT_EQ(lab_.Field("other", "told"), std::to_string(kMessageDepthMax));
  EXPECT_EQ(lab_.stats().twin_messages_cut.value(), 1u);
  EXPECT_EQ(lab_.refused(Refusal::kModelFailed), 0u) << "that is no failure of the model";
}

TEST_F(EngineMessageTest, AFailureLeavesTheTwinAsItWas) {
  Order("ping", "other");
  lab_.Deliver();
  lab_.Take();
  const std::string told = lab_.Field("other", "told");
  Order("tell_throw");
  lab_.Deliver();
  EXPECT_THAT(Error(), HasSubstr("told to throw by another twin"));
  EXPECT_EQ(lab_.Field("other", "told"), told);
  EXPECT_EQ(lab_.Field("other", "last_from"), "\"other\"");
}

TEST_F(EngineMessageTest, ANewTwinWhoseFirstMessageFailsIsNotMade) {
  Order("tell_throw");
  lab_.Deliver();
  EXPECT_EQ(lab_.Find("other"), nullptr);
}

TEST_F(EngineMessageTest, WhatCannotBeSentIsAFailureThatSaysSo) {
  Order("tell_nobody");
  EXPECT_THAT(Error(), HasSubstr("no such model"));
  Order("tell_bad");
  EXPECT_THAT(Error(), HasSubstr("a+b"));
  Order("tell_long");
  EXPECT_THAT(Error(), HasSubstr("at most 64 bytes"));
  EXPECT_FALSE(lab_.engine.has_sent());
}

TEST_F(EngineMessageTest, ATwinRemovesItselfAndOthersAndTheirAlertsAreCleared) {
  Order("tell_raise");
  lab_.Deliver();
  ASSERT_NE(lab_.Find("other"), nullptr);
  lab_.Take();
  Order("remove_other remove");
  EXPECT_EQ(lab_.Deliver(), 2u);
  EXPECT_EQ(lab_.Find("other"), nullptr);
  EXPECT_EQ(lab_.Find("x"), nullptr);
  const auto sent = lab_.Take();
  ASSERT_THAT(sent, SizeIs(2));
  EXPECT_THAT(sent[0].payload, HasSubstr("cleared_unacked"));
  EXPECT_EQ(sent[1].payload, "");
}

TEST_F(EngineMessageTest, BytesThatAreNoMessageAreRefused) {
  const gemel_argument arguments[] = {Argument("n", int64_t{1}), Argument("text", "abc"),
                                      Argument("x", 0.5)};
  std::string payload;
  EncodeTwinMessage("probe", "x", "add", arguments, 3, lab_.probes.symbols, payload);
  TwinMessageReader reader;
  ASSERT_TRUE(reader.Read(payload));
  EXPECT_EQ(reader.message().arguments_count, 3u);
  size_t whole = 0;
  for (size_t size = 0; size < payload.size(); ++size) {
    const std::string cut = payload.substr(0, size);
    whole += reader.Read({cut.data(), cut.size()}) ? 1 : 0;
  }
  EXPECT_EQ(whole, 3u) << "before each argument it might have ended";
  payload[payload.size() - 11] = 77;
  EXPECT_FALSE(reader.Read(payload)) << "no such type";
}

}  // namespace
}  // namespace gemel::twin
