#include "gateway/config/webhook.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "gateway/base/quote.h"
#include "gateway/config/endpoint.h"
#include "gateway/config/file.h"
#include "gateway/config/words.h"

namespace gemel::config {
namespace {

constexpr size_t kUrlBytesMax = 4'096;
constexpr size_t kHeadersBytesMax = 16 * 1'024;
// Which the gateway sets, or which say how the body is sent.
constexpr std::string_view kOwnHeaders[] = {
    "connection", "content-length",  "content-type",      "expect",
    "host",       "idempotency-key", "transfer-encoding", "user-agent"};

bool IsLetterOrDigit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool IsLoopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

class WebhookCheck {
 public:
  WebhookCheck(Config& config, size_t index, const Origin& origin)
      : config_(config),
        webhook_(config.webhooks[index]),
        index_(index),
        path_(Joined("webhooks", index)),
        origin_(origin) {}

  Status Run() const {
    GEMEL_TRY(CheckName());
    GEMEL_TRY(LoadUrl());
    GEMEL_TRY(LoadHeaders());
    GEMEL_TRY(CheckModels());
    if (webhook_.severities.empty())
      return Wrong("severities", "is empty, so no alert would be posted; leave it out for all");
    if (!webhook_.ca_file.empty() && !webhook_.url.starts_with("https://"))
      return Wrong("ca_file", "needs TLS, but the URL begins with http://; https://… has it");
    return {};
  }

 private:
  Status Wrong(std::string_view key, std::string_view message) const {
    return origin_.Wrong(Place(key), message);
  }
  std::string Place(std::string_view key) const { return fmt::format("{}.{}", path_, key); }

  Status CheckName() const {
    const std::string& name = webhook_.name;
    const bool is_word = std::ranges::all_of(
        name, [](char c) { return IsLetterOrDigit(c) || c == '_' || c == '-' || c == '.'; });
    if (!is_word) return Wrong("name", Quote(name) + " is not allowed; letters, digits, _ - and .");
    for (size_t earlier = 0; earlier < index_; ++earlier) {
      if (config_.webhooks[earlier].name != name) continue;
      return Wrong("name",
                   fmt::format("{} is also the name of webhooks[{}]", Quote(name), earlier));
    }
    return {};
  }

  Status LoadUrl() const {
    const bool has_file = !webhook_.url_file.empty();
    if (has_file != webhook_.url.empty()) {
      return Wrong(has_file ? "url_file" : "url",
                   has_file ? "url is given too; only one of them"
                            : "missing: it says where alerts are posted; or name a url_file");
    }
    const char* const key = has_file ? "url_file" : "url";
    if (has_file) {
      GEMEL_TRY_LET(const std::string text,
                    ReadSecret(webhook_.url_file, kUrlBytesMax, Place(key), origin_));
      webhook_.url = text.substr(0, text.find('\n'));
      if (webhook_.url.ends_with('\r')) webhook_.url.pop_back();
    }
    if (webhook_.url.size() > kUrlBytesMax) return Wrong(key, "longer than 4096 bytes");
    if (const auto endpoint = ParseHttpUrl(webhook_.url); !endpoint.ok())
      return Wrong(key, endpoint.status().message());
    return {};
  }

  Status LoadHeaders() const {
    if (webhook_.headers_file.empty()) return {};
    GEMEL_TRY_LET(const std::string text, ReadSecret(webhook_.headers_file, kHeadersBytesMax,
                                                     Place("headers_file"), origin_));
    if (text.size() > kHeadersBytesMax) return Wrong("headers_file", "longer than 16 KiB");
    std::string_view rest = text;
    for (size_t line = 1; !rest.empty(); ++line) {
      const size_t end = std::min(rest.find('\n'), rest.size());
      std::string_view header = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (header.ends_with('\r')) header.remove_suffix(1);
      if (header.empty()) continue;
      if (const std::string_view wrong = WrongHeader(header); !wrong.empty()) {
        return Wrong("headers_file",
                     fmt::format("{}: line {} {}", webhook_.headers_file.string(), line, wrong));
      }
      webhook_.headers.emplace_back(header);
    }
    return {};
  }

  // What is wrong with "Name: value"; empty if nothing is. A name alone would have the library send
  // none of that name.
  static std::string_view WrongHeader(std::string_view header) {
    const size_t colon = header.find(':');
    const std::string_view name = header.substr(0, colon);
    const bool is_name =
        colon != std::string_view::npos && !name.empty() && std::ranges::all_of(name, [](char c) {
          return IsLetterOrDigit(c) || c == '-' || c == '_';
        });
    const bool has_value =
        is_name && header.find_first_not_of(" \t", colon + 1) != std::string_view::npos;
    if (!has_value) return "is no header; Name: value";
    if (std::ranges::any_of(header, [](char c) {
          return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
        })) {
      return "holds control characters";
    }
    if (std::ranges::find(kOwnHeaders, Lower(name)) != std::end(kOwnHeaders))
      return "is a header that the gateway sets itself";
    return {};
  }

  Status CheckModels() const {
    std::vector<std::string> names;
    for (const Model& model : config_.models) names.push_back(model.name);
    for (size_t i = 0; i < webhook_.models.size(); ++i) {
      const std::string& name = webhook_.models[i];
      if (std::ranges::find(names, name) != names.end()) continue;
      return Wrong(Joined("models", i),
                   fmt::format("{} is none of models{}", Quote(name), Suggestion(name, names)));
    }
    return {};
  }

  Config& config_;
  Webhook& webhook_;
  size_t index_;
  std::string path_;
  const Origin& origin_;
};

}  // namespace

Status LoadWebhooks(Config& config, const Origin& origin) {
  if (config.webhooks.size() > kWebhooksMax) {
    return origin.Wrong("webhooks",
                        fmt::format("{} are more than {}", config.webhooks.size(), kWebhooksMax));
  }
  for (size_t i = 0; i < config.webhooks.size(); ++i)
    GEMEL_TRY(WebhookCheck(config, i, origin).Run());
  return {};
}

void AddWebhookNotes(Config& config) {
  for (size_t i = 0; i < config.webhooks.size(); ++i) {
    const Webhook& webhook = config.webhooks[i];
    const auto endpoint = ParseHttpUrl(webhook.url);
    if (webhook.url.starts_with("https://") || !endpoint.ok() || IsLoopback(endpoint->host))
      continue;
    config.notes.push_back(fmt::format(
        "webhooks[{}] has no TLS, so anybody on the way can read and change its alerts", i));
  }
}

}  // namespace gemel::config
