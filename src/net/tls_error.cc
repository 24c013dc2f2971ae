#include "net/tls_error.h"

#include <string_view>

#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <openssl/x509_vfy.h>

#include "net/tls.h"

namespace portolan::net {

namespace {

Error explain_alert(int alert) {
  Code code = Code::kProtocol;
  std::string_view reason;
  switch (alert) {
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
      code = Code::kUnauthenticated;
      reason = kCertificateRefused;
      break;
    case SSL_AD_UNKNOWN_CA:
      code = Code::kUnauthenticated;
      reason = kRefusedAuthority;
      break;
    case SSL_AD_CERTIFICATE_REQUIRED: code = Code::kUnauthenticated; break;
    case SSL_AD_ACCESS_DENIED: code = Code::kDenied; break;
    default: break;
  }
  return {code, std::string("the peer refused: ") + SSL_alert_desc_string_long(alert), std::string(reason)};
}

// What programs tell apart: what is to be done differs.
std::string_view certificate_reason(long why) {
  switch (why) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return "tls_name";
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID: return "tls_expired";
    default: return kUnknownAuthority;
  }
}

Error explain_reason(int reason) {
  switch (reason) {
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return {Code::kUnauthenticated, "the peer showed no certificate"};
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST: return {Code::kProtocol, "the peer does not speak tls here"};
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_NO_PROTOCOLS_AVAILABLE: return {Code::kProtocol, "the peer has no tls version that we take"};
    case SSL_R_NO_SHARED_CIPHER: return {Code::kProtocol, "the peer has no cipher that we take"};
    default: break;
  }
  const char* text = ERR_reason_error_string(ERR_peek_last_error());
  return {Code::kProtocol, text == nullptr ? "tls failed" : text};
}

}  // namespace

Error explain_tls(const SSL* ssl) {
  const auto last = ERR_peek_last_error();
  const int reason = ERR_GET_LIB(last) == ERR_LIB_SSL ? ERR_GET_REASON(last) : 0;
  Error error;
  if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    const long why = SSL_get_verify_result(ssl);
    error = {Code::kUnauthenticated,
             std::string("the peer's certificate is not accepted: ") + X509_verify_cert_error_string(why),
             std::string(certificate_reason(why))};
  } else if (reason >= SSL_AD_REASON_OFFSET) {
    error = explain_alert(reason - SSL_AD_REASON_OFFSET);
  } else {
    error = explain_reason(reason);
  }
  ERR_clear_error();
  return error;
}

}  // namespace portolan::net
