// Which application a request to the web proxy is for, by the name that it is asked by, and which other names are that
// application's. Pure.
//
// The mapping is total and has one answer. A resource's name is letters a-z, digits and "-" (directory/names.cc), so it
// is one label of a host name: the last one before ".localhost" is the resource, one more before it is the label of an
// alias, and anything longer is nobody's. Names are compared without regard to case. "localhost" and the addresses of
// loopback are the agent's own page. Every other name is real: it counts only where the browser says that it takes us
// for a proxy (the absolute form, or within a tunnel by CONNECT), never in a Host alone, which any page can bring about
// by letting its own name resolve to 127.0.0.1 (DNS rebinding).
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/agent.h"
#include "protocols/http/message.h"

namespace portolan::client::web {

namespace http = protocols::http;

// Scheme, host and port, as in "https://wiki.corp.example".
struct Origin {
  std::string scheme;  // "http" or "https"
  http::Authority authority;
  std::uint16_t port() const { return authority.port.value_or(http::default_port_of(scheme)); }
};
// Where an URL begins with one; what follows it is not looked at.
std::optional<Origin> parse_origin(std::string_view url);
bool same(const Origin& a, const Origin& b);
std::string to_text(const Origin& origin);

// One web resource.
struct Application {
  struct Host {
    std::string label;           // empty: the main one
    std::optional<Origin> real;  // none: it could not be read
  };
  std::string name;
  bool connected = false;
  std::vector<Host> hosts = {};  // none: the control plane says nothing of them, and any label may be one
  bool has_label(std::string_view label) const;
};

// Whether people open resources of this type in a browser.
bool is_web(const api::AgentResource& resource);
// "http://wiki.localhost:65230".
std::string url_of(std::string_view resource, std::uint16_t port);

// Of one account; a snapshot.
class Names {
 public:
  // `connected`: names of the resources that are. `offered`: names that the account could use once.
  Names(const std::vector<api::AgentResource>& resources, const std::set<std::string>& connected,
        const std::set<std::string>& offered);
  const Application* find(std::string_view name) const;
  // By its own name. Where several resources are the same host, a connected one, and the first by name.
  const Application* find_real(const Origin& origin) const;
  // Why there is no application of that name.
  Error why_none(std::string_view name) const;

 private:
  std::map<std::string, Application, std::less<>> applications_;
  std::map<std::string, std::string, std::less<>> others_;  // their types
  std::set<std::string> offered_;
};

// How a request came in.
struct Entry {
  std::uint16_t port = 0;          // the proxy's own
  const Origin* tunnel = nullptr;  // what CONNECT asked for
  const Names* names = nullptr;    // none: nobody is signed in
};

// Whom a request is for.
struct Asked {
  enum class Kind { kOwnPage, kLocal, kReal };
  Kind kind = Kind::kOwnPage;
  Origin origin = {};                        // as the browser has it in its address bar
  const Application* application = nullptr;  // of kLocal and kReal; of Entry::names
};
// Errors: "misdirected", "unknown_resource", "not_signed_in".
Result<Asked> whom(const http::RequestHead& head, const Entry& entry);
// Whether the origin, or the one that the URL begins with, is of the same application, in the same form of name.
bool is_kin(const Asked& asked, std::string_view url);

// "localhost", ::1, or an address 127.x.y.z: this machine itself, which nobody asks a proxy for.
bool is_loopback(std::string_view host);

}  // namespace portolan::client::web
