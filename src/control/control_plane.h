// The control plane without its sockets: the parts, put together behind one router. Tests call the router's handlers;
// Server puts TLS before it.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "control/core.h"
#include "control/rotation.h"
#include "net/http/server.h"

namespace portolan::control {

// One loop; everything about it is destroyed on that loop's thread, after the tasks that serve its router have ended.
class ControlPlane {
 public:
  // Blocks while it opens the stores.
  static Result<std::unique_ptr<ControlPlane>> open(net::Executor executor, ServerOptions options);
  ~ControlPlane();

  // Nothing happens by itself any more; requests are still answered. The loop may end before this does.
  void stop();
  const net::http::Router& router() const;
  Core& core();
  // Takes the steps of key rotations whose time has come; the server starts and stops it.
  Rotation& rotation();
  // Called when an authority has been added, begins to sign or is gone.
  void on_authorities(std::function<void()> listener);

  enum class Ensured { kMade, kThere };
  // An admin with this e-mail address, made if there is no such account; one that is there is left as it is.
  net::Task<Result<Ensured>> ensure_admin(std::string email, Secret password);
  // An API token for the account with this e-mail address.
  net::Task<Result<Secret>> make_api_token(std::string email, std::string name);

 private:
  struct Parts;
  explicit ControlPlane(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace portolan::control
