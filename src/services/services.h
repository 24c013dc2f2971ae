// The small public services that a process can give beside the control plane or apart from it (`portolan server
// --serve`): which there are, what each is made with, and how requests find them by host name.
//
// A new service is a Kind, a name in services.cc, its options in Options and its line in make_services().
#pragma once
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "net/http/sites.h"
#include "services/downloads.h"

namespace portolan::services {

enum class Kind : std::uint8_t { kApp /* the control plane, which control/ gives */, kLogin, kDownloads, kCheckip };

std::string_view name_of(Kind kind);

// "app,downloads" or one name each; at least one, none twice. Code::kInvalid names the known ones.
Result<std::set<Kind>> parse_services(const std::vector<std::string>& texts);

// One service, on one loop. The connections that are served by its router have ended before it is destroyed.
class Service {
 public:
  virtual ~Service() = default;
  virtual const net::http::Router& router() const = 0;
  // Limits and time-outs of its requests; hosts and draining are set by whoever serves it.
  virtual net::http::ServerOptions http() const { return {}; }
  // Ends what goes on by itself. Once, before the destruction.
  virtual net::Task<> stop();
};

struct Options {
  std::set<Kind> kinds = {};  // without kApp
  // The host names that a service answers for. Empty is for the only service of a process.
  std::vector<std::string> downloads_hosts = {};
  DownloadsOptions downloads = {};
};

// A service and the hosts it is found by.
struct Hosted {
  Kind kind = Kind::kDownloads;
  std::vector<std::string> hosts;
  std::unique_ptr<Service> service;
};

enum class Beside { kNothing, kApp };
// Host names in lower case, none twice; every service has one where there are several, or the control plane beside it.
// Code::kInvalid tells which option to give.
Result<> check_hosts(Options& options, Beside beside);

// Of checked options.
Result<std::vector<Hosted>> make_services(const net::Executor& executor, const Options& options);

// As a server takes them; valid while `services` live.
std::vector<net::http::Site> sites_of(const std::vector<Hosted>& services);

}  // namespace portolan::services
