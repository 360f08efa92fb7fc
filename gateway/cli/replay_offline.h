#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "gateway/config/config.h"

namespace gemel::cli {

struct OfflineOptions {
  std::string file;                            // a recording, or rows
  std::string map;                             // for rows
  std::string configuration;                   // empty: the recording's own
  std::map<std::string, std::string> plugins;  // to try, by model
  std::string out;                             // folder for what it comes to; empty: none
  uint32_t shards = config::DefaultShards();
  bool is_checked = true;  // against the twins that the gateway had
  bool is_sorted = false;  // rows, by event time
  bool is_json = false;
};

// `gemel replay --offline`: folds a recording, or rows of a file, without a broker. Prints what it
// came to, and returns the exit code.
int ReplayOffline(const OfflineOptions& options);

}  // namespace gemel::cli
