#include "gateway/codec/csv.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/data_dir.h"

namespace gemel::codec {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Row = std::vector<std::string>;

// The rows after the header, and the message of a failure as a last row of one cell.
std::vector<Row> Rows(std::string_view text, CsvOptions options = {}) {
  auto reader = CsvReader::Open(ByteWindow::OfText(text, "t.csv"), std::move(options));
  if (!reader.ok()) return {{reader.status().message()}};
  std::vector<Row> rows;
  for (;;) {
    const auto has_row = reader->Next();
    if (!has_row.ok()) {
      rows.push_back({has_row.status().message()});
      return rows;
    }
    if (!*has_row) return rows;
    rows.emplace_back(reader->cells().begin(), reader->cells().end());
  }
}

TEST(CsvTest, RowsAreCellsByTheHeadersColumns) {
  auto reader =
      CsvReader::Open(ByteWindow::OfText("\xEF\xBB\xBFid,name\r\n1,a\r\n\r\n2,\n", "t.csv"));
  ASSERT_TRUE(reader.ok()) << reader.status().message();
  EXPECT_THAT(reader->columns(), ElementsAre("id", "name"));
  ASSERT_TRUE(*reader->Next());
  EXPECT_EQ(reader->line(), 2u);
  EXPECT_THAT(reader->cells(), ElementsAre("1", "a"));
  ASSERT_TRUE(*reader->Next());
  EXPECT_EQ(reader->line(), 4u);
  EXPECT_THAT(reader->cells(), ElementsAre("2", ""));
  EXPECT_FALSE(*reader->Next());
  EXPECT_FALSE(*reader->Next());
}

TEST(CsvTest, QuotedCellsHoldSeparatorsLineEndsAndQuotes) {
  EXPECT_THAT(Rows("a,b\n\"x,y\",\"one\r\ntwo\"\n\"say \"\"hi\"\"\",\"\"\n\"\"\"\",\"q\""),
              ElementsAre(Row{"x,y", "one\r\ntwo"}, Row{"say \"hi\"", ""}, Row{"\"", "q"}));
  EXPECT_THAT(Rows("a,b\r\n\"1\",\"2\"\r\n3,\"4\"\r\n"), ElementsAre(Row{"1", "2"}, Row{"3", "4"}));
}

TEST(CsvTest, LineNumbersCountTheLinesInsideCells) {
  auto reader = CsvReader::Open(ByteWindow::OfText("a\n\"1\n2\n3\"\nx\n", "t.csv"));
  ASSERT_TRUE(*reader->Next());
  EXPECT_EQ(reader->line(), 2u);
  ASSERT_TRUE(*reader->Next());
  EXPECT_EQ(reader->line(), 5u);
}

TEST(CsvTest, TheLastRowNeedsNoLineEnd) {
  EXPECT_THAT(Rows("a,b\n1,2"), ElementsAre(Row{"1", "2"}));
  EXPECT_THAT(Rows("a,b\n1,"), ElementsAre(Row{"1", ""}));
  EXPECT_THAT(Rows("a,b\n1,2\r"), ElementsAre(Row{"1", "2"}));
  EXPECT_THAT(Rows("a,b"), ElementsAre());
}

TEST(CsvTest, CarriageReturnInsideACellIsText) {
  EXPECT_THAT(Rows("a,b\n1\r1,2\n"), ElementsAre(Row{"1\r1", "2"}));
}

TEST(CsvTest, SeparatorAndColumnsMayBeGiven) {
  EXPECT_THAT(Rows("1;2,5\n", {.separator = ';', .columns = {"a", "b"}}),
              ElementsAre(Row{"1", "2,5"}));
  EXPECT_THAT(Rows("a\tb\n1\t\n", {.separator = '\t'}), ElementsAre(Row{"1", ""}));
}

TEST(CsvTest, ABlankSeparatorStandsForAnyRunOfBlanks) {
  const CsvOptions options{.separator = ' ', .columns = {"a", "b"}};
  EXPECT_THAT(Rows("1 2  \n  3   4\r\n5 6 \r\n\n7 8 ", options),
              ElementsAre(Row{"1", "2"}, Row{"3", "4"}, Row{"5", "6"}, Row{"7", "8"}));
}

TEST(CsvTest, MistakesNameFileAndLine) {
  EXPECT_THAT(Rows(""), ElementsAre(Row{"t.csv: no header row: the file is empty"}));
  EXPECT_THAT(Rows("a,b,a\n"), ElementsAre(Row{"t.csv:1: column \"a\" stands twice"}));
  EXPECT_THAT(Rows("a,,b\n"), ElementsAre(Row{"t.csv:1: a column without a name"}));
  EXPECT_THAT(Rows("a,b\n1,2\n3\n"),
              ElementsAre(Row{"1", "2"}, Row{"t.csv:3: a row of 1 cell in a table of 2 columns"}));
  EXPECT_THAT(Rows("a,b\n1,2,3\n"),
              ElementsAre(Row{"t.csv:2: a row of 3 cells in a table of 2 columns"}));
  EXPECT_THAT(Rows("a\n\n\"open\nx\n"),
              ElementsAre(Row{"t.csv:3: a quoted cell that does not end"}));
  EXPECT_THAT(Rows("a\n5\" pipe\n"),
              ElementsAre(Row{"t.csv:2: a quote inside a cell that does not begin with one"}));
  EXPECT_THAT(Rows("a\n\"x\"y\n"),
              ElementsAre(Row{"t.csv:2: text behind the closing quote of a cell"}));
  EXPECT_THAT(Rows("a\n\xC3\x28\n"), ElementsAre(Row{"t.csv:2: text that is not UTF-8"}));
  EXPECT_THAT(Rows("a\n" + std::string(kRowBytesMax + 1, 'x')),
              ElementsAre(Row{"t.csv:2: a row of more than 1048576 bytes"}));
}

TEST(CsvTest, ARowMayCrossChunksAtEveryByte) {
  std::string text = "a,b\n";
  std::vector<Row> expected;
  for (size_t i = 0; i < 3'000; ++i) {
    expected.push_back({std::to_string(i), std::string(i % 97, 'x') + "\"\r\n"});
    text += expected.back()[0] + ",\"" + std::string(i % 97, 'x') + "\"\"\r\n\"\r\n";
  }
  EXPECT_EQ(Rows(text), expected);
}

TEST(CsvTest, TheRealSetsAreRead) {
  const auto data = support::DataDir();
  if (!data) GTEST_SKIP() << support::kNoData;
  const auto rows = [&](const char* file, CsvOptions options = {}) -> size_t {
    auto bytes = ByteWindow::Open(*data / file);
    EXPECT_TRUE(bytes.ok()) << bytes.status().message();
    auto reader = CsvReader::Open(std::move(*bytes), std::move(options));
    EXPECT_TRUE(reader.ok()) << reader.status().message();
    size_t count = 0;
    for (auto row = reader->Next(); row.ok() && *row; row = reader->Next()) ++count;
    const auto end = reader->Next();
    EXPECT_TRUE(end.ok()) << end.status().message();
    return count;
  };
  EXPECT_EQ(rows("capmetro_bus/vehicle_positions_2016-11-24.csv.gz"), 24'490u);
  EXPECT_EQ(rows("capmetro_bus/schedule_for_trips.csv.gz"), 133'176u);
  EXPECT_EQ(rows("us_hospitals/hospitals_ccm.csv"), 7'154u);
  EXPECT_EQ(rows("us_hospitals/florida_hospital_reports.csv"), 2'451u);
  EXPECT_EQ(rows("wire_aml_sim/transactions.csv.gz"), 120'558u);
  CsvOptions engine{.separator = ' '};
  for (int i = 1; i <= 26; ++i) engine.columns.push_back("c" + std::to_string(i));
  EXPECT_EQ(rows("cmapss_fd001/train_FD001.txt.gz", engine), 20'631u);
}

}  // namespace
}  // namespace gemel::codec
