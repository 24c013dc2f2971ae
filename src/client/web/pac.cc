#include "client/web/pac.h"

#include <fmt/format.h>

#include "client/web/names.h"
#include "client/web/real_host.h"

namespace portolan::client::web {
namespace {

// Plain ECMAScript 3, which every reader of such files knows. `url` comes without path and query where the browser
// does not trust us with them.
constexpr std::string_view kFunction = R"js(
function FindProxyForURL(url, host) {
  var parts = /^([a-z]+):\/\/([^\/?#\\]*)/i.exec(url);
  if (!parts) return "DIRECT";
  var scheme = parts[1].toLowerCase();
  if (scheme === "ws") scheme = "http";
  if (scheme === "wss") scheme = "https";
  var place = parts[2].substring(parts[2].lastIndexOf("@") + 1).toLowerCase();
  if (!/:[0-9]+$/.test(place)) place += scheme === "https" ? ":443" : ":80";
  return Object.prototype.hasOwnProperty.call(origins, scheme + "://" + place) ? proxy : "DIRECT";
}
)js";

}  // namespace

std::string js_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const bool plain = c >= ' ' && c <= '~' && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' && c != '\'';
    out += plain ? std::string(1, c) : fmt::format("\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
  }
  return out + '"';
}

std::string pac_file(const std::vector<api::AgentResource>& resources, const net::Endpoint& proxy) {
  std::string out = "// Portolan: these applications, and nothing else, go by its web proxy on this machine.\n";
  out += "var proxy = " + js_string("PROXY " + net::to_text(proxy)) + ";\nvar origins = {";
  std::string_view between = "\n  ";
  for (const RealHost& host : real_hosts(resources)) {
    if (is_loopback(host.host)) continue;
    out += between;
    out += js_string(to_text(host)) + ": 1";
    between = ",\n  ";
  }
  out += "\n};";
  return out += kFunction;
}

}  // namespace portolan::client::web
