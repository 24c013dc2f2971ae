#include "protocols/http/settings.h"

#include <arpa/inet.h>
#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "protocols/http/inject.h"

namespace portolan::protocols::http {
namespace {

constexpr std::size_t kMostRecorded = 64 * 1024;

template <class Value>
struct Choice {
  std::string_view name;
  Value value;
};
constexpr std::array<Choice<TlsMode>, 4> kModes = {{{"disable", TlsMode::kDisable},
                                                    {"require", TlsMode::kRequire},
                                                    {"verify-ca", TlsMode::kVerifyCa},
                                                    {"verify-full", TlsMode::kVerifyFull}}};
constexpr std::array<Choice<HttpVersion>, 3> kVersions = {
    {{"auto", HttpVersion::kAuto}, {"1.1", HttpVersion::k1}, {"2", HttpVersion::k2}}};
constexpr std::array<Choice<Auth>, 4> kAuths = {
    {{"none", Auth::kNone}, {"basic", Auth::kBasic}, {"bearer", Auth::kBearer}, {"headers", Auth::kHeaders}}};
constexpr std::array<Choice<bool>, 2> kSwitch = {{{"off", false}, {"on", true}}};

std::string_view setting(const Settings& settings, std::string_view name) {
  const auto it = settings.find(std::string(name));
  return it == settings.end() ? std::string_view() : std::string_view(it->second);
}

template <class Value, std::size_t n>
Result<> choose(const Settings& settings, std::string_view name, const std::array<Choice<Value>, n>& choices,
                Value& into) {
  const std::string_view text = setting(settings, name);
  if (text.empty()) return {};
  std::vector<std::string_view> known;
  for (const auto& choice : choices) {
    if (choice.name == text) {
      into = choice.value;
      return {};
    }
    known.push_back(choice.name);
  }
  return fail(Code::kInvalid, fmt::format("setting \"{}\": unknown value {}; known are {}", name, quoted(text),
                                          fmt::join(known, ", ")));
}

Result<> number(const Settings& settings, std::string_view name, std::size_t least, std::size_t most,
                std::size_t& into) {
  const std::string_view text = setting(settings, name);
  if (text.empty()) return {};
  const auto read = std::from_chars(text.data(), text.data() + text.size(), into);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size() || into < least || into > most)
    return fail(Code::kInvalid,
                fmt::format("setting \"{}\": {} is no number from {} to {}", name, quoted(text), least, most));
  return {};
}

Result<> duration(const Settings& settings, std::string_view name, std::chrono::milliseconds& into) {
  const std::string_view text = setting(settings, name);
  if (text.empty()) return {};
  auto read = parse_duration(text);
  if (!read || *read < std::chrono::seconds(1) || *read > std::chrono::hours(24))
    return fail(Code::kInvalid, fmt::format("setting \"{}\": {} is no time from 1s to 24h", name, quoted(text)));
  into = *read;
  return {};
}

Result<> read_links(const Settings& settings, Options& options) {
  for (const std::string& kind : split_list(setting(settings, "rewrite_links"))) {
    if (kind != "html" && kind != "json")
      return fail(Code::kInvalid,
                  "setting \"rewrite_links\": unknown value " + quoted(kind) + "; known are html, json");
    (kind == "html" ? options.rewrite_html : options.rewrite_json) = true;
  }
  return {};
}

Result<> read_names(const Settings& settings, Options& options) {
  options.host_header = setting(settings, "host_header");
  options.aliases = setting(settings, "aliases");
  if (!options.host_header.empty() && !parse_authority(options.host_header))
    return fail(Code::kInvalid, "setting \"host_header\": " + quoted(options.host_header) + " is no host");
  const std::string main = options.host_header.empty() ? "main.invalid" : options.host_header;
  PL_CHECK(hosts_of_application(main, options.aliases, options.scheme(), {}));
  options.mask_query = split_list(setting(settings, "mask_query"));
  options.mask_all = std::ranges::find(options.mask_query, "*") != options.mask_query.end();
  const std::string_view path = setting(settings, "health_path");
  if (path.empty()) return {};
  const bool plain = std::ranges::all_of(path, [](char c) { return c > ' ' && c < '\x7f' && c != '#'; });
  if (!path.starts_with('/') || !plain || path.size() > 1024)
    return fail(Code::kInvalid, "setting \"health_path\": " + quoted(path) + " is no path");
  options.health_path = path;
  return {};
}

bool is_address(const std::string& host) {
  std::array<unsigned char, 16> ignored{};
  return inet_pton(AF_INET, host.c_str(), ignored.data()) == 1 ||
         inet_pton(AF_INET6, host.c_str(), ignored.data()) == 1;
}

bool verifies(TlsMode mode) { return mode == TlsMode::kVerifyCa || mode == TlsMode::kVerifyFull; }

Result<> check_tls(const Settings& settings, const Options& options) {
  const std::string_view ca = setting(settings, "tls_ca");
  if (!ca.empty() && !verifies(options.tls))
    return fail(Code::kInvalid, "setting \"tls_ca\" has no effect unless \"tls\" is verify-ca or verify-full");
  for (const std::string_view name : {"tls_certificate", "tls_server_name"})
    if (options.tls == TlsMode::kDisable && !setting(settings, name).empty())
      return fail(Code::kInvalid, fmt::format("setting \"{}\" has no effect while \"tls\" is disable", name));
  for (const std::string_view name : {"tls_ca", "tls_certificate"}) {
    if (setting(settings, name).empty()) continue;
    auto read = crypto::Certificate::all_from_pem(setting(settings, name));
    if (!read) return std::unexpected(std::move(read).error().within(fmt::format("setting \"{}\"", name)));
  }
  return {};
}

}  // namespace

Result<Options> parse_options(const Settings& settings) {
  Options options;
  bool read_only = false;
  PL_CHECK(choose(settings, "tls", kModes, options.tls));
  PL_CHECK(choose(settings, "http_version", kVersions, options.http_version));
  PL_CHECK(choose(settings, "auth", kAuths, options.auth));
  PL_CHECK(choose(settings, "read_only", kSwitch, read_only));
  PL_TRY(options.rules, Rules::make(setting(settings, "methods"), setting(settings, "paths"), read_only));
  PL_TRY(options.headers, parse_headers(setting(settings, "headers")));
  options.jwt_header = setting(settings, "jwt_header");
  if (!options.jwt_header.empty()) PL_CHECK(check_injected_name(options.jwt_header));
  PL_CHECK(read_links(settings, options));
  PL_CHECK(read_names(settings, options));
  PL_CHECK(number(settings, "record_bodies", 0, kMostRecorded, options.record_bodies));
  std::size_t status = 0;
  PL_CHECK(number(settings, "health_status", 200, 599, status));
  options.health_status = static_cast<int>(status);
  PL_CHECK(duration(settings, "answer_timeout", options.answer_timeout));
  PL_CHECK(duration(settings, "idle_timeout", options.idle_timeout));
  return options;
}

Result<> check(const Settings& settings, std::string_view username) {
  for (const auto& [name, value] : settings) {
    if (std::ranges::find(kSettingNames, name) == kSettingNames.end())
      return fail(Code::kInvalid, fmt::format("unknown setting {} for http; known are {}", quoted(name),
                                              fmt::join(kSettingNames, ", ")));
    if (value.contains('\0')) return fail(Code::kInvalid, "setting " + quoted(name) + " holds a zero byte");
  }
  PL_TRY(const Options options, parse_options(settings));
  PL_CHECK(check_tls(settings, options));
  PL_CHECK(hosts_of("", 1, settings));
  if (options.auth == Auth::kBasic && username.empty())
    return fail(Code::kInvalid, "\"auth\" basic needs a user name to sign in with");
  if (options.auth != Auth::kBasic && !username.empty())
    return fail(Code::kInvalid, "a user name has no effect unless \"auth\" is basic");
  if (username.contains(':') || !is_field_value(username))
    return fail(Code::kInvalid, "a user name for basic authentication holds no colon and no control characters");
  return {};
}

Result<std::vector<Host>> hosts_of_application(const Options& options, const std::vector<net::Endpoint>& addresses) {
  std::string main = options.host_header;
  if (main.empty() && !addresses.empty()) main = net::to_text(addresses[0]);
  auto hosts = hosts_of_application(main, options.aliases, options.scheme(), addresses);
  if (hosts && !hosts->empty()) {
    // ":443" of https, or ":80" of http, says nothing.
    Authority& own = hosts->front().real;
    if (own.port && *own.port == default_port_of(options.scheme())) own.port.reset();
  }
  return hosts;
}

Result<net::TlsClientOptions> tls_options(const Options& options, const Settings& settings, const Host& host,
                                          const Secret& key) {
  net::TlsClientOptions out;
  out.versions = net::TlsVersions::k12And13;
  out.verify_chain = verifies(options.tls);
  const std::string_view ca = setting(settings, "tls_ca");
  if (!ca.empty()) {
    PL_TRY(out.trust, crypto::Certificate::all_from_pem(ca));
  }
  out.system_trust = out.verify_chain && ca.empty();
  // Further hosts of the application have names of their own.
  std::string name(host.label.empty() ? setting(settings, "tls_server_name") : std::string_view());
  if (name.empty()) name = host.real.host;
  if (!is_address(name)) out.server_name = name;
  if (options.tls == TlsMode::kVerifyFull) out.verify_host = name;
  const std::string_view certificate = setting(settings, "tls_certificate");
  if (certificate.empty()) return out;
  if (key.empty())
    return fail(Code::kInvalid, "setting \"tls_certificate\": its key is missing; give the resource a tls_key");
  PL_TRY(auto chain, crypto::Certificate::all_from_pem(certificate));
  PL_TRY(auto secret, crypto::PrivateKey::any_from_pem(key));
  out.identity = net::TlsIdentity{std::move(chain), std::make_shared<const crypto::PrivateKey>(std::move(secret))};
  return out;
}

}  // namespace portolan::protocols::http
