#include "protocols/postgres/tls_choice.h"

#include <arpa/inet.h>
#include <algorithm>
#include <array>

#include "protocols/postgres/messages.h"

namespace portolan::protocols::postgres {
namespace {

struct ModeName {
  std::string_view name;
  TlsChoice::Mode mode;
};
constexpr std::array<ModeName, 5> kModes = {{{"disable", TlsChoice::Mode::kDisable},
                                             {"prefer", TlsChoice::Mode::kPrefer},
                                             {"require", TlsChoice::Mode::kRequire},
                                             {"verify-ca", TlsChoice::Mode::kVerifyCa},
                                             {"verify-full", TlsChoice::Mode::kVerifyFull}}};

struct BindingName {
  std::string_view name;
  ChannelBinding binding;
};
constexpr std::array<BindingName, 3> kBindings = {{{"disable", ChannelBinding::kDisable},
                                                   {"prefer", ChannelBinding::kPrefer},
                                                   {"require", ChannelBinding::kRequire}}};

std::string_view setting(const Settings& settings, const std::string& name) {
  const auto it = settings.find(name);
  return it == settings.end() ? std::string_view() : std::string_view(it->second);
}

bool is_address(const std::string& host) {
  std::array<unsigned char, 16> ignored{};
  return inet_pton(AF_INET, host.c_str(), ignored.data()) == 1 ||
         inet_pton(AF_INET6, host.c_str(), ignored.data()) == 1;
}

// Asks the server whether it speaks TLS.
net::Task<Result<bool>> ask_for_tls(net::Stream& server) {
  const Bytes request = ssl_request();
  CO_CHECK(co_await net::write(server, request));
  net::Reader reader(server);
  CO_TRY(const Bytes answer, co_await reader.take(1));
  // What came in clear with the answer would be taken for the server's word under TLS (CVE-2021-23214, CVE-2021-23222).
  if (!reader.empty()) co_return fail(Code::kProtocol, "the server sent bytes in clear text before the TLS handshake");
  const std::string_view said = as_text(answer);
  if (said == "S") co_return true;
  if (said == "N") co_return false;
  co_return fail(Code::kProtocol, "the server answered the request for TLS with " + quoted(said));
}

}  // namespace

Result<TlsChoice> tls_choice(const Settings& settings, const std::string& host) {
  TlsChoice choice;
  const std::string_view name = setting(settings, "tls");
  if (!name.empty()) {
    const auto* found = std::ranges::find(kModes, name, &ModeName::name);
    if (found == kModes.end())
      return fail(Code::kInvalid, "setting \"tls\": unknown value " + quoted(name) +
                                      "; known are disable, prefer, require, verify-ca, verify-full");
    choice.mode = found->mode;
  }
  const std::string_view binding = setting(settings, "channel_binding");
  if (!binding.empty()) {
    const auto* found = std::ranges::find(kBindings, binding, &BindingName::name);
    if (found == kBindings.end())
      return fail(Code::kInvalid, "setting \"channel_binding\": unknown value " + quoted(binding) +
                                      "; known are disable, prefer, require");
    choice.channel_binding = found->binding;
  }
  if (choice.channel_binding == ChannelBinding::kRequire && choice.mode == TlsChoice::Mode::kDisable)
    return fail(Code::kInvalid, "setting \"channel_binding\": require needs TLS, which \"tls\" disables");
  const bool verifies = choice.mode == TlsChoice::Mode::kVerifyCa || choice.mode == TlsChoice::Mode::kVerifyFull;
  const std::string_view ca = setting(settings, "tls_ca");
  if (!ca.empty() && !verifies)
    return fail(Code::kInvalid, "setting \"tls_ca\" has no effect unless \"tls\" is verify-ca or verify-full");
  if (!ca.empty()) {
    auto trust = crypto::Certificate::all_from_pem(ca);
    if (!trust) return std::unexpected(std::move(trust).error().within("setting \"tls_ca\""));
    choice.options.trust = std::move(*trust);
  }
  const std::string_view certificate = setting(settings, "tls_certificate");
  if (!certificate.empty() && choice.mode == TlsChoice::Mode::kDisable)
    return fail(Code::kInvalid, "setting \"tls_certificate\" has no effect while \"tls\" is disable");
  if (!certificate.empty()) {
    auto chain = crypto::Certificate::all_from_pem(certificate);
    if (!chain) return std::unexpected(std::move(chain).error().within("setting \"tls_certificate\""));
  }
  std::string server_name(setting(settings, "tls_server_name"));
  if (!server_name.empty() && choice.mode == TlsChoice::Mode::kDisable)
    return fail(Code::kInvalid, "setting \"tls_server_name\" has no effect while \"tls\" is disable");
  if (server_name.empty()) server_name = host;
  choice.options.versions = net::TlsVersions::k12And13;
  choice.options.verify_chain = verifies;
  choice.options.system_trust = verifies && ca.empty();
  if (!is_address(server_name)) choice.options.server_name = server_name;
  if (choice.mode == TlsChoice::Mode::kVerifyFull) choice.options.verify_host = server_name;
  return choice;
}

Result<> show_certificate(TlsChoice& choice, const Settings& settings, const Secret& key) {
  const std::string_view certificate = setting(settings, "tls_certificate");
  if (certificate.empty()) return {};
  if (key.empty())
    return fail(Code::kInvalid, "setting \"tls_certificate\": its key is missing; give the resource a tls_key");
  PL_TRY(auto chain, crypto::Certificate::all_from_pem(certificate));
  PL_TRY(auto secret, crypto::PrivateKey::any_from_pem(key));
  choice.options.identity =
      net::TlsIdentity{std::move(chain), std::make_shared<const crypto::PrivateKey>(std::move(secret))};
  return {};
}

net::Task<Result<Leg>> protect(std::unique_ptr<net::Stream> raw, TlsChoice choice, std::chrono::milliseconds limit) {
  if (choice.mode == TlsChoice::Mode::kDisable) co_return Leg{std::move(raw), {}};
  CO_TRY(const bool speaks_tls, co_await net::with_timeout(ask_for_tls(*raw), limit));
  if (!speaks_tls && choice.mode == TlsChoice::Mode::kPrefer) co_return Leg{std::move(raw), {}};
  if (!speaks_tls)
    co_return fail(Code::kDenied, "the server does not speak TLS, which the resource's settings require",
                   "tls_missing");
  Protection protection{.tls = true, .asked_for = choice.mode != TlsChoice::Mode::kPrefer};
  CO_TRY(const auto client, net::TlsClient::make(std::move(choice.options)));
  CO_TRY(auto stream, co_await client->connect(std::move(raw), limit));
  // Proven or not: the binding is what proves it.
  const auto chain = stream->shown_chain();
  if (!chain.empty()) protection.end_point = chain.front().end_point();
  co_return Leg{std::move(stream), std::move(protection)};
}

}  // namespace portolan::protocols::postgres
