#include "gateway/ingest/compile_route.h"

#include <functional>
#include <initializer_list>
#include <string>

#include <gtest/gtest.h>

#include "tests/twin/probe.h"

namespace gemel::ingest {
namespace {

class CompileRouteTest : public ::testing::Test {
 protected:
  CompileRouteTest() {
    auto model = model::Model::Create(*ModelTable<twin::Probe>(), {.name = "probe"});
    EXPECT_TRUE(model.ok());
    model_ = *std::move(model);
  }
  using Change = std::function<void(config::Route&)>;
  Result<CompiledRoute> Compile(const Change& change) {
    config::Route route;
    route.topic = "lab/{region}/{id}";
    route.name = "r1";
    route.model = "probe";
    change(route);
    return CompileRoute(route, 3, *model_);
  }
  // The one line that refuses the route must hold all of these.
  void ExpectRefused(std::initializer_list<const char*> wanted, const Change& change) {
    const auto compiled = Compile(change);
    ASSERT_FALSE(compiled.ok()) << *wanted.begin();
    const std::string& message = compiled.status().message();
    EXPECT_EQ(compiled.status().code(), Code::kInvalid);
    EXPECT_TRUE(message.starts_with("route r1: ")) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    for (const char* part : wanted) EXPECT_NE(message.find(part), std::string::npos) << message;
  }
  void ExpectTopicRefused(const std::string& topic, const char* why) {
    ExpectRefused({"topic", topic.c_str(), why}, [&](config::Route& r) { r.topic = topic; });
  }
  void ExpectFieldRefused(const config::FieldSource& field,
                          std::initializer_list<const char*> wanted) {
    ExpectRefused(wanted, [&](config::Route& r) { r.fields = {field}; });
  }

  std::unique_ptr<model::Model> model_;
};

TEST_F(CompileRouteTest, ARouteIsSplitIntoWhatIntakeAndShardsNeed) {
  const auto compiled = Compile([](config::Route& r) {
    r.fields = {{.name = "a", .at = "/t", .unit = "", .values = {}}};
    r.command = "do/{region}/{id}";
    r.late = config::Late::kDrop;
  });
  ASSERT_TRUE(compiled.ok()) << compiled.status().message();
  EXPECT_EQ(compiled->route.name, "r1");
  EXPECT_EQ(compiled->route.model, 3);
  EXPECT_EQ(compiled->route.late, twin::LatePolicy::kDrop);
  EXPECT_EQ(compiled->route.repeat_window, 0u);
  ASSERT_TRUE(compiled->route.command);
  EXPECT_EQ(compiled->route.command->text(), "do/{region}/{id}");
  ASSERT_EQ(compiled->plan.captures.size(), 2u);
  EXPECT_EQ(compiled->plan.captures[0].kind, Capture::Kind::kSymbol);
  EXPECT_EQ(compiled->plan.captures[1].kind, Capture::Kind::kId);
  EXPECT_FALSE(compiled->plan.envelope) << "intake need not read the payload";
}

TEST_F(CompileRouteTest, WhatIntakeMustReadMakesAnEnvelope) {
  EXPECT_TRUE(Compile([](config::Route& r) { r.time = "/ts"; })->plan.envelope);
  EXPECT_TRUE(Compile([](config::Route&) {})->plan.envelope) << "the model has a symbol";
  const auto repeated = Compile([](config::Route& r) { r.sequence = "/n"; });
  EXPECT_TRUE(repeated->plan.envelope);
  EXPECT_EQ(repeated->route.repeat_window, 100u);
}

TEST_F(CompileRouteTest, AFieldOfTheTopicIsForTextThatNamesNone) {
  const auto compiled = Compile([](config::Route& r) {
    r.topic = "homie/{id}/{field}";
    r.payload = config::Payload::kText;
  });
  ASSERT_TRUE(compiled.ok()) << compiled.status().message();
  EXPECT_TRUE(compiled->route.has_field_in_topic);
  EXPECT_FALSE(compiled->plan.envelope);
  ExpectTopicRefused("homie/{id}/{field}", "{field} names no field of model probe");
}

TEST_F(CompileRouteTest, TopicsThatAreMalformed) {
  ExpectTopicRefused("lab/{id", "brace");
  ExpectTopicRefused("lab/#/{id}", "may only stand last");
  ExpectTopicRefused("lab/{Id}", "is no name");
  ExpectTopicRefused("lab/{id}/{id}", "used twice");
  ExpectRefused({"topic", "empty"}, [](config::Route& r) { r.topic = ""; });
}

TEST_F(CompileRouteTest, SegmentsThatFillNoField) {
  ExpectTopicRefused("lab/{colour}/{id}",
                     "{colour} names no field of model probe that messages fill; it has: id, a, b");
  ExpectTopicRefused("lab/{limit}/{id}", "{limit} names no field");
  ExpectTopicRefused("lab/{calls}/{id}", "{calls} names no field");
}

TEST_F(CompileRouteTest, TheIdMustBeNamedOnce) {
  ExpectTopicRefused("lab/x", "has no {id}");
  ExpectRefused({"topic \"lab/{region}/{id}\"", "\"id\" is given too"},
                [](config::Route& r) { r.id = "/n"; });
}

TEST_F(CompileRouteTest, PointersThatAreNone) {
  ExpectRefused({"id", "\"serial\""}, [](config::Route& r) {
    r.topic = "lab/x";
    r.id = "serial";
  });
  ExpectRefused({"time", "\"ts\""}, [](config::Route& r) { r.time = "ts"; });
  ExpectRefused({"message_id", "\"mid\""}, [](config::Route& r) { r.message_id = "mid"; });
  ExpectRefused({"sequence", "\"/a~2\""}, [](config::Route& r) { r.sequence = "/a~2"; });
  ExpectRefused({"items", "\"list\""}, [](config::Route& r) { r.items = "list"; });
  ExpectRefused({"time", "\"/ts\"", "a text payload"}, [](config::Route& r) {
    r.payload = config::Payload::kText;
    r.field = "a";
    r.time = "/ts";
  });
}

TEST_F(CompileRouteTest, FieldsThatDoNotFit) {
  ExpectFieldRefused({"colour", "/c", "", {}}, {"fields: ", "no field \"colour\""});
  ExpectFieldRefused({"limit", "/c", "", {}}, {"fields: ", "\"limit\"", "not filled by telemetry"});
  ExpectFieldRefused({"a", "c", "", {}}, {"fields: a: ", "\"c\""});
  ExpectFieldRefused({"a", "/c", "psi", {}}, {"fields: a: ", "psi", "degC"});
  ExpectFieldRefused({"order", "/c", "m", {}}, {"fields: order: ", "unit"});
  ExpectFieldRefused({"b", "/c", "", {{"ON", std::string("many")}}}, {"fields: b", "many"});
  ExpectRefused({"field: ", "\"colour\""}, [](config::Route& r) {
    r.payload = config::Payload::kText;
    r.field = "colour";
  });
}

TEST_F(CompileRouteTest, CommandTopicsMustBeOneTopicForEachTwin) {
  for (const char* key : {"command", "command_ack"}) {
    const auto refused = [&](const std::string& topic, const char* why) {
      ExpectRefused({key, topic.c_str(), why}, [&](config::Route& r) {
        (std::string_view(key) == "command" ? r.command : r.command_ack) = topic;
      });
    };
    refused("do/{id", "brace");
    refused("do/+/{id}", "+ and # are not allowed");
    refused("do/{id}/#", "+ and # are not allowed");
    refused("do/{a}/{id}", "{a} must be id or a symbol or text");
    refused("do/{colour}/{id}", "{colour} must be id or a symbol or text");
    refused("do/{line}/{id}", "{line} must stand in the route's topic");
  }
}

TEST_F(CompileRouteTest, AnAnswersTopicSaysWhoAnswers) {
  ExpectRefused({"command_ack", "\"answers\"", "no {id}"}, [](config::Route& r) {
    r.command = "do/{id}";
    r.command_ack = "answers";
  });
}

}  // namespace
}  // namespace gemel::ingest
