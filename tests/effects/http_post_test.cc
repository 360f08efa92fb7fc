// What certificates are good for: a server of Python's, because this needs one that speaks TLS.

#include "gateway/effects/http_post.h"

#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace gemel::effects {
namespace {

using testing::HasSubstr;

// Answers every POST with 204. Its arguments are a certificate and its key; it prints its port.
constexpr const char* kServer = R"(
import http.server, ssl, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True)
print("port", server.server_address[1], flush=True)
server.serve_forever()
)";

class HttpPostTest : public ::testing::Test {
 protected:
  std::string File(const std::string& name) const { return directory_ / name; }
  void OpenSsl(const std::string& name, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"openssl",  "req",
                                          "-x509",    "-nodes",
                                          "-days",    "1",
                                          "-newkey",  "ec",
                                          "-pkeyopt", "ec_paramgen_curve:prime256v1",
                                          "-subj",    "/CN=" + name,
                                          "-keyout",  File(name + ".key"),
                                          "-out",     File(name + ".pem")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    support::Process process(std::move(arguments));
    ASSERT_EQ(process.Wait(), 0) << process.errors();
  }
  // A certificate of the authority "ca" for that address.
  void MakeCertificate(const std::string& name, const std::string& address) {
    OpenSsl(name,
            {"-CA", File("ca.pem"), "-CAkey", File("ca.key"), "-addext",
             "subjectAltName=IP:" + address, "-addext", "basicConstraints=critical,CA:FALSE"});
  }
  // What a POST to a server with this certificate gives, if that authority is believed.
  HttpAnswer PostTo(const std::string& certificate, const std::string& authority) {
    support::Process server(
        {"python3", "-c", kServer, File(certificate + ".pem"), File(certificate + ".key")});
    const auto line = server.ReadLineWith("port ");
    if (!line) return {.status = -1, .failure = server.errors()};
    HttpTarget target{.url = "https://127.0.0.1:" + line->substr(5),
                      .timeout = support::kPatience,
                      .user_agent = "gemel/test"};
    if (!authority.empty()) target.ca_file = File(authority + ".pem");
    HttpPoster poster;
    poster.Post({.target = 3, .number = 7}, target, "a-1-0", "{}");
    while (true) {
      for (const HttpPoster::Finished& finished : poster.Wait(support::kPatience)) {
        EXPECT_EQ(finished.tag.target, 3u);
        EXPECT_EQ(finished.tag.number, 7u);
        EXPECT_EQ(poster.in_flight(), 0u);
        return finished.answer;
      }
    }
  }

  support::TempDir directory_;
};

TEST_F(HttpPostTest, AServerIsBelievedByTheAuthorityThatIsNamedAndByItsAddress) {
  OpenSsl("ca", {});
  OpenSsl("stranger", {});
  MakeCertificate("right", "127.0.0.1");
  MakeCertificate("elsewhere", "127.0.0.2");
  const HttpAnswer good = PostTo("right", "ca");
  EXPECT_EQ(good.status, 204) << good.failure;
  for (const char* authority : {"stranger", ""}) {
    const HttpAnswer unknown = PostTo("right", authority);
    EXPECT_EQ(unknown.status, 0) << authority;
    EXPECT_THAT(unknown.failure, HasSubstr("certificate")) << authority;
  }
  const HttpAnswer wrong_address = PostTo("elsewhere", "ca");
  EXPECT_EQ(wrong_address.status, 0);
  EXPECT_THAT(wrong_address.failure, HasSubstr("127.0.0.1"));
}

TEST_F(HttpPostTest, NothingButHttpIsSpoken) {
  HttpPoster poster;
  poster.Post({}, {.url = "file:///etc/passwd"}, "a-1-0", "{}");
  std::vector<HttpPoster::Finished> finished;
  while (finished.empty()) finished = poster.Wait(support::kPatience);
  EXPECT_EQ(finished[0].answer.status, 0);
  EXPECT_THAT(finished[0].answer.failure, HasSubstr("not supported"));
}

TEST_F(HttpPostTest, WokenItReturnsNowOrTheNextTime) {
  HttpPoster poster;
  poster.Wake();
  EXPECT_TRUE(poster.Wait(std::chrono::hours(1)).empty());
}

}  // namespace
}  // namespace gemel::effects
