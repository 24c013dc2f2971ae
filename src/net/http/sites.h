// Several services behind one port, told apart by the host name that the client names in its TLS handshake. A request
// for another host on the same connection is answered with 421 (ServerOptions::hosts).
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "net/http/server.h"

namespace portolan::net::http {

// Value type; what it points at outlives every connection that is served by it.
struct Site {
  std::vector<std::string> hosts;  // lower case, without port; empty: every host that no other site has
  const Router* router = nullptr;
  ServerOptions http = {};
};

// The site of a TLS server name (empty: the client named none): the one that lists it, else the one without hosts, else
// none.
inline const Site* find_site(const std::vector<Site>& sites, std::string_view server_name) {
  std::string name(server_name);
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  for (const Site& site : sites)
    if (std::ranges::find(site.hosts, name) != site.hosts.end()) return &site;
  for (const Site& site : sites)
    if (site.hosts.empty()) return &site;
  return nullptr;
}

}  // namespace portolan::net::http
