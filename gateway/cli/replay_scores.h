#pragma once

#include <map>
#include <string>
#include <vector>

namespace gemel::cli {

struct ScoresOptions {
  std::vector<std::string> files;              // rows
  std::string map;                             // how a row becomes a message; names a time
  std::string configuration;                   // of the gateway
  std::map<std::string, std::string> plugins;  // to try, by model
  std::string root;                            // the files lie below it
  std::string folder;                          // where what comes out goes, as the files lie
  bool is_json = false;
};

// `gemel replay --offline --scores`: folds each file from a fresh state and writes what the twin of
// each row has in its field `anomaly_score` after the row. Prints what it came to, and returns the
// exit code.
int ReplayScores(const ScoresOptions& options);

}  // namespace gemel::cli
