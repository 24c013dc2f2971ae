#include "node/transits.h"

#include <algorithm>

#include "base/log.h"
#include "net/loop.h"
#include "node/gateway_refusal.h"
#include "tunnel/ticket.h"

namespace portolan::node {
namespace {

constexpr std::ptrdiff_t kLinksPerGateway = 8;  // one, and those that it has replaced

}  // namespace

Transits::Transits(const net::Executor& executor, std::string self, const ControlWatch& watch, Shares& memory,
                   Listeners listeners)
    : executor_(executor), self_(std::move(self)), watch_(watch), memory_(memory), listeners_(std::move(listeners)) {}

void Transits::serve(tunnel::AcceptedLink accepted) {
  auto identity = crypto::parse_node_identity(accepted.link.peer);
  const IndexedView* view = watch_.view();
  if (!identity || !view || !view->gateways.contains(identity->node)) {
    log::warn("a link from somebody who is no gateway was refused", {{"peer", accepted.link.peer}});
    return;
  }
  const auto same = [&](const auto& peer) { return peer->identity == *identity; };
  if (std::ranges::count_if(peers_, same) >= kLinksPerGateway) {
    log::warn("too many links of one gateway", {{"node", identity->node}});
    return;
  }
  for (const auto& older : peers_) {
    if (!same(older)) continue;
    if (!(older->certificate.public_key() == accepted.link.certificate.public_key())) {
      log::warn("a second link for a gateway came with another key and was refused", {{"node", identity->node}});
      return;
    }
    if (tunnel::succeeds(accepted.link.certificate, older->certificate)) older->certificate = accepted.link.certificate;
  }
  const auto peer = std::make_shared<Peer>(Peer{*identity, accepted.link.certificate, nullptr});
  peers_.push_back(peer);
  log::info("gateway linked", {{"node", identity->node}});
  std::weak_ptr<Peer> weak = peer;
  // Each stream is charged to its account, whose share ends long before that of this link, which is everybody's.
  peer->link = tunnel::start_mux(
      std::move(accepted), {.mux = {.budget = memory_.all()->limit, .shared = memory_.all()}},
      [this, weak](std::unique_ptr<tunnel::Incoming> incoming) {
        if (const auto asks = weak.lock()) take(*asks, std::move(incoming));
      },
      [this, weak](const Error& why) {
        log::info("link from a gateway ended", {{"why", why}});
        // One that is still alive then is still ours, and so are we.
        net::post(executor_, [this, weak] {
          if (const auto ended = weak.lock()) remove(ended);
        });
      });
  if (draining_) peer->link->mux->drain();
}

void Transits::take(const Peer& peer, std::unique_ptr<tunnel::Incoming> incoming) {
  auto path = read(peer, incoming->request());
  if (!path) {
    log::warn("a forwarded stream was refused", {{"gateway", peer.identity.node}, {"why", path.error()}});
    incoming->refuse(path.error());
    listeners_.on_refused();
    return;
  }
  incoming->charge(memory_.of(path->user.account));
  listeners_.on_path(std::move(*path), std::move(incoming));
}

// Nothing is believed that could lead in a circle. Whose the path is, the gateway says that has the person's link, and
// each one after it passes that on.
Result<PathRequest> Transits::read(const Peer& peer, const tunnel::OpenRequest& request) const {
  auto forwarded = tunnel::read_forwarded(request.headers);
  if (!forwarded) return std::unexpected(std::move(forwarded).error().at(Hop::kGateway));
  const tunnel::Hops& hops = forwarded->hops;
  if (hops.back() != peer.identity.node)
    return std::unexpected(refusal(Code::kProtocol, "the list of hops does not end with who asks", "bad_hops"));
  if (std::ranges::find(hops, self_) != hops.end())
    return std::unexpected(refusal(Code::kUnavailable,
                                   "the path has come back to a gateway that it has passed: " + tunnel::to_text(hops),
                                   tunnel::kRoutingLoop));
  if (hops.size() >= tunnel::kHopLimit)
    return std::unexpected(refusal(
        Code::kUnavailable, "the path has passed too many gateways: " + tunnel::to_text(hops), tunnel::kTooManyHops));
  const IndexedView* view = watch_.view();
  if (!view || view->denies(forwarded->account, forwarded->device))
    return std::unexpected(refusal(Code::kDenied, "access was taken away", "revoked"));
  const auto kind = request.headers.find(tunnel::kPathHeader);
  return PathRequest{{peer.identity.organization, forwarded->account, forwarded->device},
                     request.authority,
                     hops,
                     kind != request.headers.end() && kind->second == tunnel::kPathSpliced};
}

void Transits::remove(const std::shared_ptr<Peer>& peer) {
  peers_.remove(peer);
  const std::string node = peer->identity.node;
  if (std::ranges::none_of(peers_, [&](const auto& other) { return other->identity.node == node; }))
    listeners_.on_lost(node);
}

void Transits::end_denied(WallTime now) {
  const IndexedView* view = watch_.view();
  for (const auto& peer : std::list(peers_)) {
    const bool expired = now >= peer->certificate.not_after();
    const bool denied =
        view && (view->denies_serial(peer->certificate.serial()) || !view->gateways.contains(peer->identity.node));
    if (expired || denied)
      peer->link->mux->close(
          refusal(Code::kDenied, expired ? "the node's certificate has run out" : "the node was revoked", "revoked"));
  }
}

void Transits::end_untrusted(const tunnel::LinkIdentity& trust, const Error& why) {
  for (const auto& peer : std::list(peers_))
    if (!tunnel::issued_by_any(peer->certificate, trust.node_trust)) peer->link->mux->close(why);
}

void Transits::drain() {
  draining_ = true;
  for (const auto& peer : std::list(peers_)) peer->link->mux->drain();
}

void Transits::close(const Error& why) {
  for (const auto& peer : std::list(peers_)) peer->link->mux->close(why);
}

}  // namespace portolan::node
