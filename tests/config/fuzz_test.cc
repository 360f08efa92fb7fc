#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/config/parsing.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

// The fuzz target, for everybody's test run: a few hundred mutations from a seed.
namespace gemel::config {
namespace {

using namespace std::string_literals;

const std::vector<std::string> kPieces = {
    "{",  "}",    "[",         "]",  "\"",     "\\u0000", "\\ud800", "\xFF",        "1e999",
    "-0", "null", "^/a",       "/~", "always", "0s",      "65536",   "{\"at\": 5}", "/*",
    "//", "\n",   "99999999d", "+",  "#",      "$SYS",    "text",    "3.1.1"};

std::string Mutated(std::string text, std::mt19937& random) {
  const auto below = [&](size_t n) { return random() % std::max<size_t>(n, 1); };
  for (size_t i = 1 + below(4); i > 0; --i) {
    const size_t at = below(text.size());
    switch (below(4)) {
      case 0:
        text.erase(at, below(20));
        break;
      case 1:
        text.insert(at, kPieces[below(kPieces.size())]);
        break;
      case 2:
        text.insert(at, text.substr(below(text.size()), below(60)));
        break;
      default:
        text.replace(at, 1, 1, static_cast<char>(below(256)));
        break;
    }
  }
  return text;
}

TEST(ConfigFuzzTest, MutatedTextsAreAcceptedOrRefusedWithOneLine) {
  constexpr unsigned kSeed = 20'240'601;
  RecordProperty("seed", static_cast<int>(kSeed));
  std::mt19937 random(kSeed);
  const std::vector<std::string> seeds = {
      DefaultFile(),
      R"({"models":[{"name":"m","plugin":"p","parameters":{"a":[1]},"tables":{"t":"x.csv"}}],)"
      R"("routes":[{"topic":"t/{id}","model":"m","items":"/i","time":"^/t","message_id":"/m",)"
      R"("fields":{"a":{"at":"/b","unit":"F","values":{"ON":true}},"c":"/d"}}]})",
      "{\"shards\":2}"s + '\0' + "GEMEL__MQTT__KEEPALIVE=5s\nGEMEL__ROUTES=[]\n"};
  for (int i = 0; i < 600; ++i) {
    const std::string text = Mutated(seeds[random() % seeds.size()], random);
    SCOPED_TRACE(text);
    EXPECT_EQ(LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(text.data()), text.size()),
              0);
  }
}

}  // namespace
}  // namespace gemel::config
