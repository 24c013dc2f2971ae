#include "node/splices.h"

#include <algorithm>

#include "base/id.h"
#include "base/log.h"
#include "net/splice.h"

namespace portolan::node {

namespace {

constexpr std::chrono::milliseconds kLook = std::chrono::seconds(1);  // for tickets that have run out

tunnel::Ticket new_ticket() {
  tunnel::Ticket ticket{};
  fill_random(ticket);
  return ticket;
}

}  // namespace

Splices::Splices(const net::Executor& executor, const Clock& clock, SpliceLimits limits)
    : clock_(clock), limits_(limits), timer_(executor), tasks_(executor) {}

Result<Splices::Tickets> Splices::issue(Ends ends) {
  forget_late();
  const auto same = [&](const Kept& path) { return path->ends.user.account == ends.user.account; };
  if (waiting_.size() >= limits_.waiting ||
      std::cmp_greater_equal(std::ranges::count_if(waiting_, same), limits_.waiting_per_account))
    return fail(Code::kLimit, "too many paths are being made", "too_many_paths");
  if (waiting_.size() + paths_.size() >= limits_.all || of(ends.user.account) >= limits_.per_account)
    return fail(Code::kLimit, "too many paths are open", "too_many_paths");
  const Tickets tickets{new_ticket(), new_ticket()};
  const auto path = std::make_shared<Path>(std::move(ends), clock_.boot() + limits_.life);
  places_[crypto::sha256(tickets.user)] = {path, 0};
  places_[crypto::sha256(tickets.relay)] = {path, 1};
  waiting_.push_back(path);
  if (waiting_.size() == 1) timer_.schedule(kLook, [this] { forget_late(); });
  return tickets;
}

void Splices::withdraw(const Tickets& tickets) {
  for (const auto& ticket : {tickets.user, tickets.relay})
    if (const auto place = places_.find(crypto::sha256(ticket)); place != places_.end()) {
      forget(Kept(place->second.path));
      return;
    }
}

void Splices::take(std::unique_ptr<net::TcpStream> stream, const tunnel::Ticket& ticket) {
  forget_late();
  const auto place = places_.find(crypto::sha256(ticket));
  if (place == places_.end()) {
    log::debug("a connection with a ticket that is not known or was used", {{"peer", stream->describe()}});
    return;
  }
  const Kept path = place->second.path;
  path->came.at(place->second.side) = std::move(stream);
  places_.erase(place);
  if (!path->came[0] || !path->came[1]) return;
  waiting_.remove(path);
  paths_.push_back(path);
  ++joined_;
  tasks_.spawn("splice", run(path));
}

net::Task<> Splices::run(Kept path) {
  log::info("path spliced", {{"account", path->ends.user.account}, {"relay", path->ends.relay}});
  const net::Joined joined = co_await net::splice(*path->came[0], *path->came[1], &path->stop);
  bytes_ += joined.forward + joined.backward;
  log::info("spliced path ended",
            {{"account", path->ends.user.account},
             {"relay", path->ends.relay},
             {"bytes", joined.forward + joined.backward},
             {"why", joined.outcome ? "both ends have ended it" : joined.outcome.error().message}});
  path->came = {};
  paths_.remove(path);
}

void Splices::forget(const Kept& path) {
  std::erase_if(places_, [&](const auto& place) { return place.second.path == path; });
  waiting_.remove(path);
}

void Splices::forget_late() {
  while (!waiting_.empty() && waiting_.front()->due <= clock_.boot()) forget(Kept(waiting_.front()));
  if (!waiting_.empty()) timer_.schedule(kLook, [this] { forget_late(); });
}

void Splices::end_those(const std::function<bool(const Ends&)>& which) {
  for (const Kept& path : std::list(waiting_))
    if (which(path->ends)) forget(path);
  for (const Kept& path : std::list(paths_))
    if (which(path->ends)) path->stop.stop(Error{Code::kUnavailable, "one end has no link with this gateway any more"});
}

void Splices::end_user(const crypto::UserIdentity& user) {
  end_those([&](const Ends& ends) { return ends.from.empty() && ends.user == user; });
}

void Splices::end_relay(const std::string& node) {
  end_those([&](const Ends& ends) { return ends.relay == node; });
}

void Splices::end_from(const std::string& gateway) {
  end_those([&](const Ends& ends) { return ends.from == gateway; });
}

std::size_t Splices::of(const std::string& account) const {
  const auto same = [&](const Kept& path) { return path->ends.user.account == account; };
  return static_cast<std::size_t>(std::ranges::count_if(waiting_, same) + std::ranges::count_if(paths_, same));
}

net::Task<> Splices::stop() {
  timer_.cancel();
  places_.clear();
  waiting_.clear();
  tasks_.cancel();
  co_await tasks_.join();
}

}  // namespace portolan::node
