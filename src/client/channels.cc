#include "client/channels.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/log.h"
#include "client/paths_limits.h"

namespace portolan::client {
namespace {

// Differences below that are none, and the older one takes the stream: so the others come to rest.
constexpr std::uint64_t kLittle = std::uint64_t{64} * 1024;

bool uneasy(const Channel& channel) {
  const auto pipe = channel.pipe();
  return pipe && pipe->wants_link();
}

}  // namespace

Channel::Channel(const net::Executor& executor, std::string egress, Changes& changes, const Clock& clock)
    : links([this, egress = std::move(egress), &changes](const Error& why) {
        if (!retired) log::warn("end-to-end link ended", {{"egress", egress}, {"why", why}});
        changes.note();
      }),
      meter(std::make_shared<Meter>(clock)),
      turn(executor),
      hurry(executor),
      rest(kFirstRest, kLongestRest) {}

std::shared_ptr<tunnel::Pipe> Channel::pipe() const {
  const tunnel::Link* link = links.newest();
  return link ? link->pipe : nullptr;
}

bool Channel::stands() const {
  const tunnel::Link* link = links.newest();
  return link && (!link->pipe || link->pipe->attached());
}

bool Channel::waits() const {
  const auto its = pipe();
  return its && !its->attached() && !its->over();
}

std::shared_ptr<Channel> Channels::for_new_stream() const {
  std::shared_ptr<Channel> best;
  using Rank = std::tuple<bool, bool, std::uint64_t>;
  Rank least;
  for (const auto& channel : all_) {
    if (!channel->stands()) continue;
    const Rank rank{!channel->links.serves(), uneasy(*channel), channel->meter->lately() / kLittle};
    if (best && rank >= least) continue;
    best = channel;
    least = rank;
  }
  return best;
}

std::shared_ptr<Channel> Channels::waiting() const {
  const auto found = std::ranges::find_if(all_, [](const auto& channel) { return channel->waits(); });
  return found == all_.end() ? nullptr : *found;
}

bool Channels::lives() const {
  return std::ranges::any_of(all_, [](const auto& channel) { return channel->links.lives(); });
}

bool Channels::begin_another() {
  const BootTime now = clock_.boot();
  if (making_ || now < not_before_ || all_.empty() || all_.size() >= kMost) return false;
  const std::uint64_t bulk = now < bad_until_ ? kBulkOnBadWay : kBulk;
  const auto busy = [&](const auto& channel) { return channel->stands() && channel->meter->lately() >= bulk; };
  making_ = std::ranges::all_of(all_, busy);
  return making_;
}

void Channels::made(std::shared_ptr<Channel> another) {
  making_ = false;
  add(std::move(another));
}

void Channels::could_not_be_made() {
  making_ = false;
  not_before_ = clock_.boot() + kRefusedFor;
}

void Channels::tidy() {
  for (const auto& channel : all_) channel->links.tidy();
  const auto ended = [](const auto& channel) { return !channel->links.lives(); };
  std::erase_if(ending_, ended);
  if (lives()) std::erase_if(all_, ended);
  for (std::size_t i = all_.size(); i-- > 1;) {
    const auto channel = all_[i];
    if (channel->renewing || channel->meter->idle() < kIdle) continue;
    channel->retired = true;
    channel->links.close(Error{Code::kCancelled, "this pipe is not needed any more", {}, Hop::kAgent});
    all_.erase(all_.begin() + static_cast<std::ptrdiff_t>(i));
    ending_.push_back(channel);
  }
}

void Channels::close(const Error& why) {
  for (const auto* list : {&all_, &ending_})
    for (const auto& channel : *list) channel->links.close(why);
}

bool Channels::all_ended() const {
  return !lives() && std::ranges::none_of(ending_, [](const auto& channel) { return channel->links.lives(); });
}

}  // namespace portolan::client
