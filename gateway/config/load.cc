#include "gateway/config/load.h"

#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gateway/config/check.h"
#include "gateway/config/document.h"
#include "gateway/config/file.h"
#include "gateway/config/origin.h"
#include "gateway/config/read.h"
#include "gateway/config/schema.h"
#include "gateway/config/webhook.h"

namespace gemel::config {
namespace {

namespace fs = std::filesystem;

constexpr size_t kFileBytesMax = 16 * 1'024 * 1'024;
// MQTT's own bound for a password.
constexpr size_t kPasswordBytesMax = 65'535;

// The first line of the file; anything after it, such as a comment, is not part of the password.
Status ReadPassword(Mqtt& mqtt, const Origin& origin) {
  if (mqtt.password_file.empty()) return {};
  const std::string file = mqtt.password_file.string();
  GEMEL_TRY_LET(const std::string text,
                ReadSecret(mqtt.password_file, kPasswordBytesMax, "mqtt.password_file", origin));
  std::string password = text.substr(0, text.find('\n'));
  if (password.ends_with('\r')) password.pop_back();
  if (password.empty() || password.size() > kPasswordBytesMax) {
    return origin.Wrong("mqtt.password_file",
                        fmt::format("{}: {} bytes in the first line; 1 to {}", file,
                                    password.size(), kPasswordBytesMax));
  }
  mqtt.password = std::move(password);
  return {};
}

Result<std::string> ReadConfiguration(const fs::path& path) {
  auto text = ReadFile(path, kFileBytesMax);
  if (!text.ok()) {
    return Status(text.status().code(),
                  fmt::format("{}: {}", path.string(), text.status().message()));
  }
  if (text->size() > kFileBytesMax) {
    return Invalid(fmt::format("{}: longer than 16 MiB, so it is no configuration", path.string()));
  }
  return text;
}

}  // namespace

uint32_t DefaultShards() { return std::clamp(std::thread::hardware_concurrency(), 1u, kShardsMax); }

Environment ProcessEnvironment() {
  constexpr std::string_view kPrefix = "GEMEL__";
  Environment environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const size_t equals = text.find('=');
    if (!text.starts_with(kPrefix) || equals == std::string_view::npos) continue;
    environment.insert_or_assign(std::string(text.substr(0, equals)), text.substr(equals + 1));
  }
  return environment;
}

Result<Config> Load(const fs::path& path, const Environment& environment) {
  const std::string name = path.string();
  GEMEL_TRY_LET(const std::string text, ReadConfiguration(path));
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error);
  GEMEL_TRY_LET(Config config, Parse(text, name, absolute.parent_path(), environment));
  const fs::perms permissions = fs::status(path, error).permissions();
  if (!error && (permissions & fs::perms::others_write) != fs::perms::none) {
    config.notes.push_back(name + " may be changed by every user of this machine");
  }
  return config;
}

Result<std::string> LoadMeaning(const fs::path& path, const Environment& environment) {
  GEMEL_TRY_LET(const std::string text, ReadConfiguration(path));
  Origin origin(path.string());
  GEMEL_TRY_LET(nlohmann::json document, ParseDocument(text, origin));
  GEMEL_TRY(ApplyOverrides(environment, document, origin));
  GEMEL_TRY(Validate(document, origin));
  nlohmann::ordered_json meaning = nlohmann::ordered_json::object();
  for (const char* key : {"root", "models", "routes", "limits"}) {
    if (document.contains(key)) meaning[key] = document[key];
  }
  // The default of repeat_window, and the least that it may be.
  constexpr const char* kWindow = "receive_maximum";
  if (document.contains("mqtt") && document["mqtt"].contains(kWindow))
    meaning["mqtt"][kWindow] = document["mqtt"][kWindow];
  return meaning.dump(2);
}

Result<Config> Parse(std::string_view text, std::string_view file_name, const fs::path& base_dir,
                     const Environment& environment) {
  Origin origin(file_name);
  GEMEL_TRY_LET(nlohmann::json document, ParseDocument(text, origin));
  GEMEL_TRY(ApplyOverrides(environment, document, origin));
  GEMEL_TRY(Validate(document, origin));
  GEMEL_TRY_LET(Config config, Read(document, base_dir, origin));
  GEMEL_TRY(Check(config, origin));
  GEMEL_TRY(ReadPassword(config.mqtt, origin));
  GEMEL_TRY(LoadWebhooks(config, origin));
  config.notes = KeysWithoutEffect(document);
  AddNotes(config);
  AddWebhookNotes(config);
  return config;
}

}  // namespace gemel::config
