#include "gateway/cli/table.h"

#include <gtest/gtest.h>

namespace gemel::cli {
namespace {

TEST(TableTest, NumbersStandRightAndTextLeft) {
  Table table({"ID", "N", "TEXT"});
  table.Add({"a", "1", "x"});
  table.Add({"bb", "-20", "é"});
  table.Add({"c", "-", ""});
  EXPECT_EQ(table.Text(0), "ID    N  TEXT\na     1  x\nbb  -20  é\nc     -\n");
}

TEST(TableTest, ColumnsThatDoNotFitAreLeftOut) {
  Table table({"ID", "LONG", "X"});
  table.Add({"a", "1234567890", "x"});
  EXPECT_EQ(table.ColumnsLeftOut(14), 1u);
  EXPECT_EQ(table.Text(14), "ID        LONG\na   1234567890\n");
  EXPECT_EQ(table.ColumnsLeftOut(13), 2u);
  EXPECT_EQ(table.Text(1), "ID\na\n");
  EXPECT_EQ(table.ColumnsLeftOut(0), 0u);
}

TEST(TableTest, CellsAreSafeForATerminal) {
  EXPECT_EQ(Cell(nullptr), "-");
  EXPECT_EQ(Cell("plain text"), "plain text");
  EXPECT_EQ(Cell("a\nb"), "\"a\\nb\"");
  EXPECT_EQ(Cell("\u202e"), "\"\\u{202e}\"");
  EXPECT_EQ(Cell(1.5), "1.5");
  EXPECT_EQ(Cell(true), "true");
}

TEST(TableTest, AgesAreRounded) {
  EXPECT_EQ(Age(nullptr), "-");
  EXPECT_EQ(Age(12), "12 ms");
  EXPECT_EQ(Age(1'500), "1.5 s");
  EXPECT_EQ(Age(600'000), "10 min");
  EXPECT_EQ(Age(3 * 3'600'000), "3 h");
  EXPECT_EQ(Age(int64_t{10} * 24 * 3'600'000), "10 d");
}

}  // namespace
}  // namespace gemel::cli
