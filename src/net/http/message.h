// HTTP/1.1 requests and responses as values (RFC 9110, RFC 9112), for our own API: small bodies, read whole, within
// limits. What passes through to web resources is not handled here.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace portolan::net::http {

// Names are lower case. Repeated fields are joined with ", " (RFC 9110 §5.3), except where that is a defect: a
// repeated host, content-length, transfer-encoding, authorization or content-type is refused.
using Headers = std::map<std::string, std::string, std::less<>>;

struct Request {
  std::string method = "GET";
  std::string path = "/";  // percent-decoded; "." and ".." segments and NUL are refused by the server
  std::map<std::string, std::string> query = {};  // decoded; a repeated name is refused by the server
  Headers headers = {};
  std::string body = {};
  std::string target = {};  // set by the server: path and query as they came, still encoded

  std::string_view header(std::string_view name) const;  // empty if absent
  std::optional<std::string> parameter(const std::string& name) const;
};

struct Response {
  int status = 200;
  Headers headers = {};
  std::string body = {};
  std::string_view header(std::string_view name) const;
};

// "/v1/a b?x=1&y=%20" from its parts, percent-encoded.
std::string to_target(const Request& request);

// What an answer with a status from 400 on says went wrong: the error that problem() (server.h) made it from, as far as
// it tells. Its text came over the network and is fit for a terminal: without control characters and of limited length.
Error error_from(const Response& response);

struct Limits {
  std::size_t header_bytes = 32 * 1024;
  std::size_t header_count = 100;
  std::size_t body_bytes = 1024 * 1024;
};

}  // namespace portolan::net::http
