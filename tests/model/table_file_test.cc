#include "gateway/model/table_file.h"

#include <chrono>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/sdk/arguments.hpp"
#include "tests/support/data_dir.h"
#include "tests/support/temp_dir.h"

namespace gemel::model {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;

class TableFileTest : public testing::Test {
 protected:
  std::filesystem::path File(const std::string& text) {
    std::ofstream(folder_ / "table", std::ios::binary) << text;
    return folder_ / "table";
  }
  std::unique_ptr<const TableFile> Load(const std::string& text) {
    auto table = TableFile::Load(File(text), "t");
    EXPECT_TRUE(table.ok()) << table.status().message();
    return table.ok() ? std::move(*table) : nullptr;
  }
  std::string Failure(const std::string& text) {
    const auto table = TableFile::Load(File(text), "t");
    return table.ok() ? "loaded" : table.status().message();
  }
  static std::string_view Cell(const gemel_table* table, size_t row, size_t column) {
    return ToView(table->cell(table, row, column));
  }

  support::TempDir folder_;
};

TEST_F(TableFileTest, CsvIsSeenThroughTheInterfaceOfModels) {
  const auto table = Load("stop,name\n1,\"Main, north\"\n2,\n");
  const gemel_table* view = table->view();
  EXPECT_EQ(ToView(view->name), "t");
  ASSERT_EQ(view->columns_count, 2u);
  EXPECT_EQ(ToView(view->columns[0]), "stop");
  EXPECT_EQ(ToView(view->columns[1]), "name");
  ASSERT_EQ(view->rows_count, 2u);
  EXPECT_EQ(Cell(view, 0, 0), "1");
  EXPECT_EQ(Cell(view, 0, 1), "Main, north");
  EXPECT_EQ(Cell(view, 1, 0), "2");
  EXPECT_EQ(Cell(view, 1, 1), "");
  EXPECT_EQ(Cell(view, 2, 0), "");
  EXPECT_EQ(Cell(view, 0, 2), "");
}

TEST_F(TableFileTest, JsonLinesMayBringColumnsLate) {
  const auto table =
      Load("{\"id\":\"a\",\"n\":1.5}\n\n{\"n\":null,\"id\":\"\",\"list\":[1, 2],\"is\":true}\n");
  EXPECT_THAT(table->columns(), ElementsAre("id", "n", "list", "is"));
  ASSERT_EQ(table->rows(), 2u);
  EXPECT_EQ(table->cell(0, 0), "a");
  EXPECT_EQ(table->cell(0, 1), "1.5");
  EXPECT_EQ(table->cell(0, 2), "");
  EXPECT_EQ(table->cell(0, 3), "");
  EXPECT_EQ(table->cell(1, 0), "");
  EXPECT_EQ(table->cell(1, 1), "");
  EXPECT_EQ(table->cell(1, 2), "[1,2]");
  EXPECT_EQ(table->cell(1, 3), "true");
}

TEST_F(TableFileTest, GeoJsonHasPropertiesAndGeometryAsColumns) {
  const std::string text = R"({"type": "FeatureCollection", "features": [
    {"type": "Feature", "properties": {"zone": "north"},
     "geometry": {"type": "Point", "coordinates": [1.5, 2]}},
    {"type": "Feature", "properties": {"limit": 30, "zone": null}, "geometry": null},
    {"type": "Feature", "properties": null, "geometry": {"type": "LineString", "coordinates": []}}]})";
  for (const bool is_one_line : {false, true}) {
    std::string given = text;
    if (is_one_line) std::erase(given, '\n');
    const auto table = Load(given);
    EXPECT_THAT(table->columns(), ElementsAre("zone", "limit", "geometry", "geometry_type"));
    ASSERT_EQ(table->rows(), 3u);
    EXPECT_EQ(table->cell(0, 0), "north");
    EXPECT_EQ(table->cell(0, 1), "");
    EXPECT_EQ(table->cell(0, 2), R"({"type":"Point","coordinates":[1.5,2]})");
    EXPECT_EQ(table->cell(0, 3), "Point");
    EXPECT_EQ(table->cell(1, 1), "30");
    EXPECT_EQ(table->cell(1, 2), "");
    EXPECT_EQ(table->cell(1, 3), "");
    EXPECT_EQ(table->cell(2, 3), "LineString");
  }
}

TEST_F(TableFileTest, MistakesNameTheFileAndTheLine) {
  EXPECT_THAT(Failure(""), EndsWith("table: no header row: the file is empty"));
  EXPECT_THAT(Failure("a,b\n1\n"), EndsWith("table:2: a row of 1 cell in a table of 2 columns"));
  EXPECT_THAT(Failure("{\"a\":1}\n[1]\n"), EndsWith("table:2: no JSON object"));
  EXPECT_THAT(Failure("{\"a\":1}\n{\"a\":1,\"b\":2,\"a\":3}\n"),
              EndsWith("table:2: \"a\" stands twice"));
  EXPECT_THAT(Failure("{\"a\":1}\n{\"a\":\n"), HasSubstr("table:2: no JSON: "));
  EXPECT_THAT(Failure("{\n\"a\":1}\n"),
              EndsWith("table: neither JSON lines nor a GeoJSON FeatureCollection"));
  EXPECT_THAT(Failure("{\"a\":1\n"),
              HasSubstr("table: neither JSON lines nor a GeoJSON FeatureCollection: "));
  EXPECT_THAT(Failure(R"({"type":"FeatureCollection"})"), HasSubstr("has no array \"features\""));
  EXPECT_THAT(Failure(R"({"type":"FeatureCollection","features":[{"type":"Feature"}]})"),
              HasSubstr("feature 0: it has no object \"properties\""));
  EXPECT_THAT(
      Failure(R"({"type":"FeatureCollection","features":[{"properties":{"geometry_type":1}}]})"),
      HasSubstr("a property is called geometry_type"));
  EXPECT_EQ(TableFile::Load(folder_ / "none", "t").status().code(), Code::kNotFound);
}

TEST_F(TableFileTest, TheRealTimetableIsRead) {
  const auto set = support::DataSet("capmetro_bus");
  if (!set) GTEST_SKIP() << support::kNoData;
  const auto begin = std::chrono::steady_clock::now();
  const auto table = TableFile::Load(*set / "schedule_for_trips.csv.gz", "timetable");
  const auto end = std::chrono::steady_clock::now();
  ASSERT_TRUE(table.ok()) << table.status().message();
  RecordProperty("load_ms", static_cast<int>((end - begin) / std::chrono::milliseconds(1)));
  EXPECT_EQ((*table)->rows(), 133'176u);
  EXPECT_THAT((*table)->columns(), ElementsAre("trip_id", "arrival_time", "stop_id"));
  EXPECT_EQ((*table)->cell(0, 1), "5:33:00");
  EXPECT_EQ((*table)->cell(1, 2), "5374");
}

}  // namespace
}  // namespace gemel::model
