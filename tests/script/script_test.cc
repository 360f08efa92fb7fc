#include "gateway/script/script.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/model/model.h"
#include "gateway/sdk/testing.hpp"

namespace gemel::script {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;

// A script of these fields and functions.
std::string Script(const std::string& fields, const std::string& functions,
                   const std::string& more = "") {
  return fmt::format("return {{ name = 'probe', meaning = 'A probe.', fields = {{ {} }}, {} {} }}",
                     fields, more, functions);
}

std::string Refused(const std::string& source, const std::string& parameters = "{}") {
  auto parsed = ParseScript("probe.lua", source, {});
  if (!parsed.ok()) return parsed.status().message();
  auto made = model::Model::Create(std::move(*parsed), {.name = "probe", .parameters = parameters});
  return made.ok() ? "" : made.status().message();
}

class File {
 public:
  explicit File(const std::string& text)
      : path_(std::filesystem::temp_directory_path() / fmt::format("gemel-{}.lua", ::getpid())) {
    std::ofstream(path_) << text;
  }
  ~File() { std::filesystem::remove(path_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// What on_telemetry does with state, message and context.
class ScriptTest : public testing::Test {
 protected:
  static constexpr const char* kFields = R"(
    { name = "n", type = "int64", from = "telemetry", meaning = "A number." },
    { name = "t_c", type = "double", from = "telemetry", meaning = "A temperature.", unit = "degC" },
    { name = "at", type = "time", from = "telemetry", meaning = "A time." },
    { name = "kind", type = "symbol", from = "telemetry", meaning = "A kind." },
    { name = "label", type = "text", from = "profile", capacity = 8, meaning = "A label." },
    { name = "line", type = "symbol", from = "profile", meaning = "A line." },
    { name = "sum", type = "double", default = 0, meaning = "A sum." },
    { name = "count", type = "int64", meaning = "A count." },
    { name = "flag", type = "bool", default = true, meaning = "A flag." },
    { name = "since", type = "time", meaning = "A time." },
    { name = "mode", type = "symbol", choices = { "off", "on" }, default = "on", meaning = "A mode." },
    { name = "said", type = "text", capacity = 64, meaning = "What was said." })";

  TestKitBase& Kit(const std::string& body, const TestOptions& options = {}) {
    file_.emplace(
        Script(kFields, "on_telemetry = function(state, message, context) " + body + " end"));
    kit_.emplace(file_->path(), options);
    return *kit_;
  }
  // The failure of one message.
  std::string Failure(const std::string& body) {
    try {
      Kit(body).Feed("p", R"({"n": 1, "t_c": 2.5})");
    } catch (const MessageRefused& refused) {
      return refused.what();
    }
    return "";
  }
  std::optional<File> file_;
  std::optional<TestKitBase> kit_;
};

TEST_F(ScriptTest, BeginsWithItsDefaults) {
  TestKitBase& kit = Kit("");
  kit.Feed("p", R"({"n": 1})");
  EXPECT_EQ(kit.Field("p", "sum"), "0");
  EXPECT_EQ(kit.Field("p", "count"), "null");
  EXPECT_EQ(kit.Field("p", "flag"), "true");
  EXPECT_EQ(kit.Field("p", "since"), "null");
  EXPECT_EQ(kit.Field("p", "mode"), R"("on")");
  EXPECT_EQ(kit.Field("p", "said"), "null");
  EXPECT_EQ(kit.Field("p", "t_c"), "null");
}

TEST_F(ScriptTest, ReadsAndWritesEveryType) {
  TestKitBase& kit = Kit(R"(
    state.count = (state.count or 0) + message:get("n")
    state.sum = state.sum + (state.t_c or 0)
    state.flag = not state.flag
    state.since = state.at
    state.mode = state.mode == "on" and "off" or "on"
    state.said = string.format("%s/%s/%s", state.kind, state.label, message:has("t_c")))",
                         {.profile = "id,label\np,left\n"});
  kit.Feed("p", R"({"n": 2, "t_c": 1.5, "at": 1700000000123, "kind": "pump"})");
  kit.Feed("p", R"({"n": 3})");
  EXPECT_EQ(kit.Field("p", "count"), "5");
  EXPECT_EQ(kit.Field("p", "sum"), "3");
  EXPECT_EQ(kit.Field("p", "flag"), "true");
  EXPECT_EQ(kit.Field("p", "since"), kit.Field("p", "at"));
  EXPECT_NE(kit.Field("p", "at"), "null");
  EXPECT_EQ(kit.Field("p", "mode"), R"("on")");
  EXPECT_EQ(kit.Field("p", "said"), R"("pump/left/false")");
}

TEST_F(ScriptTest, TimesAreExactToTheMicrosecond) {
  TestKitBase& kit =
      Kit("state.since = message.time\n"
          "state.said = string.format('%.6f %s', state.since, state.since == context:now())",
          {.start = Time{Duration{1'700'000'000'123'457}}});
  kit.Feed("p", R"({"n": 1})");
  EXPECT_EQ(kit.Field("p", "said"), R"("1700000000.123457 true")");
}

TEST_F(ScriptTest, SaysWhatIsWrongWithTheLine) {
  EXPECT_THAT(Failure("return state.nothing"), HasSubstr("there is no field nothing"));
  EXPECT_THAT(Failure("state.nothing = 1"), HasSubstr("there is no field nothing"));
  EXPECT_THAT(Failure("state.n = 1"), HasSubstr("n is filled in from the telemetry"));
  EXPECT_THAT(Failure("state.line = 'x'"), HasSubstr("line is filled in from the profile"));
  EXPECT_THAT(Failure("context:remove(nil, 'x')"), HasSubstr("string expected"));
  EXPECT_THAT(Failure("pcall(context.raise, context, 'major', 'No Code', 'x')"),
              HasSubstr("No Code"));
  EXPECT_THAT(Failure("state.count = 1.5"), HasSubstr("count is a field of type int64"));
  EXPECT_THAT(Failure("state.sum = '1'"), HasSubstr("sum is a field of type double"));
  EXPECT_THAT(Failure("state.mode = 'half'"), HasSubstr("mode is one of off, on"));
  EXPECT_THAT(Failure("message:get('nothing')"), HasSubstr("there is no field nothing"));
  EXPECT_THAT(Failure("message.time = 1"), HasSubstr("nothing can be set here"));
  EXPECT_THAT(Failure("return message.topic"), HasSubstr("a message has time"));
  EXPECT_THAT(Failure("context.clear('x')"), HasSubstr("with a colon"));
  EXPECT_THAT(Failure("context:raise('bad', 'x', 'y')"), HasSubstr("not one of critical"));
  EXPECT_THAT(Failure("context:raise('major', 'Not A Code', 'y')"), HasSubstr("Not A Code"));
  EXPECT_THAT(Failure("context:reply('x', { 1 })"), HasSubstr("with names"));
  EXPECT_THAT(Failure("context:reply('x', { a = {} })"), HasSubstr("numbers, texts or booleans"));
  EXPECT_THAT(Failure("context:set_timer('x', 0 / 0)"), HasSubstr("no time in seconds"));
  EXPECT_THAT(Failure("context:nothing()"), HasSubstr("nothing"));
  EXPECT_THAT(Failure("\n\nerror('because')"), HasSubstr(":15: because"));
}

TEST_F(ScriptTest, AFailedCallChangesNothing) {
  TestKitBase& kit =
      Kit("state.count = 7 context:raise('major', 'x', 'y') if state.n == 2 then error('no') end");
  kit.Feed("p", R"({"n": 1})");
  EXPECT_THROW(kit.Feed("p", R"({"n": 2})"), MessageRefused);
  EXPECT_EQ(kit.Field("p", "n"), "1");
  EXPECT_EQ(kit.alerts("p").front().count, 1);
}

TEST_F(ScriptTest, ArgumentsLeaveInTheOrderOfTheirNames) {
  TestKitBase& kit = Kit(R"(context:reply("go", { z = 1, a = "x", m = true, b = 0.5 }, 60))");
  kit.Feed("p", R"({"n": 1})");
  const auto commands = kit.TakeCommands();
  ASSERT_EQ(commands.size(), 1u);
  EXPECT_EQ(commands[0].arguments, R"({"a":"x","b":0.5,"m":true,"z":1})");
  EXPECT_EQ(commands[0].expires, seconds(60));
}

TEST(ScriptDefinitionTest, TheTableIsChecked) {
  const std::string field = "{ name = 'n', type = 'int64', meaning = 'x' }";
  const std::string on = "on_telemetry = function() end";
  EXPECT_EQ(Refused(Script(field, on)), "");
  EXPECT_EQ(Refused(Script("", on)), "");
  EXPECT_THAT(Refused(Script(field, "")), HasSubstr("on_telemetry is missing"));
  EXPECT_THAT(Refused(Script(field, on, "on_timr = 1,")), HasSubstr("has no on_timr; it may have"));
  EXPECT_THAT(Refused(Script(field, "on_telemetry = 5")), HasSubstr("must be a function"));
  EXPECT_THAT(Refused("return {}"), HasSubstr("name is missing"));
  EXPECT_THAT(Refused("return { name = 'x', meaning = 'y', on_telemetry = function() end }"),
              HasSubstr("fields is missing"));
  EXPECT_THAT(Refused(Script("{ name = 'n', type = 'int', meaning = 'x' }", on)),
              HasSubstr("fields[1] type is int; allowed are bool, int64"));
  EXPECT_THAT(Refused(Script("{ name = 'n', type = 'bool', from = 'space', meaning = 'x' }", on)),
              HasSubstr("from is space; allowed are telemetry"));
  EXPECT_THAT(Refused(Script("{ name = 'N', type = 'bool', meaning = 'x' }", on)),
              HasSubstr("[a-z][a-z0-9_]*"));
  EXPECT_THAT(Refused(Script(field + "," + field, on)), HasSubstr("the name is taken"));
  EXPECT_THAT(Refused(Script("{ name = 'n', type = 'symbol', meaning = 'x' }", on)),
              HasSubstr("needs choices"));
  EXPECT_THAT(Refused(Script("{ name = 'n', type = 'bool', default = 1, meaning = 'x' }", on)),
              HasSubstr("another type than bool"));
  EXPECT_THAT(Refused(Script("{ name = 'n', type = 'text', capacity = 5000, meaning = 'x' }", on)),
              HasSubstr("1 to 1024"));
  EXPECT_THAT(Refused(Script("{ name = 'n', type = 'bool', meanning = 'x', meaning = 'x' }", on)),
              HasSubstr("has no meanning"));
  // Lua walks a table in an order that is another one in each process.
  std::string many;
  for (char letter = 'z'; letter >= 'b'; --letter) many += std::string("odd_") + letter + " = 1,";
  EXPECT_THAT(Refused(Script(field, on, many)), HasSubstr("has no odd_b;"));
}

TEST(ScriptDefinitionTest, ParametersHaveDefaultsAndTypes) {
  const std::string source =
      Script("", "on_telemetry = function() end",
             "parameters = { limit = 8.0, count = 3, on = true, name = 'x' },");
  EXPECT_EQ(Refused(source, R"({"limit": 9, "count": 4, "on": false, "name": "y"})"), "");
  EXPECT_THAT(
      Refused(source, R"({"limt": 9})"),
      HasSubstr("parameter limt is unknown to the model; it knows: count, limit, name, on"));
  EXPECT_THAT(Refused(source, R"({"limit": "9"})"), HasSubstr("limit must be a number"));
  EXPECT_THAT(Refused(source, R"({"count": 1.5})"), HasSubstr("count must be an integer"));
}

TEST(ScriptDefinitionTest, TablesAreListsOfRows) {
  const File file(Script("{ name = 'line', type = 'text', meaning = 'x' }",
                         "on_telemetry = function(state) local stops = {} for _, row in "
                         "ipairs(tables.stops) do stops[#stops + 1] = row.stop end state.line = "
                         "table.concat(stops, '-') end",
                         "tables = { 'stops' },"));
  TestKitBase kit(file.path(), {.tables = {{"stops", "stop,zone\nA,1\nB,2\n"}}});
  kit.Feed("p", "{}");
  EXPECT_EQ(kit.Field("p", "line"), R"("A-B")");
  EXPECT_THROW(TestKitBase(file.path(), {.tables = {{"other", "a\n1\n"}}}), std::invalid_argument);
}

TEST(ScriptDefinitionTest, AFileThatIsNone) {
  EXPECT_THAT(LoadScript("/nowhere/x.lua", {}).status().message(), HasSubstr("no such file"));
  EXPECT_THAT(LoadScript("/", {}).status().message(), HasSubstr("no such file"));
  EXPECT_THAT(ParseScript("big.lua", std::string(2'000'000, ' '), {}).status().message(),
              HasSubstr("at most 1048576"));
}

// Threads run the same model on interpreters of their own, and see each other's nothing.
TEST(ScriptThreadTest, EachThreadHasItsInterpreter) {
  struct Host {
    gemel_context context{};
    std::string failure;
  };
  static const gemel_host kHost = [] {
    gemel_host host{};
    host.struct_size = sizeof(gemel_host);
    host.fail = [](gemel_context* context, gemel_text why) {
      reinterpret_cast<Host*>(context)->failure.assign(why.data, why.size);
    };
    return host;
  }();
  auto parsed =
      ParseScript("probe.lua",
                  Script("{ name = 'count', type = 'int64', default = 0, meaning = 'x' }",
                         "on_telemetry = function(state) state.count = state.count + 1 end"),
                  {});
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  auto made = model::Model::Create(std::move(*parsed), {.name = "probe"});
  ASSERT_TRUE(made.ok()) << made.status().message();
  const model::Model& model = **made;
  constexpr int64_t kCalls = 5'000;
  const auto run = [&](int64_t* result) {
    alignas(8) std::byte state[64] = {};
    ASSERT_LE(model.state_size(), sizeof state);
    model.Construct(state);
    Host host;
    host.context = {&kHost, 0, {"p", 1}};
    const gemel_value values[1] = {};
    const gemel_message message{
        .struct_size = sizeof(gemel_message), .values = values, .values_count = 1};
    for (int64_t i = 0; i < kCalls; ++i) {
      ASSERT_TRUE(model.OnTelemetry(state, message, host.context, host.failure)) << host.failure;
    }
    std::memcpy(result, state, sizeof *result);
  };
  int64_t results[4] = {};
  {
    std::vector<std::jthread> threads;
    for (int64_t& result : results) threads.emplace_back(run, &result);
  }
  EXPECT_THAT(results, ElementsAre(kCalls, kCalls, kCalls, kCalls));
}

}  // namespace
}  // namespace gemel::script
