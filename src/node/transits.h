// Links that other gateways have dialled (Purpose::kNode): by these they forward paths that they have no link for
// themselves (docs/wire.md, "Several gateways in a row").
#pragma once
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "node/control_watch.h"
#include "node/onward.h"
#include "node/shares.h"
#include "tunnel/link.h"

namespace portolan::node {

// One loop. close() before destruction.
class Transits {
 public:
  struct Listeners {
    // What a gateway forwards: checked for what this class knows, and not for what this gateway may open.
    std::function<void(PathRequest path, std::unique_ptr<tunnel::Incoming> incoming)> on_path;
    std::function<void(const std::string& gateway)> on_lost;  // has no link with this gateway any more
    std::function<void()> on_refused;
  };
  // `self`: the id of this gateway.
  Transits(const net::Executor& executor, std::string self, const ControlWatch& watch, Shares& memory,
           Listeners listeners);
  // Purpose::kNode. Only from gateways that the view knows; a second link of the same gateway must have the same key.
  void serve(tunnel::AcceptedLink accepted);
  // Ends links of gateways that were revoked, or are none any more, or whose certificate has run out.
  void end_denied(WallTime now);
  void end_untrusted(const tunnel::LinkIdentity& trust, const Error& why);
  // Says that nothing more is taken.
  void drain();
  void close(const Error& why);
  std::size_t size() const { return peers_.size(); }

 private:
  struct Peer {
    crypto::NodeIdentity identity;
    crypto::Certificate certificate;
    std::unique_ptr<tunnel::Link> link;
  };
  void take(const Peer& peer, std::unique_ptr<tunnel::Incoming> incoming);
  Result<PathRequest> read(const Peer& peer, const tunnel::OpenRequest& request) const;
  void remove(const std::shared_ptr<Peer>& peer);

  net::Executor executor_;
  std::string self_;
  const ControlWatch& watch_;
  Shares& memory_;
  Listeners listeners_;
  bool draining_ = false;
  std::list<std::shared_ptr<Peer>> peers_;
};

}  // namespace portolan::node
