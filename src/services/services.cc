#include "services/services.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "net/http/target.h"

namespace portolan::services {
namespace {

constexpr std::array<std::pair<Kind, std::string_view>, 4> kNames = {{
    {Kind::kApp, "app"},
    {Kind::kLogin, "login"},
    {Kind::kDownloads, "downloads"},
    {Kind::kCheckip, "checkip"},
}};

Result<> add_service(std::string_view name, std::set<Kind>& kinds) {
  const auto found = std::ranges::find(kNames, name, [](const auto& entry) { return entry.second; });
  if (found == kNames.end()) {
    std::string known;
    for (const auto& entry : kNames) known += (known.empty() ? "" : ", ") + std::string(entry.second);
    return fail(Code::kInvalid, fmt::format("unknown service {}; known are: {}", quoted(name), known));
  }
  if (!kinds.insert(found->first).second) return fail(Code::kInvalid, fmt::format("{} is there twice", name));
  return {};
}

// The hosts of each chosen service, in the order of the table.
std::vector<std::pair<Kind, std::vector<std::string>*>> hosts_of(Options& options) {
  std::vector<std::pair<Kind, std::vector<std::string>*>> out;
  if (options.kinds.contains(Kind::kDownloads)) out.emplace_back(Kind::kDownloads, &options.downloads_hosts);
  return out;
}

}  // namespace

std::string_view name_of(Kind kind) {
  for (const auto& entry : kNames)
    if (entry.first == kind) return entry.second;
  return "unknown";
}

Result<std::set<Kind>> parse_services(const std::vector<std::string>& texts) {
  std::set<Kind> kinds;
  for (std::string_view text : texts) {
    for (;;) {
      const auto comma = std::min(text.find(','), text.size());
      PL_CHECK(add_service(text.substr(0, comma), kinds));
      if (comma == text.size()) break;
      text.remove_prefix(comma + 1);
    }
  }
  if (kinds.empty()) return fail(Code::kInvalid, "no service is given");
  return kinds;
}

net::Task<> Service::stop() { co_return; }

Result<> check_hosts(Options& options, Beside beside) {
  std::set<std::string> seen;
  const auto all = hosts_of(options);
  for (const auto& [kind, hosts] : all) {
    const std::string option = fmt::format("--{}-host", name_of(kind));
    if (hosts->empty() && (all.size() > 1 || beside == Beside::kApp))
      return fail(Code::kInvalid,
                  fmt::format("services of one process are told apart by host name; give {} NAME", option));
    for (std::string& host : *hosts) {
      auto name = net::http::host_name(host);
      if (!name) return std::unexpected(std::move(name).error().within(option));
      host = std::move(*name);
      if (!seen.insert(host).second)
        return fail(Code::kInvalid, fmt::format("{} {}: two services cannot have one host name", option, host));
    }
  }
  return {};
}

Result<std::vector<Hosted>> make_services(const net::Executor& executor, const Options& options) {
  std::vector<Hosted> out;
  if (options.kinds.contains(Kind::kDownloads)) {
    PL_TRY(auto service, make_downloads(executor, options.downloads));
    out.push_back({Kind::kDownloads, options.downloads_hosts, std::move(service)});
  }
  return out;
}

std::vector<net::http::Site> sites_of(const std::vector<Hosted>& services) {
  std::vector<net::http::Site> sites;
  for (const Hosted& hosted : services) {
    net::http::Site site{hosted.hosts, &hosted.service->router(), hosted.service->http()};
    site.http.hosts = hosted.hosts;
    sites.push_back(std::move(site));
  }
  return sites;
}

}  // namespace portolan::services
