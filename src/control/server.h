// The control plane as a server: one port, one event loop given by the caller, threads of its own for what blocks.
//
// Two names on the port (architecture §5). The public one, for browsers, scripts, sign-in and joining: any server name,
// ALPN "h2", "http/1.1" or none, no client certificate; the operator's certificate or one of our server CA. The
// internal one, for agents and nodes: server name Authorities::control_name, ALPN "portolan-control", always our server
// CA, certificates of the user or node CA.
#pragma once
#include <memory>
#include <string>

#include "base/bytes.h"
#include "control/options.h"
#include "net/loop.h"
#include "net/tcp.h"

namespace portolan::control {

class Server {
 public:
  // Opens the data folder (made at the first start), binds and listens. Blocks for the little that opening the stores
  // takes.
  static net::Task<Result<std::unique_ptr<Server>>> start(net::Loop& loop, ServerOptions options);
  // stop() has returned, or the loop has ended.
  ~Server();

  net::Endpoint local() const;
  const std::string& organization() const;
  const std::string& control_name() const;
  // What the operator compares and joining nodes pin, and the certificate itself as PEM;
  // several while it is rotated, the one that signs first.
  std::string server_ca_sha256() const;
  std::string server_ca() const;
  // Whether this start has made the authorities.
  bool first_start() const;

  enum class Ensured { kMade, kThere };
  // An admin with this e-mail address and password, made if there is no such account; one that is there keeps its
  // password.
  net::Task<Result<Ensured>> ensure_admin(std::string email, Secret password);
  // A new API token of the account with this e-mail address.
  net::Task<Result<Secret>> make_api_token(std::string email, std::string name);

  // Takes no more connections, ends the watches, lets requests that are being answered finish (at most two seconds).
  net::Task<> stop();

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace portolan::control
