// One listening port serves several purposes (user links, node links, the API …). Which one a client wants is read from
// its first message, before any certificate is shown; from then on the handshake runs in that purpose's context alone:
// its identity, its trust, its rules.
#include <algorithm>
#include <cctype>

#include "crypto/hash.h"
#include "net/tls_context.h"
#include "net/tls_greeting.h"
#include "net/tls_shake.h"

namespace portolan::net {

namespace {

ByteView extension(SSL* ssl, unsigned type) {
  const unsigned char* data = nullptr;
  std::size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, type, &data, &size) != 1) return {};
  return std::as_bytes(std::span(data, size));
}

bool same_name(std::string_view a, std::string_view b) {
  auto lower = [](unsigned char c) { return std::tolower(c); };
  return std::ranges::equal(a, b, {}, lower, lower);
}

bool serves_protocol(const TlsServerPurpose& purpose, const TlsGreeting& wish) {
  if (wish.alpn.empty()) return purpose.alpn.empty();
  return std::ranges::find_first_of(wish.alpn, purpose.alpn) != wish.alpn.end();
}

struct Purpose {
  struct Telling {
    Bytes issuer;  // its name, DER
    TlsContext context;
  };
  TlsServerPurpose options;
  Bytes alpn;  // as on the wire, in our order of preference
  TlsContext context;
  std::vector<Telling> for_telling_clients;
};

Bytes issuer_of(const TlsIdentity& identity) {
  unsigned char* der = nullptr;
  const int size = i2d_X509_NAME(X509_get_issuer_name(identity.chain.front().native()), &der);
  crypto::must(size > 0, "i2d_X509_NAME");
  const auto bytes = std::as_bytes(std::span(der, static_cast<std::size_t>(size)));
  Bytes out(bytes.begin(), bytes.end());
  OPENSSL_free(der);
  return out;
}

class Server : public TlsServer, public std::enable_shared_from_this<Server> {
 public:
  explicit Server(TlsVersions versions) : versions_(versions) {}

  Result<> set_up(std::vector<TlsServerPurpose> purposes) {
    if (purposes.empty()) return fail(Code::kInvalid, "tls server without a purpose");
    entrance_ = make_context(TLS_server_method(), versions_);
    SSL_CTX_set_client_hello_cb(entrance_.get(), on_client_hello, this);
    for (auto& each : purposes) {
      auto& made = *purposes_.emplace_back(std::make_unique<Purpose>());
      made.options = std::move(each);
      PL_CHECK(set_up_purpose(made));
    }
    return {};
  }

  Task<Result<std::unique_ptr<TlsStream>>> accept(std::unique_ptr<Stream> below,
                                                  std::chrono::milliseconds limit) const override {
    return accept_with(shared_from_this(), std::move(below), limit);
  }

 private:
  static Task<Result<std::unique_ptr<TlsStream>>> accept_with(std::shared_ptr<const Server> self,
                                                              std::unique_ptr<Stream> below,
                                                              std::chrono::milliseconds limit) {
    auto connection = std::make_unique<TlsConnection>(*self->entrance_, TlsRole::kServer, std::move(below));
    CO_TRY(auto shaken, co_await shake_hands(self, std::move(connection), limit));
    co_return shaken;
  }

  Result<> set_up_purpose(Purpose& purpose) {
    const auto& options = purpose.options;
    PL_TRY(purpose.alpn, alpn_list(options.alpn));
    PL_TRY(purpose.context, make_purpose_context(purpose, options.identity));
    for (const auto& identity : options.for_telling_clients) {
      PL_TRY(auto context, make_purpose_context(purpose, identity));
      purpose.for_telling_clients.push_back({issuer_of(identity), std::move(context)});
    }
    return {};
  }

  Result<TlsContext> make_purpose_context(Purpose& purpose, const TlsIdentity& identity) {
    const auto& options = purpose.options;
    TlsContext made = make_context(TLS_server_method(), versions_);
    auto& context = *made;
    PL_CHECK(set_identity(context, identity));
    if (!options.alpn.empty()) SSL_CTX_set_alpn_select_cb(&context, choose_alpn, &purpose);
    if (options.require_client_certificate) {
      if (options.client_trust.empty())
        return fail(Code::kInvalid, "client certificates asked for, and no authority to trust");
      set_trust(context, options.client_trust);
      set_accept_peer(context, options.accept_peer);
    }
    const auto id = session_id(purpose);
    crypto::must(SSL_CTX_set_session_id_context(&context, crypto::native_bytes(id.data()), id.size()) == 1,
                 "session id");
    return made;
  }

  // Different for each purpose, so that no session of one is ever taken for another's.
  static crypto::Sha256 session_id(const Purpose& purpose) {
    Bytes text = purpose.alpn;
    const auto name = as_bytes(purpose.options.server_name);
    text.push_back(std::byte{0});
    text.insert(text.end(), name.begin(), name.end());
    return crypto::sha256(text);
  }

  // A purpose for this very name before one for any name.
  const Purpose* find(const TlsGreeting& wish) const {
    const Purpose* for_any = nullptr;
    for (const auto& each : purposes_) {
      if (!serves_protocol(each->options, wish)) continue;
      if (each->options.server_name.empty()) {
        if (for_any == nullptr) for_any = each.get();
      } else if (same_name(each->options.server_name, wish.name)) {
        return each.get();
      }
    }
    return for_any;
  }

  static int on_client_hello(SSL* ssl, int* alert, void* self) {
    auto& connection = TlsConnection::of(ssl);
    TlsGreeting wish;
    if (!read_alpn(extension(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation), wish) ||
        !read_server_name(extension(ssl, TLSEXT_TYPE_server_name), wish)) {
      connection.refuse({Code::kProtocol, "malformed tls greeting"});
      *alert = SSL_AD_DECODE_ERROR;
      return SSL_CLIENT_HELLO_ERROR;
    }
    const auto* purpose = static_cast<const Server*>(self)->find(wish);
    if (purpose == nullptr) {
      const auto asked = wish.alpn.empty() ? "no protocol" : "protocol " + quoted(wish.alpn[0]);
      connection.refuse({Code::kProtocol, "nothing here serves " + asked + " for server name " + quoted(wish.name)});
      *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
      return SSL_CLIENT_HELLO_ERROR;
    }
    connection.set_server_name(std::string(wish.name));
    enter(ssl, *purpose, context_for(ssl, *purpose));
    return SSL_CLIENT_HELLO_SUCCESS;
  }

  static SSL_CTX* context_for(SSL* ssl, const Purpose& purpose) {
    const ByteView trusted = extension(ssl, TLSEXT_TYPE_certificate_authorities);
    for (const auto& each : purpose.for_telling_clients)
      if (names_authority(trusted, each.issuer)) return each.context.get();
    return purpose.context.get();
  }

  // What a connection took from the entrance when it was made is set again from the purpose.
  static void enter(SSL* ssl, const Purpose& purpose, SSL_CTX* context) {
    SSL_set_SSL_CTX(ssl, context);
    const auto id = session_id(purpose);
    SSL_set_session_id_context(ssl, crypto::native_bytes(id.data()), id.size());
    const bool ask = purpose.options.require_client_certificate;
    SSL_set_verify(ssl, ask ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_NONE, nullptr);
  }

  static int choose_alpn(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
                         unsigned offered_size, void* in) {
    const auto& ours = static_cast<const Purpose*>(in)->alpn;
    auto* out = const_cast<unsigned char**>(chosen);
    const int found = SSL_select_next_proto(out, size, crypto::native_bytes(ours.data()),
                                            static_cast<unsigned>(ours.size()), offered, offered_size);
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
  }

  const TlsVersions versions_;
  TlsContext entrance_;  // shows nothing and trusts nobody
  std::vector<std::unique_ptr<Purpose>> purposes_;
};

}  // namespace

Result<std::shared_ptr<const TlsServer>> TlsServer::make(std::vector<TlsServerPurpose> purposes, TlsVersions versions) {
  const auto server = std::make_shared<Server>(versions);
  PL_CHECK(server->set_up(std::move(purposes)));
  return server;
}

}  // namespace portolan::net
