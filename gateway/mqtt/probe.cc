#include "gateway/mqtt/probe.h"

#include <poll.h>

#include <chrono>
#include <cstring>
#include <memory>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

namespace gemel::mqtt {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kProbeMax{3};

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Context = std::unique_ptr<SSL_CTX, Deleter<SSL_CTX_free>>;
using Bio = std::unique_ptr<BIO, Deleter<BIO_free_all>>;

// The first in this thread's queue is the cause, the later ones say who passed it on.
std::string TakeOpenSslError() {
  const char* data = nullptr;
  int flags = 0;
  const unsigned long code = ERR_peek_error_data(&data, &flags);
  std::string text;
  if (ERR_SYSTEM_ERROR(code)) {
    text = std::strerror(ERR_GET_REASON(code));
  } else if (ERR_GET_REASON(code) == ERR_R_SYS_LIB && (flags & ERR_TXT_STRING) != 0) {
    text = data;  // what getaddrinfo says of the name
  } else if (const char* reason = ERR_reason_error_string(code); reason != nullptr) {
    text = reason;
  }
  ERR_clear_error();
  return text;
}

Status RefuseFile(const char* option, const std::string& file, const char* allowed) {
  return Invalid("mqtt TLS option " + std::string(option) + " '" + file +
                 "': " + TakeOpenSslError() + "; allowed: " + allowed);
}

Result<Context> MakeContext(const Connection& connection) {
  ERR_clear_error();
  Context context(SSL_CTX_new(TLS_client_method()));
  GEMEL_ASSERT(context != nullptr);
  const std::string& certificate = connection.certificate_file;
  const std::string& key = connection.key_file;
  if (connection.ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context.get());
  } else if (SSL_CTX_load_verify_file(context.get(), connection.ca_file.c_str()) != 1) {
    return RefuseFile("ca_file", connection.ca_file, "a readable PEM file of CA certificates");
  }
  if (!certificate.empty() &&
      SSL_CTX_use_certificate_chain_file(context.get(), certificate.c_str()) != 1) {
    return RefuseFile("certificate_file", certificate, "a readable PEM file of a certificate");
  }
  if (!key.empty() &&
      SSL_CTX_use_PrivateKey_file(context.get(), key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return RefuseFile("key_file", key, "a readable PEM file of the certificate's private key");
  }
  SSL_CTX_set_verify(context.get(), connection.verify_server ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
                     nullptr);
  return context;
}

void ExpectHost(SSL* ssl, const Uri& uri) {
  // An address is looked up among the certificate's addresses, and is no server name.
  if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), uri.host.c_str()) == 1) return;
  ERR_clear_error();
  SSL_set1_host(ssl, uri.host.c_str());
  // What the macro SSL_set_tlsext_host_name does, without its C cast.
  SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
           const_cast<char*>(uri.host.c_str()));
}

std::string WhyFailed(SSL* ssl) {
  const std::string why = TakeOpenSslError();
  const long verified = ssl != nullptr ? SSL_get_verify_result(ssl) : X509_V_OK;
  if (verified != X509_V_OK) {
    return "certificate verify failed: " + std::string(X509_verify_cert_error_string(verified));
  }
  return why.empty() ? "connection closed" : why;
}

// Until the socket can go on; false when time is up.
bool AwaitSocket(BIO* bio, Clock::time_point deadline) {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
  const bool only_reads = BIO_should_read(bio) != 0;
  pollfd file{.fd = static_cast<int>(BIO_get_fd(bio, nullptr)),
              .events = static_cast<int16_t>(only_reads ? POLLIN : POLLOUT)};
  return left > 0 && ::poll(&file, 1, static_cast<int>(left)) > 0;
}

}  // namespace

Status CheckTlsFiles(const Connection& connection) {
  if (connection.certificate_file.empty() != connection.key_file.empty()) {
    return Invalid("mqtt TLS options certificate_file '" + connection.certificate_file +
                   "' and key_file '" + connection.key_file + "': allowed: both or none");
  }
  return MakeContext(connection).status();
}

std::string FindConnectFailure(const Connection& connection, const Uri& uri) {
  Result<Context> context = MakeContext(connection);
  if (!context.ok()) return context.status().message();
  const Bio bio(uri.is_tls ? BIO_new_ssl_connect(context->get()) : BIO_new(BIO_s_connect()));
  SSL* ssl = nullptr;
  if (uri.is_tls) {
    BIO_get_ssl(bio.get(), &ssl);
    if (connection.verify_server) ExpectHost(ssl, uri);
  }
  BIO_set_conn_hostname(bio.get(), uri.HostPort().c_str());
  BIO_set_nbio(bio.get(), 1);
  ERR_clear_error();
  const auto deadline = Clock::now() + kProbeMax;
  while (BIO_do_connect(bio.get()) != 1) {
    if (BIO_should_retry(bio.get()) == 0) return WhyFailed(ssl);
    if (!AwaitSocket(bio.get(), deadline)) return "no answer in time";
  }
  return "";
}

}  // namespace gemel::mqtt
