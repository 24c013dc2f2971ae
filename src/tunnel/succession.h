// The links from here to one peer: the newest takes new streams, those before it go on until their last stream has
// ended. So a certificate is renewed, at either end, without a stream that breaks (docs/wire.md, "Renewal").
#pragma once
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "base/clock.h"
#include "tunnel/link.h"

namespace portolan::tunnel {

// One loop. Destroying it ends all its links.
class Succession {
 public:
  // Called when the newest link has ended, from the loop.
  using OnEnd = std::function<void(const Error& why)>;
  explicit Succession(OnEnd on_end) : on_end_(std::move(on_end)) {}
  Succession(const Succession&) = delete;
  Succession& operator=(const Succession&) = delete;

  // `heard` is called, from the loop, whenever the peer says of the newest link that it takes no more streams.
  void on_draining(std::function<void()> heard) { on_draining_ = std::move(heard); }
  // The link for new streams; null if there is none, or it has ended.
  Link* newest() const;
  bool up() const { return newest() != nullptr; }
  // Whether it takes some.
  bool serves() const { return up() && !newest()->mux->draining(); }
  // Makes a link over the path, which becomes the newest if that succeeds; the one before it retires. `mine` is what
  // `tls` shows.
  using OnIncoming = std::function<void(std::unique_ptr<Incoming>)>;
  net::Task<Result<>> dial(std::unique_ptr<net::Stream> path, std::shared_ptr<const net::TlsClient> tls,
                           crypto::Certificate mine, Purpose purpose, LinkOptions options, OnIncoming on_incoming);
  // Whether the newest link should be made anew: our certificate is another one by now, or the peer's comes to its end,
  // and it has had the time to renew it. A peer of an older release would end the link before it: that one is made anew
  // while nothing runs on it, or when it cannot wait longer.
  bool due(const crypto::Certificate& mine, WallTime now) const;
  std::size_t retired() const;
  // What has become of a link that was the newest once; it may be gone, and is not touched.
  enum class Standing { kNewest, kRetired, kEnded };
  Standing standing(const Link* link) const;
  // After a change of the network. A link that does not answer a ping within `limit` ends with `why`; it takes no
  // streams from then on. Of the newest that is also the answer, unless another has taken its place meanwhile. A link
  // with a pipe does not end: its pipe then wants another. Not destroyed while these run.
  net::Task<Result<>> probe_newest(std::chrono::milliseconds limit, Error why);
  net::Task<Result<>> probe_retired(std::chrono::milliseconds limit, Error why);  // fails only with Code::kCancelled
  // Ends all links; their peers are told why.
  void close(const Error& why);
  // Whether any of them has not ended.
  bool lives() const { return (newest_ && newest_->link && !newest_->ended) || retired() > 0; }
  // Forgets retired links that have ended.
  void tidy();
  void clear();

 private:
  struct Held {
    explicit Held(crypto::Certificate shown) : mine(std::move(shown)) {}
    crypto::Certificate mine;
    std::unique_ptr<Link> link;
    bool ended = false;
    bool up() const { return !ended && link && !link->mux->ended(); }
  };
  void retire(std::shared_ptr<Held> held);

  OnEnd on_end_;
  std::function<void()> on_draining_ = [] {};
  std::shared_ptr<Held> newest_;  // shared with its callback, weakly
  std::list<std::shared_ptr<Held>> retired_;
};

}  // namespace portolan::tunnel
