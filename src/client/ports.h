// The loopback listeners: one per connected resource. A connection is taken from this user only (loopback is not
// private, architecture §10.9), a stream to the resource's egress is opened for it, and bytes are copied both ways.
// When there is no way, the client is told why in its own protocol.
#pragma once
#include <sys/types.h>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/agent.h"
#include "api/local.h"
#include "client/changes.h"
#include "client/endings.h"
#include "client/paths.h"
#include "net/admission.h"
#include "net/stop.h"
#include "net/tcp.h"
#include "net/wait.h"
#include "protocols/driver.h"

namespace portolan::client {

struct PortOptions {
  std::string address;
  std::vector<uid_t> allowed_users;
  std::size_t connections_per_resource;
  std::chrono::milliseconds first_byte_limit;
  std::function<api::LocalPort()> web_proxy = {};  // how it is, for web resources
};

// As the agent's API shows it: foreign if it is another user's.
api::LocalHolder to_local(const net::PortHolder& holder);
// Whether the other end of a loopback connection is the agent's own user, or one of these: else Code::kDenied, in words
// for people.
Result<> check_owner(const net::TcpStream& stream, const std::vector<uid_t>& allowed);
// As the agent's API shows a resource that is not connected.
api::LocalResource describe_unconnected(const api::AgentResource& resource, const PortOptions& options);

// One connected resource. stop() before destruction. A web resource has no port of its own: the web proxy
// (web/proxy.h) brings its connections.
class ResourcePort {
 public:
  ResourcePort(const net::Executor& executor, api::AgentResource resource, PortOptions options, Paths& paths,
               Changes& changes, Endings& endings);

  // Binds, unless it is a web resource; the error says who holds the port. May be called again after a failure.
  Result<> listen();
  // Takes over what the control plane says now (another egress, a new name). The port itself does not change this way.
  void update(api::AgentResource resource) { resource_ = std::move(resource); }
  const api::AgentResource& resource() const { return resource_; }
  // Carries what a browser asks of a web resource, as one session, and turns it away if there is no way. `over` is
  // called once, after the last use of the stream: no error if the session has ended in good order.
  void carry_web(std::unique_ptr<net::Stream> requests, net::CallBack over);
  // The account may not use it any more: later connections are turned away with this reason, until it is cleared.
  void turn_away(std::optional<Error> reason) { turned_away_ = std::move(reason); }
  const std::optional<Error>& turned_away() const { return turned_away_; }
  // Listens no more, at once; connections go on until end() or stop().
  void release() { listener_.reset(); }
  // Ends the connections: their clients are told why, in their own protocol where that is possible. Wait with stop().
  void end(const Error& why);
  bool listening() const { return listener_ != nullptr; }
  bool is_web() const { return protocol_ != nullptr && protocol_->web_hosts != nullptr; }
  net::Endpoint endpoint() const { return {options_.address, resource_.port}; }
  api::LocalResource status() const;
  net::Task<> stop();

 private:
  void take(std::unique_ptr<net::TcpStream> stream);
  void begin(std::unique_ptr<net::TcpStream> stream);
  struct Over;
  net::Task<> serve(std::unique_ptr<net::TcpStream> stream);
  net::Task<> serve_web(std::unique_ptr<net::Stream> requests, std::unique_ptr<Over> over);
  // Opens a session and carries it to its end; or turns the client away, if it is not `ready` or there is no way.
  net::Task<Result<>> serve_ready(std::unique_ptr<net::Stream> stream, Result<> ready);
  // Opens the stream and writes `head` on it; tries again for a short while when trying again can help.
  net::Task<Result<OpenedStream>> open(ByteView head, std::string trace);
  // Waits for what the egress node says. One that falls silent is not waited for if `others` may serve, too.
  net::Task<Result<>> wait_for_answer(const OpenedStream& opened, bool others);
  // Copies until the session ends, and says why if nobody else can.
  net::Task<Result<>> carry(std::unique_ptr<net::Stream> stream, OpenedStream opened, net::Buffer head,
                            std::string trace);
  // Why a session has ended, if it is for us to say.
  net::Task<std::optional<Error>> our_reason(const OpenedStream& opened, Error failure);

  api::AgentResource resource_;
  PortOptions options_;
  Paths& paths_;
  Changes& changes_;
  Endings& endings_;
  const protocols::Protocol* protocol_;
  std::unique_ptr<net::Listener> listener_;
  std::optional<std::string> failure_;
  std::optional<Error> turned_away_;
  std::size_t sessions_ = 0;
  bool stopping_ = false;
  net::StopSignal ending_;
  net::Admission admission_;
  net::TaskGroup tasks_;
};

}  // namespace portolan::client
