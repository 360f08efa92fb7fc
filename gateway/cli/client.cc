#include "gateway/cli/client.h"

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

#include <CLI/CLI.hpp>
#include <curl/curl.h>
#include <fmt/format.h>

#include "gateway/base/quote.h"
#include "gateway/cli/arguments.h"
#include "gateway/cli/verbs.h"

namespace gemel::cli {
namespace {

constexpr long kConnectTimeoutMs = 5'000;
// A list of many twins takes a while; silence does not.
constexpr long kSilenceTimeoutS = 30;
// Larger than any page that a gateway sends.
constexpr size_t kBodyBytesMax = size_t{1} << 30;

struct Received {
  std::string body;
  std::optional<std::string> next;
};

size_t OnBody(char* data, size_t size, size_t count, void* received) {
  auto& body = static_cast<Received*>(received)->body;
  if (body.size() + size * count > kBodyBytesMax) return 0;
  body.append(data, size * count);
  return size * count;
}

// Link: </api/v1/twins/truck?limit=1000&after=7>; rel="next"
size_t OnHeader(char* data, size_t size, size_t count, void* received) {
  std::string_view line(data, size * count);
  constexpr std::string_view kName = "link:";
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  if (line.size() > kName.size() &&
      std::ranges::equal(line.substr(0, kName.size()), kName, {}, lower) &&
      line.find("rel=\"next\"") != std::string_view::npos) {
    const size_t open = line.find('<');
    const size_t close = line.find('>');
    if (open != std::string_view::npos && close != std::string_view::npos && open < close) {
      static_cast<Received*>(received)->next = line.substr(open + 1, close - open - 1);
    }
  }
  return size * count;
}

// What an error says about itself, on one line.
std::string DetailOf(const nlohmann::ordered_json& json) {
  if (!json.is_object() || !json.contains("detail") || !json["detail"].is_string()) return "";
  std::string detail = json["detail"].get<std::string>();
  const bool is_plain = std::ranges::none_of(
      detail, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
  return is_plain ? detail : Quote(detail, 512);
}

Status ToStatus(long status, std::string detail) {
  if (detail.empty()) detail = fmt::format("the gateway answered with status {}", status);
  if (status == 404) return NotFound(std::move(detail));
  if (status == 400) return Invalid(std::move(detail));
  return Unavailable(std::move(detail));
}

}  // namespace

void AddServerOption(CLI::App& app, std::string& server) {
  server = "http://127.0.0.1:8080";
  app.add_option("--server", server, "The running gateway")
      ->envname("GEMEL_SERVER")
      ->capture_default_str();
}

Result<Reply> Client::Get(const std::string& path) const { return Ask("GET", path, nullptr); }

Result<Reply> Client::Post(const std::string& path, const std::string& json) const {
  return Ask("POST", path, &json);
}

Result<Reply> Client::Patch(const std::string& path, const std::string& json) const {
  return Ask("PATCH", path, &json);
}

Result<Reply> Client::Ask(const char* method, const std::string& path,
                          const std::string* json_body) const {
  struct Global {
    Global() { curl_global_init(CURL_GLOBAL_DEFAULT); }
    ~Global() { curl_global_cleanup(); }
  };
  static const Global kGlobal;
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(),
                                                                 curl_easy_cleanup);
  std::string url = server_;
  while (url.ends_with('/')) url.pop_back();
  url += path;
  Received received;
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "http,https");
  // A proxy of the environment is for the web, not for the gateway next door.
  curl_easy_setopt(curl.get(), CURLOPT_PROXY, "");
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
  curl_easy_setopt(curl.get(), CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_LOW_SPEED_TIME, kSilenceTimeoutS);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, OnBody);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &received);
  curl_easy_setopt(curl.get(), CURLOPT_HEADERFUNCTION, OnHeader);
  curl_easy_setopt(curl.get(), CURLOPT_HEADERDATA, &received);
  std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers(nullptr, curl_slist_free_all);
  if (json_body != nullptr) {
    headers.reset(curl_slist_append(nullptr, "Content-Type: application/json"));
    // Not asked for first: the answer would be that no expectation can be met.
    headers.reset(curl_slist_append(headers.release(), "Expect:"));
    curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(curl.get(), CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, json_body->c_str());
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE, static_cast<long>(json_body->size()));
  }
  if (const CURLcode code = curl_easy_perform(curl.get()); code != CURLE_OK) {
    return Unavailable(
        fmt::format("{}: no gateway answers: {}", server_, curl_easy_strerror(code)));
  }
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  auto json = nlohmann::ordered_json::parse(received.body, nullptr, false);
  if (status < 200 || status > 299) return ToStatus(status, DetailOf(json));
  if (json.is_discarded()) {
    return Unavailable(fmt::format("{}: what answers there is no gateway: not JSON", server_));
  }
  return Reply{std::move(json), std::move(received.next)};
}

int Fail(const Status& status) {
  const bool is_no = status.code() == Code::kNotFound;
  const bool is_usage = status.code() == Code::kInvalid;
  return Fail(is_no ? kNo : is_usage ? kUsage : kFailed, status.message().c_str());
}

}  // namespace gemel::cli
