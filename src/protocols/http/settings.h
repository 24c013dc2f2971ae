// The settings of a web resource, read and checked. README.md tells what each means.
#pragma once
#include <array>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "net/tls.h"
#include "protocols/driver.h"
#include "protocols/http/names.h"
#include "protocols/http/rules.h"

namespace portolan::protocols::http {

inline constexpr std::array<std::string_view, 21> kSettingNames = {
    "aliases",   "answer_timeout", "auth",          "headers",    "health_path", "health_status",   "host_header",
    "hosts",     "http_version",   "idle_timeout",  "jwt_header", "mask_query",  "methods",         "paths",
    "read_only", "record_bodies",  "rewrite_links", "tls",        "tls_ca",      "tls_certificate", "tls_server_name"};

enum class Auth { kNone, kBasic, kBearer, kHeaders };
enum class HttpVersion { kAuto, k1, k2 };
enum class TlsMode { kDisable, kRequire, kVerifyCa, kVerifyFull };

struct Options {
  TlsMode tls = TlsMode::kDisable;
  HttpVersion http_version = HttpVersion::kAuto;
  std::string host_header;  // empty: the resource's own host and port
  std::string aliases;
  Auth auth = Auth::kNone;
  std::vector<Field> headers;  // with {email} and the like in their values
  std::string jwt_header;      // empty: none
  Rules rules;
  bool mask_all = false;
  std::vector<std::string> mask_query;
  bool rewrite_html = false;
  bool rewrite_json = false;
  std::size_t record_bodies = 0;  // bytes of each body
  std::string health_path = "/";
  int health_status = 0;  // 0: any below 500 but 401 with a credential
  std::chrono::milliseconds answer_timeout = std::chrono::seconds(60);
  std::chrono::milliseconds idle_timeout = std::chrono::minutes(10);

  std::string_view scheme() const { return tls == TlsMode::kDisable ? "http" : "https"; }
};

Result<Options> parse_options(const Settings& settings);
// With what must agree: the user name with `auth`, aliases, certificates.
Result<> check(const Settings& settings, std::string_view username);

// The application's hosts, from its options and the resource's addresses.
Result<std::vector<Host>> hosts_of_application(const Options& options, const std::vector<net::Endpoint>& addresses);
// For TLS to one of the hosts; `key` is that of the setting "tls_certificate".
Result<net::TlsClientOptions> tls_options(const Options& options, const Settings& settings, const Host& host,
                                          const Secret& key);

}  // namespace portolan::protocols::http
