#include "net/tls_context.h"

#include <exception>

#include "net/tls_connection.h"

#ifdef PORTOLAN_KEYLOG
#include <fcntl.h>
#include <unistd.h>
#include <cstdlib>
#endif

namespace portolan::net {

namespace {

// Four full records of TLS 1.3, and what OpenSSL loses to alignment: then a read of a busy socket ends where a record
// ends, and no small read for the rest of one must follow.
constexpr std::size_t kReadAhead = 4 * (16 * 1024 + 22) + 3;
constexpr std::size_t kPeerChainBytes = 32 * 1024;  // that a peer who has proven nothing may make us hold

#ifdef PORTOLAN_KEYLOG
// For tests that prove what the outer links carry. Never in a release build.
void log_key(const SSL*, const char* line) {
  const char* path = std::getenv("SSLKEYLOGFILE");
  if (path == nullptr) return;
  const int fd = ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return;
  const std::string text = std::string(line) + "\n";
  (void)!::write(fd, text.data(), text.size());
  ::close(fd);
}
#endif

}  // namespace

TlsContext make_context(const SSL_METHOD* method, TlsVersions versions) {
  TlsContext owned(crypto::must(SSL_CTX_new(method), "SSL_CTX_new"));
  SSL_CTX* context = owned.get();
  SSL_CTX_set_min_proto_version(context, versions == TlsVersions::kOnly13 ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION);
  if (versions == TlsVersions::kOnly13) crypto::must(SSL_CTX_set1_groups_list(context, "X25519:P-256") == 1, "groups");
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_read_buffer_len(context, kReadAhead);
  SSL_CTX_set_max_cert_list(context, kPeerChainBytes);
#ifdef PORTOLAN_KEYLOG
  SSL_CTX_set_keylog_callback(context, log_key);
#endif
  return owned;
}

Result<> set_identity(SSL_CTX& context, const TlsIdentity& identity) {
  const crypto::ErrorScope errors;
  if (identity.chain.empty() || !identity.key) return fail(Code::kInvalid, "tls identity without certificate or key");
  if (SSL_CTX_use_certificate(&context, identity.chain[0].native()) != 1) {
    return fail(Code::kInvalid, "certificate cannot be used: " + errors.reason());
  }
  if (SSL_CTX_use_PrivateKey(&context, identity.key->native()) != 1 || SSL_CTX_check_private_key(&context) != 1) {
    return fail(Code::kInvalid, "key and certificate do not belong together");
  }
  for (std::size_t i = 1; i < identity.chain.size(); ++i) {
    crypto::must(SSL_CTX_add1_chain_cert(&context, identity.chain[i].native()) == 1, "SSL_CTX_add1_chain_cert");
  }
  return {};
}

void set_trust(SSL_CTX& context, const std::vector<crypto::Certificate>& authorities) {
  const crypto::ErrorScope errors;
  for (const auto& each : authorities) {
    crypto::must(X509_STORE_add_cert(SSL_CTX_get_cert_store(&context), each.native()) == 1, "X509_STORE_add_cert");
  }
}

namespace {

// How people know the authority that a certificate is by: its name, or that of its organization.
std::string issuer_of(const X509* certificate) {
  const X509_NAME* name = certificate == nullptr ? nullptr : X509_get_issuer_name(certificate);
  for (const int part : {NID_commonName, NID_organizationName}) {
    const int at = name == nullptr ? -1 : X509_NAME_get_index_by_NID(name, part, -1);
    if (at < 0) continue;
    unsigned char* text = nullptr;
    const int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (size < 0) continue;
    std::string out(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
    OPENSSL_free(text);
    return out;
  }
  return {};
}

// In place of OpenSSL's own verification, which is the first thing that this calls: it judges the first certificate of
// the chain that the peer sent, whose key the peer proves, and takes the others for intermediates only.
int verify_and_ask(X509_STORE_CTX* store, void* asked) {
  const auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  if (X509_verify_cert(store) != 1) {
    TlsConnection::of(ssl).note_issuer(issuer_of(X509_STORE_CTX_get0_cert(store)));
    return 0;
  }
  const auto& accept = *static_cast<const AcceptPeer*>(asked);
  auto accepted = Result<>(fail(Code::kInternal, "the peer's certificate could not be judged"));
  X509* leaf = X509_STORE_CTX_get0_cert(store);
  try {
    X509_up_ref(leaf);
    accepted = accept(crypto::Certificate(std::shared_ptr<X509>(leaf, X509_free)));
  } catch (const std::exception& e) {
    accepted.error().message += std::string(": ") + e.what();
  }
  if (accepted) return 1;
  TlsConnection::of(ssl).refuse(std::move(accepted).error());
  X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
  return 0;
}

}  // namespace

void set_accept_peer(SSL_CTX& context, const AcceptPeer& accept) {
  if (!accept) return;
  SSL_CTX_set_cert_verify_callback(&context, verify_and_ask, const_cast<AcceptPeer*>(&accept));
}

Result<Bytes> alpn_list(const std::vector<std::string>& names) {
  ByteWriter list;
  for (const auto& name : names) {
    if (name.empty() || name.size() > 255) return fail(Code::kInvalid, "bad alpn name " + quoted(name));
    list.u8(static_cast<std::uint8_t>(name.size()));
    list.text(name);
  }
  return list.take();
}

}  // namespace portolan::net
