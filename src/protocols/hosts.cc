#include "protocols/hosts.h"

#include <algorithm>

#include <fmt/format.h>

namespace portolan::protocols {

Result<std::vector<net::Endpoint>> hosts_of(const std::string& host, std::uint16_t port,
                                            const std::map<std::string, std::string>& settings) {
  std::vector<net::Endpoint> out = {{host, port}};
  const auto found = settings.find("hosts");
  if (found == settings.end()) return out;
  std::string_view rest = found->second;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(','), rest.size());
    std::string_view text = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
    auto endpoint = net::parse_endpoint(text, port);
    if (!endpoint) return std::unexpected(std::move(endpoint).error().within("setting \"hosts\""));
    const bool plain = std::ranges::all_of(endpoint->host, [](char c) { return c > ' ' && c < '\x7f' && c != '/'; });
    if (endpoint->host.empty() || endpoint->port == 0 || !plain)
      return fail(Code::kInvalid, "setting \"hosts\": " + quoted(text) + " is no host with a port");
    if (std::ranges::find(out, *endpoint) != out.end())
      return fail(Code::kInvalid, "setting \"hosts\": " + quoted(text) + " is there already");
    if (out.size() == kHostsLimit)
      return fail(Code::kLimit,
                  fmt::format("setting \"hosts\": at most {} beside the resource's own", kHostsLimit - 1));
    out.push_back(std::move(*endpoint));
  }
  return out;
}

}  // namespace portolan::protocols
