#include "control/public_name.h"

#include <algorithm>

namespace portolan::control {
namespace {

constexpr std::string_view kScheme = "https://";
constexpr std::uint16_t kUsualPort = 443;

bool is_everywhere(std::string_view host) { return host.empty() || host == "0.0.0.0" || host == "::"; }

}  // namespace

std::vector<std::string> public_names(const ServerOptions& options) {
  if (!options.public_names.empty()) return options.public_names;
  std::vector<std::string> names = {"localhost", "127.0.0.1", "::1"};
  const std::string& host = options.listen.host;
  if (!is_everywhere(host) && std::ranges::find(names, host) == names.end()) names.push_back(host);
  return names;
}

std::string public_url(const ServerOptions& options) {
  if (!options.public_url.empty()) {
    std::string url = options.public_url;
    if (url.ends_with('/')) url.pop_back();
    return url;
  }
  const bool by_address = options.public_names.empty() && !is_everywhere(options.listen.host);
  const std::string name = by_address ? options.listen.host : public_names(options).front();
  std::string authority = net::to_text({name, options.listen.port});
  if (options.listen.port == kUsualPort) authority.resize(authority.rfind(':'));
  return std::string(kScheme) + authority;
}

Result<> check_public_url(const std::string& url) {
  std::string_view rest = url;
  const bool https = rest.starts_with(kScheme);
  if (https) rest.remove_prefix(kScheme.size());
  if (rest.ends_with('/')) rest.remove_suffix(1);
  const bool plain = std::ranges::all_of(rest, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == ':' || c == '[' || c == ']';
  });
  if (https && plain && !rest.empty() && rest.size() <= 255) return {};
  return fail(Code::kInvalid, "public URL " + quoted(url) + ": must be like https://portolan.example, in lower case");
}

}  // namespace portolan::control
