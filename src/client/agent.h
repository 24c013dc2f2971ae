// The agent: in the person's session, on loopback only. One listener per connected resource; links to gateways;
// end-to-end links to egress nodes; the status API. Runs on one loop; reads what login has left in its home and follows
// the control plane's watch.
#pragma once
#include <sys/types.h>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "client/home.h"
#include "client/ways.h"
#include "net/loop.h"
#include "net/tcp.h"

namespace portolan::client {

struct AgentOptions {
  Home home{std::filesystem::path()};
  std::optional<net::Endpoint> status = net::Endpoint{"127.0.0.1", 65220};  // none: the Unix socket only
  std::optional<net::Endpoint> web = net::Endpoint{"127.0.0.1", 65230};     // the web proxy; none: there is none
  std::string address = "127.0.0.1";                                        // where resources listen
  std::vector<uid_t> allowed_users = {};                                    // besides the agent's own
  bool connect_all = false;  // connect every resource as it appears (`dev`)
  PathKinds paths = PathKinds::kAny;
  std::filesystem::path web_ca_file = {};  // for links over WebSocket: authorities to trust beside the system's, PEM
  std::chrono::milliseconds plain_retry = std::chrono::minutes(10);  // while one is used, TCP is tried again by then
  std::size_t connections_per_resource = 1000;
  std::chrono::milliseconds first_byte_limit = std::chrono::seconds(10);  // for protocols whose client speaks first
};

class Agent {
 public:
  // Binds the status API and socket, loads what is in the home, starts following. Code::kConflict if another agent of
  // this home runs.
  static net::Task<Result<std::unique_ptr<Agent>>> start(net::Loop& loop, AgentOptions options);
  virtual ~Agent() = default;
  // Ends sessions and listeners. After it the agent can be destroyed.
  virtual net::Task<> stop() = 0;
  // Done when `POST /v1/stop` was called.
  virtual net::Task<> stop_requested() = 0;
};

}  // namespace portolan::client
