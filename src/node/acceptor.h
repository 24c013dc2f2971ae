// The gateway's port: from accepted connections to proven links. Nothing is done for a connection before it has spoken,
// and what unproven peers may hold open is capped (architecture §10.11). From the addresses of balancers that are
// configured, and only from these, each connection begins with a PROXY header (net/proxy_protocol.h).
#pragma once
#include <functional>
#include <memory>

#include "net/admission.h"
#include "node/node.h"
#include "node/strangers.h"
#include "tunnel/link.h"
#include "tunnel/ticket.h"

namespace portolan::node {

// One loop. stop() before destruction.
class Acceptor {
 public:
  using OnLink = std::function<void(tunnel::AcceptedLink)>;
  using OnPlain = std::function<void(std::unique_ptr<net::TcpStream>, const tunnel::Ticket&)>;
  Acceptor(const net::Executor& executor, std::shared_ptr<const net::TlsServer> tls, const NodeOptions& options,
           OnLink on_link);
  // Plain connections that begin with the preface of a spliced path; without it they are refused as no TLS.
  void on_plain(OnPlain on_plain) { on_plain_ = std::move(on_plain); }
  void add(std::unique_ptr<net::TcpStream> stream);
  // An end-to-end link over a path that a gateway has opened: proven with the same care, without waiting for its first
  // byte.
  void add_path(std::unique_ptr<net::Stream> path) { begin(std::move(path)); }
  // For handshakes from now on.
  void use(std::shared_ptr<const net::TlsServer> tls) { tls_ = std::move(tls); }
  net::Task<> stop();
  std::size_t unproven() const { return balanced_.waiting() + admission_.waiting() + tasks_.size(); }
  // Those who asked by HTTPS.
  std::uint64_t strangers() const { return strangers_.answered(); }

 private:
  void spoke(std::unique_ptr<net::TcpStream> stream);
  void begin(std::unique_ptr<net::Stream> stream);
  void spawn(std::string name, net::Task<> task);
  net::Task<> prove(std::unique_ptr<net::Stream> stream);
  net::Task<Result<>> prove_within(std::unique_ptr<net::Stream> stream);
  net::Task<> read_preface(std::unique_ptr<net::TcpStream> stream);
  net::Task<> read_proxy_header(std::unique_ptr<net::TcpStream> stream);

  std::shared_ptr<const net::TlsServer> tls_;
  std::size_t handshakes_;
  std::chrono::milliseconds limit_;
  std::vector<net::AddressRange> balancers_;
  OnLink on_link_;
  OnPlain on_plain_;
  Strangers strangers_;
  net::Admission balanced_;  // of balancers, before their header
  net::Admission admission_;
  bool stopping_ = false;
  net::TaskGroup tasks_;
};

}  // namespace portolan::node
