#include "gateway/model/model.h"

#include <cstring>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

#include "gateway/model/plugin.h"
#include "gateway/sdk/model.hpp"

namespace gemel::model {
namespace {

struct Fridge {
  struct State {
    Last<double> temp_c;
    int64_t calls = 0;
  };
  static constexpr const char* kName = "fridge";
  static constexpr const char* kMeaning = "A refrigerator.";
  static const Fields<State>& fields() {
    static const Fields<State> kFields = {
        telemetry(&State::temp_c, "temp_c", "degC", "Inside."),
        computed(&State::calls, "calls", "", "Messages."),
    };
    return kFields;
  }
  explicit Fridge(const Setup& setup)
      : limit_c(setup.number("limit_c", 8)),
        is_loud(setup.flag("is_loud", false)),
        brand(setup.text("brand", "none")) {
    if (limit_c < -273.15) throw std::invalid_argument("limit_c is below absolute zero");
    if (brand == "int") throw 7;
  }
  void on_init(State& state, Context&) const { state.calls = 1'000; }
  void on_telemetry(State& state, const Message& message, Context&) const {
    ++state.calls;
    if (brand == "throws") throw std::runtime_error("no such brand");
    if (brand == "throws_int") throw 7;
    if (brand == "needs_temp") static_cast<void>(message.get<double>("temp_c"));
    if (brand == "misspelt") static_cast<void>(message.get<double>("temp"));
  }
  const double limit_c;
  const bool is_loud;
  const std::string brand;
};

Result<std::unique_ptr<Model>> Create(const std::string& parameters) {
  return Model::Create(*ModelTable<Fridge>(), {.name = "fridge", .parameters = parameters});
}

std::string Refused(const std::string& parameters) {
  const auto model = Create(parameters);
  EXPECT_FALSE(model.ok()) << parameters;
  if (model.ok()) return {};
  EXPECT_EQ(model.status().code(), Code::kInvalid);
  EXPECT_EQ(model.status().message().find('\n'), std::string::npos);
  EXPECT_TRUE(model.status().message().starts_with("model fridge: ")) << model.status().message();
  return model.status().message();
}

// What a host gives to a model, as little of it as these models use.
struct Host {
  gemel_context context{};
  std::string failure;

  Host() { context.host = &Table(); }
  static const gemel_host& Table() {
    static gemel_host table{};
    table.struct_size = sizeof table;
    table.abi_version = GEMEL_ABI_VERSION;
    table.fail = [](gemel_context* given, gemel_text why) {
      reinterpret_cast<Host*>(given)->failure = std::string(why.data, why.size);
    };
    return table;
  }
};

// Runs one message without values; "" if it went well, otherwise why not.
std::string Run(const Model& model) {
  Host host;
  std::vector<std::max_align_t> state(model.state_size() / sizeof(std::max_align_t) + 1);
  auto* bytes = reinterpret_cast<std::byte*>(state.data());
  model.Construct(bytes);
  const std::vector<gemel_value> values(model.fields().size(), gemel_value{});
  gemel_message message{};
  message.struct_size = sizeof message;
  message.values = values.data();
  message.values_count = static_cast<uint32_t>(values.size());
  if (model.OnTelemetry(bytes, message, host.context, host.failure)) return {};
  EXPECT_FALSE(host.failure.empty());
  return host.failure;
}

std::string RunBrand(const std::string& brand) {
  const auto model = Create(R"({"brand":")" + brand + R"("})");
  EXPECT_TRUE(model.ok()) << model.status().message();
  return Run(**model);
}

std::string RunPlugin(const std::string& defect) {
  const auto table = LoadPlugin(std::string(GEMEL_TEST_PLUGINS) + "/defect_" + defect + ".so");
  EXPECT_TRUE(table.ok()) << table.status().message();
  const auto model = Model::Create(**table, {.name = "defect"});
  EXPECT_TRUE(model.ok()) << model.status().message();
  return Run(**model);
}

TEST(ModelTest, AModelIsCalledAsTheConfigurationCallsIt) {
  const auto model = Model::Create(*ModelTable<Fridge>(), {.name = "cold_chain"});
  ASSERT_TRUE(model.ok());
  EXPECT_EQ((*model)->name(), "cold_chain");
  EXPECT_EQ((*model)->meaning(), "A refrigerator.");
  EXPECT_EQ((*model)->FieldIndex("calls"), std::optional<size_t>(1));
  EXPECT_EQ((*model)->FieldIndex("call"), std::nullopt);
  EXPECT_EQ((*model)->state_size(), sizeof(Fridge::State));
}

TEST(ModelTest, ParametersReachTheConstructor) {
  EXPECT_TRUE(Create(R"({"limit_c": 4, "is_loud": true, "brand": "a"})").ok());
  EXPECT_TRUE(Create(R"({"limit_c": 4.5})").ok());
  EXPECT_TRUE(Create("{}").ok());
}

TEST(ModelTest, AnUnknownParameterIsRefusedAndTheKnownOnesAreListed) {
  EXPECT_EQ(Refused(R"({"limt_c": 4})"),
            "model fridge: parameter limt_c is unknown to the model; it knows: brand, is_loud, "
            "limit_c");
}

TEST(ModelTest, AParameterOfAnotherTypeIsRefused) {
  EXPECT_EQ(Refused(R"({"limit_c": "4"})"), "model fridge: parameter limit_c must be a number");
  EXPECT_EQ(Refused(R"({"is_loud": 1})"), "model fridge: parameter is_loud must be true or false");
  EXPECT_EQ(Refused(R"({"brand": 4})"), "model fridge: parameter brand must be text");
  for (const char* value : {"[1]", "{}", "null"}) {
    EXPECT_EQ(Refused(R"({"limit_c": )" + std::string(value) + "}"),
              "model fridge: parameter limit_c must be a number, a text, true or false; use a "
              "table for more");
  }
}

TEST(ModelTest, AnIntegerBeyond64BitsIsRefusedAndNotWrapped) {
  EXPECT_NE(Refused(R"({"limit_c": 18446744073709551615})").find("limit_c"), std::string::npos);
}

TEST(ModelTest, ParametersThatAreNoObjectAreRefused) {
  for (const char* text : {"", "[]", "4", "{", "null"}) {
    EXPECT_EQ(Refused(text), "model fridge: parameters must be a JSON object");
  }
}

TEST(ModelTest, AConstructorThatThrowsIsAStartUpError) {
  EXPECT_EQ(Refused(R"({"limit_c": -300})"), "model fridge: limit_c is below absolute zero");
  EXPECT_EQ(Refused(R"({"brand": "int"})"),
            "model fridge: threw something that is no std::exception");
}

TEST(ModelTest, ATableThatTheModelDoesNotAskForIsRefused) {
  static constexpr char kTableName[] = "timetable";
  gemel_table table{};
  table.name = {kTableName, sizeof kTableName - 1};
  const auto model = Model::Create(*ModelTable<Fridge>(), {.name = "fridge", .tables = {&table}});
  ASSERT_FALSE(model.ok());
  EXPECT_NE(model.status().message().find("timetable is unknown to the model"), std::string::npos);
}

TEST(ModelTest, CreateThatLetsAnExceptionOutIsAStartUpError) {
  const auto table = LoadPlugin(std::string(GEMEL_TEST_PLUGINS) + "/defect_create_escape.so");
  ASSERT_TRUE(table.ok());
  const auto model = Model::Create(**table, {.name = "defect"});
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.status().message(), "model defect: out of create");
}

TEST(ModelTest, OnInitRunsOnTheDefaultState) {
  const auto model = Create("{}");
  Host host;
  Fridge::State state;
  auto* bytes = reinterpret_cast<std::byte*>(&state);
  (*model)->Construct(bytes);
  ASSERT_TRUE((*model)->OnInit(bytes, host.context, host.failure)) << host.failure;
  EXPECT_EQ(state.calls, 1'000);
}

TEST(ModelTest, WhatAModelThrowsIsItsFailureAndStaysInside) {
  EXPECT_EQ(RunBrand("plain"), "");
  EXPECT_EQ(RunBrand("throws"), "no such brand");
  EXPECT_EQ(RunBrand("throws_int"), "threw something that is no std::exception");
}

TEST(ModelTest, AMissingOrMisspeltFieldIsNamed) {
  EXPECT_EQ(RunBrand("needs_temp"), "temp_c: missing from the message");
  EXPECT_EQ(RunBrand("misspelt"), "temp: the field table has no such field");
}

TEST(ModelTest, AnExceptionThatLeavesAPluginOfTheCInterfaceIsItsFailure) {
  EXPECT_EQ(RunPlugin("none"), "");
  EXPECT_EQ(RunPlugin("escape"), "out of the plug-in");
  EXPECT_EQ(RunPlugin("escape_int"), "threw something that is no std::exception");
}

}  // namespace
}  // namespace gemel::model
