#include "net/http/message.h"

#include "net/http/target.h"

namespace portolan::net::http {
namespace {

std::string_view find_header(const Headers& headers, std::string_view name) {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

}  // namespace

std::string_view Request::header(std::string_view name) const { return find_header(headers, name); }
std::string_view Response::header(std::string_view name) const { return find_header(headers, name); }

std::optional<std::string> Request::parameter(const std::string& name) const {
  const auto found = query.find(name);
  if (found == query.end()) return std::nullopt;
  return found->second;
}

std::string to_target(const Request& request) {
  std::string target = percent_encode(request.path, "/:@");
  char separator = '?';
  for (const auto& [name, value] : request.query) {
    target += separator;
    target += percent_encode(name, "") + "=" + percent_encode(value, "");
    separator = '&';
  }
  return target;
}

}  // namespace portolan::net::http
