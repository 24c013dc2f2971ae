#include <arpa/inet.h>

#include "net/tls_context.h"
#include "net/tls_shake.h"

namespace portolan::net {

namespace {

bool is_address(const std::string& host) {
  in6_addr ignored;
  return inet_pton(AF_INET, host.c_str(), &ignored) == 1 || inet_pton(AF_INET6, host.c_str(), &ignored) == 1;
}

class Client : public TlsClient, public std::enable_shared_from_this<Client> {
 public:
  explicit Client(TlsClientOptions options) : options_(std::move(options)) {}

  Result<> set_up() {
    context_ = make_context(TLS_client_method(), options_.versions);
    PL_CHECK(set_up_verification());
    if (options_.identity) PL_CHECK(set_identity(*context_, *options_.identity));
    if (options_.alpn.empty()) return {};
    PL_TRY(const auto list, alpn_list(options_.alpn));
    const auto* wire = crypto::native_bytes(list.data());
    crypto::must(SSL_CTX_set_alpn_protos(context_.get(), wire, static_cast<unsigned>(list.size())) == 0, "alpn");
    return {};
  }

  Task<Result<std::unique_ptr<TlsStream>>> connect(std::unique_ptr<Stream> below,
                                                   std::chrono::milliseconds limit) const override {
    return connect_with(shared_from_this(), std::move(below), limit);
  }

 private:
  // Not a member coroutine: the task may outlive the caller's hold on this.
  static Task<Result<std::unique_ptr<TlsStream>>> connect_with(std::shared_ptr<const Client> self,
                                                               std::unique_ptr<Stream> below,
                                                               std::chrono::milliseconds limit) {
    const auto& name = self->options_.server_name;
    auto connection = std::make_unique<TlsConnection>(*self->context_, TlsRole::kClient, std::move(below));
    connection->set_server_name(name);
    if (!name.empty()) crypto::must(SSL_set_tlsext_host_name(connection->ssl(), name.c_str()) == 1, "server name");
    CO_TRY(auto shaken, co_await shake_hands(self, std::move(connection), limit));
    const bool chosen = self->options_.alpn.empty() || !shaken->alpn().empty();
    if (!chosen)
      co_return fail(Code::kProtocol, shaken->describe() + " chose none of the protocols offered (alpn)",
                     std::string(kNoAlpn));
    co_return shaken;
  }

  Result<> set_up_verification() {
    auto& context = *context_;
    if (!options_.server_name.empty() && (options_.server_name.size() > 253 || is_address(options_.server_name))) {
      return fail(Code::kInvalid, quoted(options_.server_name) + " is no server name");
    }
    if (!options_.verify_chain) {
      SSL_CTX_set_verify(&context, SSL_VERIFY_NONE, nullptr);
      return {};
    }
    if (options_.trust.empty() && !options_.system_trust)
      return fail(Code::kInvalid, "tls client without any authority to trust");
    set_trust(context, options_.trust);
    if (options_.tell_trust) tell_trust();
    if (options_.system_trust) SSL_CTX_set_default_verify_paths(&context);
    SSL_CTX_set_verify(&context, SSL_VERIFY_PEER, nullptr);
    set_accept_peer(context, options_.accept_peer);
    return set_up_host();
  }

  void tell_trust() {
    auto* names = crypto::must(sk_X509_NAME_new_null(), "sk_X509_NAME_new_null");
    for (const auto& authority : options_.trust) {
      auto* name = crypto::must(X509_NAME_dup(X509_get_subject_name(authority.native())), "X509_NAME_dup");
      crypto::must(sk_X509_NAME_push(names, name) > 0, "sk_X509_NAME_push");
    }
    SSL_CTX_set0_CA_list(context_.get(), names);
  }

  Result<> set_up_host() {
    const auto& host = options_.verify_host;
    if (host.empty()) return {};
    auto* rules = SSL_CTX_get0_param(context_.get());
    X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    const int set = is_address(host) ? X509_VERIFY_PARAM_set1_ip_asc(rules, host.c_str())
                                     : X509_VERIFY_PARAM_set1_host(rules, host.data(), host.size());
    if (set != 1) return fail(Code::kInvalid, quoted(host, 253) + " is no host name to verify");
    return {};
  }

  const TlsClientOptions options_;
  TlsContext context_;
};

}  // namespace

Result<std::shared_ptr<const TlsClient>> TlsClient::make(TlsClientOptions options) {
  const auto client = std::make_shared<Client>(std::move(options));
  PL_CHECK(client->set_up());
  return client;
}

}  // namespace portolan::net
