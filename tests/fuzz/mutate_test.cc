#include <cstdlib>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/base/symbols.h"
#include "gateway/journal/frame.h"
#include "gateway/sdk/arguments.hpp"
#include "gateway/twin/twin_message.h"
#include "tests/fuzz/fuzz.h"

// A fuzzer without coverage, so that every build tries a little: documents are mutated a few
// thousand times, always the same way, so that a change is judged by what it changes. Another
// GEMEL_FUZZ_SEED tries others.
namespace gemel::fuzz {
namespace {

using Corpus = std::vector<std::string>;

constexpr int kRounds = 4'000;

uint32_t Seed() {
  const char* const given = std::getenv("GEMEL_FUZZ_SEED");
  return given != nullptr ? static_cast<uint32_t>(std::strtoul(given, nullptr, 10)) : 1;
}

void Mutate(std::string& input, const Corpus& corpus, std::mt19937& random) {
  const auto below = [&](size_t end) { return end == 0 ? 0 : random() % end; };
  const size_t at = below(input.size());
  switch (random() % 8) {
    case 0:
      input.resize(at);
      break;
    case 1:
      input.insert(at, 1, static_cast<char>(random()));
      break;
    case 2:
      input.erase(at, 1 + below(8));
      break;
    case 3:
      input.insert(at, input.substr(below(input.size()), below(32)));
      break;
    case 4: {
      const std::string& other = corpus[below(corpus.size())];
      input.insert(at, other.substr(below(other.size())));
      break;
    }
    case 5:
      input.insert(at, 1 + below(100), "[{\"\x81\x7f\x9f\xbf/#"[below(9)]);
      break;
    default:
      if (!input.empty()) input[at] = static_cast<char>(random());
  }
}

void Drive(int (*entry)(const uint8_t*, size_t), const Corpus& corpus) {
  const uint32_t seed = Seed();
  testing::Test::RecordProperty("seed", std::to_string(seed));
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  for (int i = 0; i < kRounds; ++i) {
    std::string input = corpus[random() % corpus.size()];
    for (size_t mutations = random() % 6; mutations > 0; --mutations) Mutate(input, corpus, random);
    if (input.size() > 10'000) input.resize(10'000);
    // A buffer of just this size, so that ASan sees reads beyond it.
    const std::vector<uint8_t> bytes(input.begin(), input.end());
    entry(bytes.data(), bytes.size());
  }
}

const Corpus kDocuments = {
    R"({"d":1.5,"c":212,"n":{"i":9007199254740993},"l":[1.5],"b":"ON","t":"2024-03-01T10:00:00Z"})",
    R"({"s":"\ud83d\ude9a","y":"north","o":1e300,"mid":"m-1","seq":7,"b":1.5})",
    R"({"o":5,"items":[{"id":"a","d":1},{"id":7,"y":"x","s":"]}"}]})",
    R"({"d":null,"x":{"y":{"z":[[],{},"",true,false,-0.0e-10]}}})",
    R"({"items":[]})",
    R"({"d":12.75,"c":-0.001,"b":true,"s":"plain text","t":1700000000000,"x":null,"o":-17})",
    R"( { "seq" : 123456789012345678 , "d" : 9007199254740.993, "y":"north","id":"dev-7" } )",
};

TEST(FuzzTest, Json) { Drive(Json, kDocuments); }

TEST(FuzzTest, Binary) {
  Corpus corpus = {"ON",           "153.42",           " true\n",
                   "\xc1\xc1\x05", "\x7f\x61\x61\xff", "\x9f\xbf\xff\xff"};
  for (const std::string& document : kDocuments) {
    const auto json = nlohmann::json::parse(document);
    const std::vector<uint8_t> cbor = nlohmann::json::to_cbor(json);
    const std::vector<uint8_t> msgpack = nlohmann::json::to_msgpack(json);
    corpus.emplace_back(cbor.begin(), cbor.end());
    corpus.emplace_back(msgpack.begin(), msgpack.end());
  }
  Drive(Binary, corpus);
}

TEST(FuzzTest, Topic) {
  Drive(Topic, {"fleet/wa/truck/42/telemetry", "bus/803/5001/position", "in/dev-7.json", "any",
                "any/x/y", "tele/a/b", "a/b", "fleet/{region}/dev-{id}.x/#", "+/{a}/{b}",
                "\xf0\x9f\x9a\x9a %\t", "#"});
}

// Bodies of frames of another process, whose models, routes and symbols have other numbers.
Corpus Frames() {
  Symbols symbols;
  const journal::Catalog theirs{
      .models = {{"truck", {"speed", "region", "door"}}, {"bus", {"line"}}, {"gone", {}}},
      .routes = {"fleet", "doors", "stops", "gone"},
      .symbols = &symbols};
  std::vector<journal::RecordSymbol> names = {{1, 1, 0}, {9, 0, 0}};
  for (const char* text : {"north", "south", "east", "west", "up", "down", "left"})
    names.push_back({1, 0, symbols.Intern(text).value().number});
  const std::vector<journal::RecordCapture> captures = {{2, "open"}, {0, ""}, {7, "x"}};
  std::string sent;
  const std::vector<EffectId> ids = {{MakeLsn(1, 7), 0}, {MakeLsn(1, 9), 3}};
  journal::EncodeSent(ids, sent);
  std::string outcomes;
  const std::vector<journal::EndedEffect> ended = {
      {{MakeLsn(1, 7), 2}, journal::EffectOutcome::kExpired}};
  journal::EncodeOutcomes(ended, outcomes);
  const std::vector<journal::Record> records = {
      {.id = "t-1", .payload = R"({"speed":3})", .symbols = std::span(names).first(3)},
      {.route = 1, .id = "t-2", .payload = "{}", .outer = "[1]", .captures = captures},
      {.model = 1, .route = 2, .id = "b-1", .symbols = names, .captures = captures},
      {.kind = journal::RecordKind::kTwinDeleted, .model = 1, .id = "b-1"},
      {.kind = journal::RecordKind::kEffectsSent, .payload = sent},
      {.kind = journal::RecordKind::kEffectOutcome, .id = "pager", .payload = outcomes},
      {.model = 2, .route = 3, .id = "g"}};
  Corpus corpus;
  for (size_t first = 0; first < records.size(); ++first) {
    for (const size_t count : {size_t{1}, records.size() - first}) {
      journal::FrameBuilder builder(theirs);
      const auto frame = builder.Build(std::span(records).subspan(first, count));
      const auto body = frame.subspan(journal::kFrameHeadBytes);
      corpus.emplace_back(reinterpret_cast<const char*>(body.data()), body.size());
    }
  }
  return corpus;
}

TEST(FuzzTest, Frame) { Drive(Frame, Frames()); }

TEST(FuzzTest, Script) {
  const std::string head =
      "return { name = 'm', meaning = 'x', fields = {"
      "{ name = 'v', type = 'double', from = 'telemetry', meaning = 'x' },"
      "{ name = 'n', type = 'int64', default = 0, meaning = 'x' },"
      "{ name = 's', type = 'text', capacity = 40, meaning = 'x' } },"
      "on_telemetry = function(state, message, context) ";
  const std::string tail = " end }";
  Corpus corpus;
  for (const char* const body :
       {"state.n = state.n + 1", "if state.v then state.s = tostring(state.v) end",
        "local t = {} for i = 1, 50 do t[i] = i * 7 % 13 end table.sort(t) state.s = "
        "table.concat(t, ',')",
        "for k, v in pairs({ a = 1, b = 2, [3] = 4 }) do state.n = state.n + v end",
        "context:raise('major', 'c', 'm', { v = state.v, n = 1 }) context:set_timer('t', 5)",
        "state.s = string.format('%5.2f %s', math.sqrt(2), context:id()):rep(3):upper()",
        "local ok, why = pcall(error, 'x') state.s = why error(state.s)",
        "while true do state.n = state.n + 1 end", "local x = 'a' while true do x = x .. x end",
        "state.s = string.find('a.b', '.') .. ('x'):byte(1) .. #message:get('v')"})
    corpus.push_back(fmt::format("{}{}{}", head, body, tail));
  corpus.push_back("local t = { 1, { 2 } } local n = 0 local function f() n = n + t[2][1] end " +
                   head + "f()" + tail);
  Drive(Script, corpus);
}

TEST(FuzzTest, TwinMessage) {
  Symbols symbols;
  const gemel_argument arguments[] = {
      Argument("n", int64_t{-7}),        Argument("x", 0.5),
      Argument("is_on", true),           Argument("why", "a text"),
      Argument("at", Time{Duration{1}}), Argument("kind", symbols.Intern("north").value())};
  Corpus corpus;
  for (size_t count = 0; count <= std::size(arguments); ++count)
    twin::EncodeTwinMessage("truck", "t-1", "late", arguments, count, symbols,
                            corpus.emplace_back());
  Drive(TwinMessage, corpus);
}

TEST(FuzzTest, Profile) {
  Drive(Profile,
        {R"({"ok":true,"count":-7,"level":0.25,"made":"2024-01-02T03:04:05Z"})",
         R"({"kind":"\u00fcber","note":"","level":null,"count":"12"})",
         R"({"set":{"level":5,"kind":"a"},"creates":true,"of_file":true})", R"({"level":[[[]]]})"});
}

TEST(FuzzTest, Command) {
  Drive(Command,
        {R"({"id":"c-1a2b-0","status":"successful","battery":0.7})",
         R"({"id":"c-1-7","status":"failed","reason":"no \u00fcber \"road\""})",
         R"({"name":"rest","args":{"minutes":30,"a":[[1,"x"],{"b":null}]},"expires":"10m"})",
         R"({"name":"stop"})", R"({"id":"c-1-0","status":[[[[[[]]]]]]})"});
}

}  // namespace
}  // namespace gemel::fuzz
