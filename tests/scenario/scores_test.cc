// `gemel replay --offline --scores`: the anomaly model on real series, and what is wrong usage.

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/scenario/playback.h"
#include "tests/support/data_dir.h"

namespace gemel::scenario {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::string Source(const std::string& path) { return fs::path(GEMEL_SOURCE_DIR) / path; }

std::vector<std::string> LinesOf(const fs::path& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    if (line.ends_with('\r')) line.pop_back();
    lines.push_back(line);
  }
  return lines;
}

// A row of the scores for each row of the series, under the same timestamp.
void ExpectSameRows(const fs::path& series, const fs::path& scores) {
  const std::vector<std::string> rows = LinesOf(series);
  const std::vector<std::string> scored = LinesOf(scores);
  ASSERT_EQ(scored.size(), rows.size()) << scores;
  EXPECT_EQ(scored.front(), "timestamp,anomaly_score");
  for (size_t i = 1; i < rows.size(); ++i) {
    ASSERT_EQ(scored[i].substr(0, scored[i].find(',')), rows[i].substr(0, rows[i].find(',')))
        << scores << ":" << i + 1;
    const double score = std::stod(scored[i].substr(scored[i].find(',') + 1));
    ASSERT_TRUE(score >= 0 && score <= 1) << scores << ":" << i + 1;
  }
}

// The number behind the name of a profile in what the scorer prints.
double ScoreIn(const std::string& output, const std::string& profile) {
  std::istringstream lines(output);
  for (std::string word; lines >> word;) {
    if (word != profile) continue;
    double score = 0;
    lines >> score;
    return score;
  }
  ADD_FAILURE() << "no " << profile << " in: " << output;
  return 0;
}

class ScoresTest : public ::testing::Test {
 protected:
  Outcome Scores(const std::vector<std::string>& files, std::vector<std::string> options) const {
    std::vector<std::string> arguments = {"replay", "--offline"};
    arguments.insert(arguments.end(), files.begin(), files.end());
    arguments.insert(arguments.end(), options.begin(), options.end());
    return Gemel(std::move(arguments));
  }
  std::vector<std::string> Nab(std::vector<std::string> more) const {
    std::vector<std::string> options = {"--config", Source("conf/replay/nab.gateway.json"), "--map",
                                        Source("conf/replay/nab.json")};
    options.insert(options.end(), more.begin(), more.end());
    return options;
  }
  std::string Write(const std::string& name, const std::string& text) const {
    const fs::path path = folder_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return path.string();
  }
  void ExpectRefused(int code, const std::vector<std::string>& files,
                     const std::vector<std::string>& options, const std::string& why) const {
    const Outcome outcome = Scores(files, options);
    EXPECT_EQ(outcome.code, code) << outcome.errors;
    EXPECT_THAT(outcome.errors, HasSubstr(why));
    EXPECT_FALSE(fs::exists(folder_ / "scores"));
  }

  support::TempDir folder_;
};

TEST_F(ScoresTest, TheAnomalyModelReachesItsScoreOnRealSeries) {
  const auto nab = support::DataSet("nab");
  if (!nab) GTEST_SKIP() << support::kNoData;
  const fs::path tool = *nab / "../../tools/nab_score.py";
  if (!fs::exists(tool)) GTEST_SKIP() << "no scorer: " << tool;
  const fs::path data = *nab / "data";
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(data)) {
    if (entry.path().extension() == ".csv") files.push_back(entry.path().string());
  }
  const std::string scores = (folder_ / "scores").string();
  const Outcome outcome = Scores(files, Nab({"--root", data.string(), "--scores", scores}));
  ASSERT_EQ(outcome.code, 0) << outcome.errors;
  EXPECT_EQ(outcome.Number("files"), static_cast<int64_t>(files.size()));
  EXPECT_EQ(outcome.Number("unscored"), 0);
  for (const std::string& file : files)
    ExpectSameRows(file, fs::path(scores) / fs::path(file).lexically_relative(data));

  support::Process scorer({"python3", tool.string(), nab->string(), scores});
  std::string said;
  while (const auto line = scorer.ReadLine()) said += *line + '\n';
  ASSERT_EQ(scorer.Wait(), 0) << scorer.errors();
  fmt::print("{}", said);
  // 77 when it was made; less than 70 would be another detector.
  EXPECT_GE(ScoreIn(said, "standard"), 70);
}

TEST_F(ScoresTest, EachFileBeginsAnewAndRowsOfNoUseAreThere) {
  std::string rows = "timestamp,value\n";
  for (int i = 0; i < 30; ++i)
    rows += fmt::format("2024-01-01 00:{:02}:00,{}\n", i, i == 3 ? "" : i == 29 ? "99" : "5");
  const std::string first = Write("in/a.csv", rows);
  const std::string second = Write("in/b/c.csv", rows);
  const std::string scores = (folder_ / "out").string();
  const Outcome outcome =
      Scores({first, second}, Nab({"--root", (folder_ / "in").string(), "--scores", scores}));
  ASSERT_EQ(outcome.code, 0) << outcome.errors;
  const std::vector<std::string> lines = LinesOf(fs::path(scores) / "a.csv");
  EXPECT_EQ(lines, LinesOf(fs::path(scores) / "b/c.csv"));
  ASSERT_EQ(lines.size(), 31u);
  EXPECT_EQ(lines[4], "2024-01-01 00:03:00,0");
  EXPECT_GT(std::stod(lines[30].substr(20)), 0.9);
}

TEST_F(ScoresTest, WrongUsageIsToldBeforeAnythingIsWritten) {
  const std::string file = Write("in/a.csv", "timestamp,value\n2024-01-01 00:00:00,1\n");
  const std::string other = Write("elsewhere/a.csv", "timestamp,value\n");
  const std::string in = (folder_ / "in").string();
  const std::string scores = (folder_ / "scores").string();
  ExpectRefused(2, {file, other}, Nab({"--scores", scores}), "--root is needed");
  ExpectRefused(2, {file, other}, Nab({}), "only --scores takes several");
  ExpectRefused(2, {file}, Nab({"--root", in}), "--root is for --scores");
  ExpectRefused(2, {file}, {"--scores", scores}, "it wants --map and --config");
  ExpectRefused(2, {file}, Nab({"--scores", scores, "--sort"}), "no --sort");
  ExpectRefused(3, {file, other}, Nab({"--root", in, "--scores", scores}), "not below --root");
  ExpectRefused(3, {file}, Nab({"--root", in, "--scores", in}), "would overwrite");
  ExpectRefused(3, {in + "/none.csv"}, Nab({"--root", in, "--scores", scores}), "none.csv");
  const Outcome online = Gemel({"replay", file, "--broker", "mqtt://127.0.0.1:1", "--map",
                                Source("conf/replay/nab.json"), "--scores", scores});
  EXPECT_EQ(online.code, 2);
  EXPECT_THAT(online.errors, HasSubstr("--scores wants --offline"));
}

TEST_F(ScoresTest, AModelWithoutAScoreAndRowsWithoutARouteAreTold) {
  const std::string file = Write("in/a.csv", "timestamp,value\n2024-01-01 00:00:00,1\n");
  const std::string scores = (folder_ / "scores").string();
  const std::string configuration =
      Write("gateway.json", R"({ "mqtt": { "uri": "mqtt://127.0.0.1:1883" },
        "models": [ { "name": "total", "plugin": "total.so" } ],
        "routes": [ { "topic": "nab/{id}/value", "model": "total", "payload": "json" } ],
        "journal": { "path": "journal" } })");
  const std::string map = Source("conf/replay/nab.json");
  ExpectRefused(3, {file}, {"--config", configuration, "--map", map, "--scores", scores},
                "model total has no field anomaly_score");
  const std::string astray =
      Write("map.json", R"({ "topic": "nowhere", "time": "/timestamp", "time_format": "iso" })");
  ExpectRefused(
      3, {file},
      {"--config", Source("conf/replay/nab.gateway.json"), "--map", astray, "--scores", scores},
      "no row has a score");
}

}  // namespace
}  // namespace gemel::scenario
