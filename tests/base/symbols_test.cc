#include "gateway/base/symbols.h"

#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace gemel {
namespace {

TEST(SymbolsTest, ATextHasOneNumberAndReadsBack) {
  Symbols symbols;
  const Symbol north = symbols.Intern("north").value();
  const Symbol south = symbols.Intern("south").value();
  EXPECT_NE(north, south);
  EXPECT_EQ(symbols.Intern("north"), north);
  EXPECT_EQ(symbols.TextOf(north), "north");
  EXPECT_EQ(symbols.TextOf(south), "south");
}

TEST(SymbolsTest, TheEmptyTextIsNoSymbol) {
  Symbols symbols;
  EXPECT_EQ(symbols.Intern(""), Symbol{});
  EXPECT_FALSE(Symbol{}.has_value());
  EXPECT_EQ(symbols.TextOf(Symbol{}), "");
}

TEST(SymbolsTest, AFullTableRefusesNewTextsAndKeepsKnownOnes) {
  Symbols symbols(2);
  const Symbol first = symbols.Intern("a").value();
  ASSERT_TRUE(symbols.Intern("b"));
  EXPECT_FALSE(symbols.Intern("c"));
  EXPECT_EQ(symbols.Intern("a"), first);
  EXPECT_EQ(symbols.size(), 2u);
}

TEST(SymbolsTest, ATextIsFoundOnlyOnceItWasInterned) {
  Symbols symbols;
  EXPECT_FALSE(symbols.Find("a"));
  const Symbol symbol = symbols.Intern("a").value();
  EXPECT_EQ(symbols.Find("a"), symbol);
  EXPECT_EQ(symbols.Find(""), Symbol{});
  EXPECT_EQ(symbols.size(), 1u) << "asking interns nothing";
}

TEST(SymbolsTest, ManyThreadsAgree) {
  Symbols symbols;
  std::vector<std::vector<Symbol>> seen(4);
  {
    std::vector<std::jthread> threads;
    threads.reserve(seen.size());
    for (std::vector<Symbol>& mine : seen) {
      threads.emplace_back([&] {
        for (int i = 0; i < 3'000; ++i) {
          const std::string text = "t" + std::to_string(i);
          mine.push_back(symbols.Intern(text).value());
          ASSERT_EQ(symbols.TextOf(mine.back()), text);
        }
      });
    }
  }
  for (const auto& each : seen) EXPECT_EQ(each, seen[0]);
}

}  // namespace
}  // namespace gemel
