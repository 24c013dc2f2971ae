#include "tunnel/succession.h"

#include <algorithm>
#include <utility>

namespace portolan::tunnel {
namespace {

// Of a certificate's life that is left when waiting longer would be worse than a break.
constexpr int kLastPart = 12;
// The peer renews its own at two thirds.
constexpr int kPeerPart = 6;

WallTime before_end(const crypto::Certificate& certificate, int part) {
  const WallTime end = certificate.not_after();
  return end - (end - certificate.not_before() - crypto::kBackdate) / part;
}

}  // namespace

Link* Succession::newest() const { return newest_ && newest_->up() ? newest_->link.get() : nullptr; }

net::Task<Result<>> Succession::dial(std::unique_ptr<net::Stream> path, std::shared_ptr<const net::TlsClient> tls,
                                     crypto::Certificate mine, Purpose purpose, LinkOptions options,
                                     OnIncoming on_incoming) {
  const auto held = std::make_shared<Held>(std::move(mine));
  std::weak_ptr<Held> weak = held;
  options.successor = up();
  Mux::OnIncoming take;
  if (on_incoming) take = std::move(on_incoming);
  auto link = co_await dial_link(std::move(path), std::move(tls), purpose, options, std::move(take),
                                 [this, weak](const Error& why) {
                                   const auto ended = weak.lock();
                                   if (!ended) return;
                                   ended->ended = true;
                                   if (newest_ == ended) on_end_(why);
                                 });
  if (!link) co_return std::unexpected(std::move(link).error());
  held->link = std::move(*link);
  if (auto before = std::exchange(newest_, held)) retire(std::move(before));
  held->link->mux->on_draining([this, weak] {
    if (const auto drained = weak.lock(); drained && newest_ == drained) on_draining_();
  });
  if (!held->ended) co_return Result<>{};
  co_return fail(Code::kUnavailable, "the link has ended at once");
}

// Who opens streams says that no more will come. Of a reverse link that is the peer, who learns of the new link by
// itself: said from here, it could cross a stream that is just being opened.
void Succession::retire(std::shared_ptr<Held> held) {
  tidy();
  if (held->ended || !held->link) return;
  if (held->link->purpose != Purpose::kReverse) held->link->mux->drain();
  retired_.push_back(std::move(held));
}

bool Succession::due(const crypto::Certificate& mine, WallTime now) const {
  const Link* link = newest();
  if (!link) return false;
  const bool wanted = mine.serial() != newest_->mine.serial() || now >= before_end(link->certificate, kPeerPart);
  if (!wanted) return false;
  if ((link->agreed.features & kContinues) != 0 || link->mux->open_streams() == 0) return true;
  return now >= std::min(before_end(newest_->mine, kLastPart), before_end(link->certificate, kLastPart));
}

std::size_t Succession::retired() const {
  return static_cast<std::size_t>(std::ranges::count_if(retired_, [](const auto& held) { return !held->ended; }));
}

Succession::Standing Succession::standing(const Link* link) const {
  if (newest_ && newest_->link.get() == link) return newest_->up() ? Standing::kNewest : Standing::kEnded;
  const bool lives =
      std::ranges::any_of(retired_, [&](const auto& held) { return held->link.get() == link && held->up(); });
  return lives ? Standing::kRetired : Standing::kEnded;
}

net::Task<Result<>> Succession::probe_newest(std::chrono::milliseconds limit, Error why) {
  const auto probed = newest_;
  if (!probed || !probed->up()) co_return Result<>{};
  if (probed->link->pipe) {
    probed->link->pipe->probe(limit);
    co_return Result<>{};
  }
  const auto answered = co_await probed->link->mux->ping(limit);
  if (answered) co_return Result<>{};
  if (answered.error().code == Code::kCancelled) co_return std::unexpected(answered.error());
  probed->link->mux->close(why);
  if (newest_ != probed) co_return Result<>{};
  co_return std::unexpected(std::move(why));
}

net::Task<Result<>> Succession::probe_retired(std::chrono::milliseconds limit, Error why) {
  for (const auto& probed : std::list(retired_)) {
    if (!probed->up()) continue;
    if (probed->link->pipe) {
      probed->link->pipe->probe(limit);
      continue;
    }
    const auto answered = co_await probed->link->mux->ping(limit);
    if (answered) continue;
    if (answered.error().code == Code::kCancelled && probed->up()) co_return std::unexpected(answered.error());
    probed->link->mux->close(why);
  }
  co_return Result<>{};
}

void Succession::close(const Error& why) {
  // Also those that have no streams any more, and wait until what they have sent is acknowledged.
  if (newest_ && newest_->link && !newest_->ended) newest_->link->mux->close(why);
  for (const auto& held : retired_)
    if (!held->ended) held->link->mux->close(why);
}

void Succession::tidy() {
  std::erase_if(retired_, [](const auto& held) { return held->ended; });
}

void Succession::clear() {
  newest_.reset();
  retired_.clear();
}

}  // namespace portolan::tunnel
