#include "gateway/effects/http_post.h"

#include <algorithm>
#include <map>

#include <curl/curl.h>
#include <fmt/format.h>

#include "gateway/base/assert.h"

namespace gemel::effects {
namespace {

constexpr size_t kBodyBytesMax = 64 * 1'024;
constexpr int kInformationalMax = 199;

// Which counts its users; on the first thread that needs it.
void InitializeOnce() {
  struct Global {
    Global() { curl_global_init(CURL_GLOBAL_DEFAULT); }
    ~Global() { curl_global_cleanup(); }
  };
  static const Global kGlobal;
}

struct EasyDeleter {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

}  // namespace

// One POST on its way. libcurl holds pointers into it.
struct HttpPoster::Transfer {
  Tag tag;
  std::unique_ptr<CURL, EasyDeleter> easy;
  std::unique_ptr<curl_slist, ListDeleter> headers;
  std::string body;
  size_t answer_bytes = 0;
  bool has_head = false;  // the whole head of the final answer has come
  char failure[CURL_ERROR_SIZE] = {};

  void AddHeader(const std::string& line) {
    curl_slist* const longer = curl_slist_append(headers.get(), line.c_str());
    GEMEL_ASSERT(longer != nullptr);
    static_cast<void>(headers.release());
    headers.reset(longer);
  }

  static size_t OnBody(char*, size_t size, size_t count, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    transfer.answer_bytes += size * count;
    return transfer.answer_bytes > kBodyBytesMax ? 0 : size * count;
  }

  static size_t OnHeader(char* data, size_t size, size_t count, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    const std::string_view line(data, size * count);
    if (line == "\r\n" || line == "\n") {
      long status = 0;
      curl_easy_getinfo(transfer.easy.get(), CURLINFO_RESPONSE_CODE, &status);
      transfer.has_head = status > kInformationalMax;
    }
    return line.size();
  }

  // What a server has said in the head holds, whatever becomes of the body.
  HttpAnswer Answer(CURLcode code) const {
    HttpAnswer answer;
    if (!has_head) {
      answer.failure = failure[0] != '\0' ? failure
                       : code != CURLE_OK ? curl_easy_strerror(code)
                                          : "the answer has ended in its head";
      return answer;
    }
    long status = 0;
    curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
    answer.status = static_cast<int>(status);
    curl_off_t retry_after = 0;
    curl_easy_getinfo(easy.get(), CURLINFO_RETRY_AFTER, &retry_after);
    answer.retry_after = std::chrono::seconds(std::max<curl_off_t>(retry_after, 0));
    return answer;
  }
};

struct HttpPoster::State {
  CURLM* multi = nullptr;
  std::map<CURL*, std::unique_ptr<Transfer>> transfers;
};

HttpPoster::HttpPoster() : state_(std::make_unique<State>()) {
  InitializeOnce();
  state_->multi = curl_multi_init();
  GEMEL_ASSERT(state_->multi != nullptr);
}

HttpPoster::~HttpPoster() {
  for (const auto& [easy, transfer] : state_->transfers)
    curl_multi_remove_handle(state_->multi, easy);
  state_->transfers.clear();
  curl_multi_cleanup(state_->multi);
}

void HttpPoster::Post(Tag tag, const HttpTarget& target, std::string_view idempotency_key,
                      std::string_view body) {
  auto transfer = std::make_unique<Transfer>();
  transfer->tag = tag;
  transfer->body = body;
  transfer->easy.reset(curl_easy_init());
  CURL* const easy = transfer->easy.get();
  GEMEL_ASSERT(easy != nullptr);
  transfer->AddHeader("Content-Type: application/json");
  transfer->AddHeader(fmt::format("Idempotency-Key: {}", idempotency_key));
  transfer->AddHeader("User-Agent: " + target.user_agent);
  transfer->AddHeader("Expect:");  // the body is small: no question first
  for (const std::string& header : target.headers) transfer->AddHeader(header);
  const auto timeout = static_cast<long>(target.timeout.count());
  curl_easy_setopt(easy, CURLOPT_URL, target.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");  // what the environment says is for people's browsers
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
  if (!target.ca_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_CAINFO, target.ca_file.c_str());
    curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);  // instead of the system's, not beside them
  }
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, timeout);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers.get());
  curl_easy_setopt(easy, CURLOPT_POST, 1L);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                   static_cast<curl_off_t>(transfer->body.size()));
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, transfer->body.c_str());
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Transfer::OnBody);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer.get());
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Transfer::OnHeader);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer.get());
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->failure);
  GEMEL_ASSERT(curl_multi_add_handle(state_->multi, easy) == CURLM_OK);
  state_->transfers.emplace(easy, std::move(transfer));
}

std::vector<HttpPoster::Finished> HttpPoster::Wait(std::chrono::milliseconds timeout) {
  std::vector<Finished> finished;
  int running = 0;
  curl_multi_perform(state_->multi, &running);
  const auto collect = [&] {
    int left = 0;
    while (const CURLMsg* const message = curl_multi_info_read(state_->multi, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      CURL* const easy = message->easy_handle;
      const CURLcode code = message->data.result;
      curl_multi_remove_handle(state_->multi, easy);  // the message is gone with it
      const auto found = state_->transfers.find(easy);
      finished.push_back({found->second->tag, found->second->Answer(code)});
      state_->transfers.erase(found);
    }
  };
  collect();
  if (!finished.empty()) return finished;
  curl_multi_poll(state_->multi, nullptr, 0, static_cast<int>(timeout.count()), nullptr);
  curl_multi_perform(state_->multi, &running);
  collect();
  return finished;
}

size_t HttpPoster::in_flight() const { return state_->transfers.size(); }

void HttpPoster::Wake() noexcept { curl_multi_wakeup(state_->multi); }

}  // namespace gemel::effects
