#include "net/http/proxy.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "net/address_range.h"
#include "net/http/codec.h"

namespace portolan::net::http {
namespace {

constexpr Limits kHeadLimits{.header_bytes = 16 * 1024, .header_count = 64, .body_bytes = 0};
constexpr std::uint16_t kDefaultPort = 80;

std::string variable(const char* lower, const char* upper) {
  const char* value = std::getenv(lower);
  if (value == nullptr || *value == '\0') value = std::getenv(upper);
  return value == nullptr ? "" : value;
}

Result<std::string> decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const auto byte = from_hex(text.substr(i + 1, 2));
    if (!byte || byte->size() != 1) return fail(Code::kInvalid, "bad percent escape");
    out += as_text(*byte);
    i += 2;
  }
  return out;
}

Result<HttpProxy> parse_proxy(std::string_view text) {
  const auto bad = [] {
    return fail(Code::kInvalid,
                "HTTPS_PROXY is no address of a proxy that can be used: it must be http://[USER:PASSWORD@]HOST[:PORT]",
                "bad_proxy");
  };
  if (const auto scheme = text.find("://"); scheme != std::string_view::npos) {
    if (lower_case(text.substr(0, scheme)) != "http") return bad();
    text.remove_prefix(scheme + 3);
  }
  text = text.substr(0, text.find_first_of("/?#"));
  HttpProxy proxy;
  if (const auto at = text.rfind('@'); at != std::string_view::npos) {
    const auto user = text.substr(0, at);
    const auto colon = std::min(user.find(':'), user.size());
    const auto name = decoded(user.substr(0, colon));
    const auto password = decoded(user.substr(std::min(colon + 1, user.size())));
    if (!name || !password) return bad();
    proxy.authorization = Secret("Basic " + base64(as_bytes(*name + ":" + *password)));
    text.remove_prefix(at + 1);
  }
  auto endpoint = parse_endpoint(text, kDefaultPort);
  if (!endpoint || endpoint->host.empty()) return bad();
  proxy.at = std::move(*endpoint);
  return proxy;
}

// An IPv4 or IPv6 address in 4 or 16 bytes; nothing for a name.
Bytes address_bytes(const std::string& text) {
  for (const auto& [family, size] : {std::pair(AF_INET, 4U), std::pair(AF_INET6, 16U)}) {
    Bytes bytes(size);
    if (inet_pton(family, text.c_str(), bytes.data()) == 1) return bytes;
  }
  return {};
}

// Whether the address lies in a network like 10.0.0.0/8; one with bits behind its prefix is none.
bool in_network(const Endpoint& to, std::string_view network) {
  if (!network.contains('/')) return false;
  const auto range = AddressRange::parse(network);
  return range && range->contains(to);
}

// One entry of no_proxy.
bool covers(std::string_view entry, const Endpoint& to) {
  if (entry == "*") return true;
  const std::string host = lower_case(to.host);
  if (in_network(to, entry)) return true;
  std::string name = lower_case(entry);
  const bool is_bare_address = !address_bytes(name).empty();
  if (const auto colon = name.rfind(':'); !is_bare_address && colon != std::string::npos) {
    if (name.substr(colon + 1) != std::to_string(to.port)) return false;
    name.resize(colon);
  }
  if (name.starts_with('[') && name.ends_with(']')) name = name.substr(1, name.size() - 2);
  if (name.starts_with('.')) name.erase(0, 1);
  if (name.empty()) return false;
  if (const Bytes address = address_bytes(name); !address.empty()) return address == address_bytes(host);
  return host == name || host.ends_with("." + name);
}

// The proxy's own loopback is not ours.
bool is_here(const std::string& host) { return host.starts_with("127.") || host == "::1" || host == "localhost"; }

bool excepted(std::string_view list, const Endpoint& to) {
  while (!list.empty()) {
    const auto end = std::min(list.find_first_of(", \t"), list.size());
    const auto entry = list.substr(0, end);
    list.remove_prefix(std::min(end + 1, list.size()));
    if (!entry.empty() && covers(entry, to)) return true;
  }
  return false;
}

Result<> check_answer(const Head& head) {
  if (head.status >= 200 && head.status < 300) return {};
  if (head.status == 407)
    return fail(Code::kUnavailable,
                "the proxy wants a user and a password, or another one (HTTP 407): give them in HTTPS_PROXY",
                "proxy_sign_in");
  return fail(Code::kUnavailable, "the proxy answers HTTP " + std::to_string(head.status), "proxy_refused");
}

Task<Result<std::unique_ptr<Stream>>> ask(std::unique_ptr<Stream> below, HttpProxy proxy, std::string target) {
  std::string request = "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n";
  if (proxy.authorization) {
    CO_CHECK(check_field("proxy-authorization", proxy.authorization->reveal()));
    request += "Proxy-Authorization: " + proxy.authorization->reveal() + "\r\n";
  }
  request += "\r\n";
  const Secret wiped(std::move(request));
  CO_CHECK(co_await write(*below, as_bytes(wiped.reveal())));
  Reader reader(*below);
  const auto parser = Parser::of_response(kHeadLimits, Parser::Body::kNone);
  CO_TRY(const Head head, co_await read_head(reader, *parser, kHeadLimits));
  CO_CHECK(check_answer(head));
  Bytes rest = reader.take_rest();
  co_return prepend(std::move(rest), std::move(below));
}

}  // namespace

ProxyEnvironment ProxyEnvironment::read() {
  return {Secret(variable("https_proxy", "HTTPS_PROXY")), variable("no_proxy", "NO_PROXY")};
}

Result<std::optional<HttpProxy>> proxy_for(const Endpoint& to, const ProxyEnvironment& environment) {
  if (environment.proxy.empty() || is_here(to.host) || excepted(environment.none, to))
    return std::optional<HttpProxy>();
  PL_TRY(auto proxy, parse_proxy(environment.proxy.reveal()));
  return std::optional(std::move(proxy));
}

Task<Result<std::unique_ptr<Stream>>> connect_through(std::unique_ptr<Stream> below, HttpProxy proxy, Endpoint to,
                                                      std::chrono::milliseconds limit) {
  const std::string what = "proxy " + to_text(proxy.at) + " for " + to_text(to);
  CO_CHECK(check_field("host", to_text(to)));
  auto made = co_await with_timeout(ask(std::move(below), std::move(proxy), to_text(to)), limit);
  if (!made) co_return std::unexpected(std::move(made).error().within(what));
  co_return made;
}

}  // namespace portolan::net::http
