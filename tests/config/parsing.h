#pragma once

#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>

#include "gateway/config/load.h"

// The little language of these tests: a text is accepted, or refused with one line.
namespace gemel::config {

inline constexpr std::string_view kModel = R"({"name": "truck", "plugin": "truck.so"})";

// conf/gemel.json
inline std::string DefaultFile() {
  std::ifstream file(GEMEL_SOURCE_DIR "/conf/gemel.json");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

inline Result<Config> ParseText(std::string_view text, const Environment& environment = {}) {
  return Parse(text, "gemel.json", "/etc/gemel", environment);
}

// The configuration, or a failure of the test and the defaults.
inline Config Accepted(std::string_view text, const Environment& environment = {}) {
  auto config = ParseText(text, environment);
  EXPECT_TRUE(config.ok()) << config.status().message();
  return config.ok() ? *std::move(config) : Config{};
}

// The message, or a failure of the test. Always one line.
inline std::string Refused(std::string_view text, const Environment& environment = {}) {
  const auto config = ParseText(text, environment);
  EXPECT_FALSE(config.ok()) << text;
  std::string message = config.status().message();
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  return message;
}

// A configuration with one model and one route, with these keys added to the route.
inline std::string WithRoute(std::string_view keys) {
  return R"({"models": [)" + std::string(kModel) +
         R"(], "routes": [{"topic": "t/{id}", "model": "truck")" + (keys.empty() ? "" : ", ") +
         std::string(keys) + "}]}";
}

}  // namespace gemel::config
