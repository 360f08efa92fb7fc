#include "gateway/script/interpreter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gemel::script {
namespace {

using testing::HasSubstr;

// Runs the body of on_telemetry, frozen as a gateway has it, and returns what it returns as text,
// or the failure.
class Sandbox {
 public:
  explicit Sandbox(const std::string& before, const Limits& limits = {}) {
    auto loaded = Interpreter::Load("s.lua", before, limits);
    if (!loaded.ok()) {
      error_ = loaded.status().message();
      return;
    }
    interpreter_ = std::move(*loaded);
    if (Status frozen = interpreter_->Freeze(); !frozen.ok()) error_ = frozen.message();
  }
  std::string Call(const char* function = "run") {
    if (!error_.empty()) return error_;
    lua_State* const lua = interpreter_->lua();
    const int top = lua_gettop(lua);
    lua_getfield(lua, Interpreter::kDefinition, function);
    std::string failure;
    if (!interpreter_->Call(0, 1, failure)) {
      EXPECT_EQ(lua_gettop(lua), top);
      return failure;
    }
    std::string text = luaL_tolstring(lua, -1, nullptr);
    lua_settop(lua, top);
    return text;
  }
  const std::string& error() const { return error_; }

 private:
  std::unique_ptr<Interpreter> interpreter_;
  std::string error_;
};

std::string RunBody(const std::string& body, const Limits& limits = {}) {
  return Sandbox("return { run = function() " + body + " end }", limits).Call();
}

TEST(InterpreterTest, RunsLua54) {
  EXPECT_EQ(RunBody("return 7 // 2 .. ':' .. (1 << 4)"), "3:16");
  EXPECT_EQ(RunBody("local t = {} for i = 1, 3 do t[i] = i * i end return table.concat(t, ',')"),
            "1,4,9");
}

TEST(InterpreterTest, HasNothingOfTheOutsideWorld) {
  for (const char* const name :
       {"io", "os", "load", "loadstring", "dofile", "loadfile", "require", "package", "debug",
        "collectgarbage", "coroutine", "setmetatable", "getmetatable", "rawset", "rawget", "next",
        "print", "_G", "utf8"}) {
    EXPECT_EQ(RunBody(std::string("return ") + name), "nil") << name;
  }
  EXPECT_EQ(RunBody("return math.random"), "nil");
  EXPECT_EQ(RunBody("return string.dump"), "nil");
  EXPECT_EQ(RunBody("return ('x').gsub"), "nil");
}

TEST(InterpreterTest, TakesNoBytecode) {
  EXPECT_THAT(Sandbox("\x1bLuaT").error(), HasSubstr("binary"));
}

TEST(InterpreterTest, SaysTheLineOfAnError) {
  EXPECT_THAT(Sandbox("local x = 1\nlocal y = = 2").error(), HasSubstr("s.lua:2:"));
  EXPECT_THAT(Sandbox("return { run = function()\n  return nil + 1\nend }").Call(),
              HasSubstr("s.lua:2:"));
  EXPECT_EQ(RunBody("error({})"), "an error that is a table");
  EXPECT_THAT(Sandbox("return 5").error(), HasSubstr("it returns a number"));
}

TEST(InterpreterTest, AnErrorInAFunctionOfTheSandboxIsThatOfTheLineThatCallsIt) {
  for (const char* const call :
       {"string.rep(nil, 2)", "string.find({}, 'x')", "table.sort({ 1, 'x' })",
        "table.insert(5, 1)", "pairs(5)", "table.remove({}, 7)"}) {
    Sandbox sandbox(std::string("return { run = function()\n\n  ") + call + "\nend }");
    EXPECT_THAT(sandbox.Call(), testing::StartsWith("s.lua:3: ")) << call;
  }
}

TEST(InterpreterTest, WalksTablesInOrder) {
  EXPECT_EQ(RunBody(R"(local t, seen = {}, {}
                   for _, k in ipairs { "b", "a", 3, 1.5, true, "c", false, 2 } do t[k] = 1 end
                   for k in pairs(t) do seen[#seen + 1] = tostring(k) end
                   return table.concat(seen, " "))"),
            "1.5 2 3 a b c false true");
  EXPECT_THAT(RunBody("for k in pairs({ [{}] = 1 }) do end"), HasSubstr("have an order"));
}

TEST(InterpreterTest, SortsStably) {
  EXPECT_EQ(RunBody(R"(local t = {}
                   for i = 1, 500 do t[i] = { key = i % 7, at = i } end
                   table.sort(t, function(a, b) return a.key < b.key end)
                   for i = 2, 500 do
                     local a, b = t[i - 1], t[i]
                     if a.key > b.key or (a.key == b.key and a.at > b.at) then return "wrong at " .. i end
                   end
                   return #t)"),
            "500");
  EXPECT_EQ(RunBody("local t = { 3, 1, 2 } table.sort(t) return table.concat(t)"), "123");
  EXPECT_EQ(RunBody("local t = { 1 } table.sort(t) return t[1]"), "1");
}

TEST(InterpreterTest, TableFunctionsDoWhatLuaDoes) {
  EXPECT_EQ(RunBody(R"(local t = { 1, 2, 3 }
                   table.insert(t, 4) table.insert(t, 1, 0) local last = table.remove(t)
                   local first = table.remove(t, 1)
                   return table.concat(t, ",") .. ";" .. first .. last)"),
            "1,2,3;04");
  EXPECT_THAT(RunBody("table.insert({}, 5, 1)"), HasSubstr("no such position"));
  EXPECT_EQ(RunBody("return select('#', table.unpack({ 1, 2, 3 }))"), "3");
  EXPECT_THAT(RunBody("return table.unpack({}, 1, 1000000)"), HasSubstr("at most 250"));
}

TEST(InterpreterTest, NoAddressGetsOut) {
  EXPECT_EQ(RunBody("return tostring({}) .. tostring(pairs)"), "tablefunction");
  EXPECT_THAT(RunBody("return string.format('%p', {})"), HasSubstr("address"));
  EXPECT_THAT(RunBody("return string.format('%s', {})"), HasSubstr("not a table"));
  EXPECT_EQ(RunBody("return string.format('%d%%p %s %5.2f', 3, true, 1.5)"), "3%p true  1.50");
  EXPECT_THAT(RunBody("return {} .. ''"), HasSubstr("attempt to concatenate"));
}

TEST(InterpreterTest, WhatWasMadeWhenTheScriptWasReadCannotChange) {
  const auto fails = [](const std::string& before, const std::string& body) {
    Sandbox sandbox(before + " return { run = function() " + body + " end, t = { 1 } }");
    const std::string first = sandbox.Call();
    EXPECT_THAT(first, HasSubstr("state")) << body;
    EXPECT_EQ(sandbox.Call(), first) << "it changed after all";
  };
  fails("", "x = 1");
  fails("count = 0", "count = count + 1");
  fails("local t = { n = 0 }", "t.n = t.n + 1");
  fails("local t = { { n = 0 } }", "t[1].n = 1");
  fails("", "math.pi = 3");
  fails("", "string.len = nil");
  fails("local n = 0", "n = n + 1");
  fails("local n", "n = 1");
  fails("local n = 1", "n = 1.0");
  fails("local n = 0.0", "n = -0.0");
  fails("local f = function() return 1 end", "f = nil");
  fails("local count = (function() local n = 0 return function() n = n + 1 return n end end)()",
        "count()");
  fails("", "_ENV = {}");
  Sandbox inserts("local t = {} return { run = function() table.insert(t, 1) end }");
  EXPECT_THAT(inserts.Call(), HasSubstr("can't be changed"));
}

TEST(InterpreterTest, WhatIsFrozenReadsAsBefore) {
  EXPECT_EQ(Sandbox(R"(local t = { 10, 20, 30, name = "x" }
                       return { run = function()
                         local sum = #t
                         for _, v in ipairs(t) do sum = sum + v end
                         for k, v in pairs(t) do if k == "name" then sum = sum .. v end end
                         return sum .. table.concat(t, "+")
                       end })")
                .Call(),
            "63x10+20+30");
  EXPECT_EQ(Sandbox("local nan = 0 / 0 return { run = function() return nan ~= nan end }").Call(),
            "true");
}

TEST(InterpreterTest, EndsWhatRunsForTooLong) {
  const Limits limits{.instructions = 10'000};
  EXPECT_THAT(RunBody("while true do end", limits), HasSubstr("more than 10000 instructions"));
  EXPECT_THAT(RunBody("while true do pcall(function() while true do end end) end", limits),
              HasSubstr("more than 10000 instructions"));
  EXPECT_THAT(RunBody("local function f() return f() end f()", limits), HasSubstr("instructions"));
  EXPECT_THAT(RunBody("local t = {} for i = 1, 1e9 do table.insert(t, 1, i) end", limits),
              HasSubstr("instructions"));
  EXPECT_THAT(Sandbox("while true do end", limits).error(), HasSubstr("instructions"));
  EXPECT_EQ(
      Sandbox("local function f()\nwhile true do end end\nreturn { run = function()\nf() end }",
              limits)
          .Call(),
      "s.lua:2: ran for more than 10000 instructions");
  // A limit that was met is whole again in the next call.
  Sandbox sandbox("local n = 0 return { run = function() for i = 1, 5000 do end return 1 end }",
                  limits);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(sandbox.Call(), "1");
}

// Whether a call passes must not depend on what the interpreter did before it, or a replay would
// differ. A stack that has grown stays so for a while.
TEST(InterpreterTest, TheWorkOfACallDoesNotDependOnEarlierCalls) {
  constexpr const char* kScript = R"(
    local function Deep(n) if n == 0 then return 0 end return 1 + Deep(n - 1) end
    return { run = function() for i = 1, loops do end return Deep(30000) end,
             warm = function() return Deep(30000) end })";
  const auto load = [&](int loops) {
    return Sandbox("loops = " + std::to_string(loops) + kScript, {.instructions = 400'000});
  };
  int most = 0;  // loops with which a first call passes
  int least = 400'000;
  while (least - most > 500) {
    const int middle = (most + least) / 2;
    (load(middle).Call() == "30000" ? most : least) = middle;
  }
  EXPECT_GT(most, 0);
  for (int loops = least; loops < least + 8'000; loops += 500) {
    Sandbox sandbox = load(loops);
    EXPECT_EQ(sandbox.Call("warm"), "30000");
    EXPECT_THAT(sandbox.Call(), HasSubstr("instructions")) << loops;
  }
}

TEST(InterpreterTest, CountsTheWorkOfWhatIsOneInstruction) {
  const std::string texts =
      "local a = string.rep('a', 60000) local b = string.rep('a', 30000) .. 'b' ";
  EXPECT_THAT(RunBody(texts + "return string.find(a, b)"), HasSubstr("instructions"));
  EXPECT_THAT(RunBody(texts + "for i = 1, 1e6 do select('#', a:byte(1, 200)) end"),
              HasSubstr("instructions"));
  EXPECT_EQ(RunBody(texts + "return a .. b"), "not enough memory") << "a text of more than 64 KiB";
}

TEST(InterpreterTest, TablesOfAnySizeAreFrozen) {
  const std::string many = "local t = {} for i = 1, 50000 do t[i] = { i } end ";
  EXPECT_EQ(Sandbox(many + "return { t = t, run = function() return #t end }").Call(), "50000");
}

TEST(InterpreterTest, EndsWhatNeedsTooMuchMemory) {
  const Limits limits{.instructions = 100'000'000, .memory = 4 * 1'024 * 1'024};
  EXPECT_EQ(RunBody("local t = {} for i = 1, 1e8 do t[i] = { i } end", limits),
            "not enough memory");
  EXPECT_EQ(RunBody("local s = 'x' while true do s = s .. s end", limits), "not enough memory");
  EXPECT_THAT(RunBody("return string.rep('x', 1e9)", limits), HasSubstr("64 KiB"));
  EXPECT_THAT(RunBody("return string.rep('', 1e9)", limits), HasSubstr("64 KiB"));
  EXPECT_THAT(RunBody("local function f() return 1 + f() end return f()", limits),
              testing::AnyOf(HasSubstr("stack overflow"), HasSubstr("not enough memory")));
  // And goes on afterwards.
  Sandbox sandbox(R"(return { run = function()
                       local ok = pcall(function() local t = {} for i = 1, 1e8 do t[i] = { i } end end)
                       return ok and "all" or "some"
                     end })",
                  limits);
  EXPECT_EQ(sandbox.Call(), "some");
  EXPECT_EQ(sandbox.Call(), "some");
}

}  // namespace
}  // namespace gemel::script
