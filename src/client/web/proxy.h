// The web proxy: one loopback port by which the person's browser reaches every web resource by its name
// (http://NAME.localhost:65230), the agent's own page, and, where a browser is told to use it as a proxy, applications
// by their own names. Loopback is not private (architecture §10.9): connections are taken from this user only, and each
// request is judged by its names and by where it comes from (names.h, checks.h) before a byte of it goes on.
#pragma once
#include <sys/types.h>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/agent.h"
#include "api/local.h"
#include "client/changes.h"
#include "client/home.h"
#include "client/web/browser.h"
#include "client/web/local_ca.h"
#include "client/web/names.h"
#include "net/admission.h"
#include "net/tcp.h"
#include "net/wait.h"

namespace portolan::client::web {

struct ProxyOptions {
  net::Endpoint at;
  std::vector<uid_t> allowed_users = {};  // besides the agent's own
  Home home{std::filesystem::path()};     // of the local CA
  std::size_t connections = 4096;
  std::chrono::milliseconds silence = std::chrono::seconds(30);     // before a first byte: browsers connect ahead
  std::chrono::milliseconds head_limit = std::chrono::seconds(10);  // for the first head to be whole, from then on
  std::chrono::milliseconds idle_limit = std::chrono::minutes(5);   // between requests to our own page
};

// What the proxy asks of the agent.
class Applications {
 public:
  virtual ~Applications() = default;
  // Of who is signed in; null: nobody.
  virtual std::shared_ptr<const Names> names() const = 0;
  // Whether the resource can be used now: else why not ("not_connected", and why a sign-in has ended).
  virtual Result<> usable(const std::string& name) const = 0;
  // Carries the requests to the resource as one session, and answers them itself if there is no way. `over` is called
  // once, when `requests` has been destroyed or is about to be within the same turn of the loop: no error if all that
  // was asked has been answered in good order.
  virtual void carry(const std::string& name, std::unique_ptr<net::Stream> requests, net::CallBack over) = 0;
  virtual api::AgentStatus status() const = 0;
  virtual std::vector<api::AgentResource> web_resources() const = 0;
};

// One loop. stop() before destruction, after the sessions of carry() have ended: their requests are judged here.
class Proxy {
 public:
  Proxy(const net::Executor& executor, ProxyOptions options, Applications& applications, Changes& changes);

  // Tries to bind, and goes on trying while somebody else holds the port.
  void start();
  api::LocalPort port() const { return state_; }
  // Listens no more, at once.
  void release();
  net::Task<> stop();

 private:
  void listen();
  void listen_beside();
  net::Task<> retry();
  void begin(std::unique_ptr<net::TcpStream> stream);
  net::Task<> serve(std::unique_ptr<net::TcpStream> stream);
  net::Task<> serve_requests(std::shared_ptr<Browser> browser);
  // Each says whether the connection goes on.
  net::Task<bool> serve_one(Browser& browser);
  net::Task<bool> serve_own(Browser& browser);
  net::Task<bool> serve_application(Browser& browser, std::string name);
  // All that is asked within the tunnel.
  net::Task<> serve_tunnel(Browser& browser, http::Authority to);
  // The stream within it; the browser's own is used up, unless there is an error to tell the browser.
  net::Task<Result<std::unique_ptr<net::Stream>>> open_tunnel(Browser& browser, Origin to);
  Result<Origin> tunnel_to(const http::Authority& to) const;
  Judge judge(std::optional<Origin> tunnel) const;

  ProxyOptions options_;
  LocalCaOnDisk ca_;
  Applications& applications_;
  Changes& changes_;
  api::LocalPort state_;
  std::uint16_t port_ = 0;
  std::unique_ptr<net::Listener> listener_;
  std::unique_ptr<net::Listener> beside_;  // on [::1]: browsers know both addresses of *.localhost
  bool stopping_ = false;
  std::size_t foreigners_ = 0;  // connections of other users that are being turned away
  net::Admission admission_;
  net::TaskGroup tasks_;
};

}  // namespace portolan::client::web
