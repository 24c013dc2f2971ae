// The target of a request line (RFC 9112 §3.2) and the Host header, taken apart strictly: two readers of the same
// bytes, such as a proxy before us and we, must not come to different paths. So whatever a path could hide behind its
// encoding is refused.
#pragma once
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace portolan::net::http {

struct Target {
  std::string authority;  // of the absolute form ("GET http://host/path"), else empty
  std::string path;       // percent-decoded
  std::map<std::string, std::string> query;
  std::string origin;  // the path (at least "/") and query as they came
};

// Refuses bad percent escapes, text that is not UTF-8, control characters and encoded slashes in the path, segments "."
// and
// "..", a fragment, and a repeated query name.
Result<Target> parse_target(std::string_view text);

// The name of "name", "name:port" or "[::1]:port", in lower case and without its port.
Result<std::string> host_name(std::string_view authority);

std::string percent_encode(std::string_view text, std::string_view also_kept);
bool is_utf8(std::string_view text);

}  // namespace portolan::net::http
