#include "gateway/mqtt/probe.h"

#include <cstring>
#include <memory>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

namespace gemel::mqtt {
namespace {

constexpr int kProbeSeconds = 3;
constexpr int kProbeNapMs = 20;

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
  const unsigned long code = ERR_peek_error();
  ERR_clear_error();
  if (code == 0) return "";
  if (ERR_SYSTEM_ERROR(code)) return std::strerror(ERR_GET_REASON(code));
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "OpenSSL error " + std::to_string(code);
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
  ERR_clear_error();
  const int outcome = BIO_do_connect_retry(bio.get(), kProbeSeconds, kProbeNapMs);
  if (outcome == 1) return "";
  std::string why = TakeOpenSslError();
  const long verified = ssl != nullptr ? SSL_get_verify_result(ssl) : X509_V_OK;
  if (verified != X509_V_OK) {
    return "certificate verify failed: " + std::string(X509_verify_cert_error_string(verified));
  }
  return why.empty() || outcome == 0 ? "no answer in time" : why;
}

}  // namespace gemel::mqtt
