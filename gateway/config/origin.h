#pragma once

#include <map>
#include <string>
#include <string_view>

#include "gateway/base/status.h"

namespace gemel::config {

// Knows who said what, so that a message sends its reader to the right place: the file, or the
// environment variable that overrode a part of it.
class Origin {
 public:
  explicit Origin(std::string_view file_name) : file_name_(file_name) {}

  const std::string& file_name() const { return file_name_; }

  // What lies at `path` and below comes from `variable` from now on.
  void Override(std::string path, std::string_view variable) {
    variables_.insert_or_assign(std::move(path), variable);
  }

  // Invalid: "gemel.json: mqtt.qos: message"; without the path if it is empty.
  Status Wrong(std::string_view path, std::string_view message) const;

 private:
  std::string file_name_;
  std::map<std::string, std::string> variables_;  // by path
};

}  // namespace gemel::config
