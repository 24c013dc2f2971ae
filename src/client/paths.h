// End-to-end links: one per egress node, and a few more where bulk is moved (channels.h), through the best gateway, or
// straight to a gateway that is itself the egress. All sessions with that egress are streams of them, so that a hundred
// connects cost no more handshakes than that. Where the egress knows pipes, what runs on a link goes on over another
// when it breaks (docs/wire-pipe.md).
#pragma once
#include <chrono>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/agent.h"
#include "api/local.h"
#include "client/channels.h"
#include "client/choice.h"
#include "client/clusters.h"
#include "client/endings.h"
#include "client/gateways.h"
#include "client/ways.h"
#include "net/event.h"

namespace portolan::client {

// Reason of Paths::no_answer().
constexpr std::string_view kEgressSilent = "egress_silent";

// A stream that the egress has been asked for; what was answered is known through stream->answered().
struct OpenedStream {
  std::unique_ptr<tunnel::MuxStream> stream;
  std::string egress;
  std::weak_ptr<const Channel> channel = {};
  const tunnel::Link* link = nullptr;  // to be compared only: it may be gone
  std::string gateway = {};            // id; empty: the way there is direct. With a pipe: when it was opened
  bool piped = false;                  // goes on when the link breaks
};

// One loop. stop() before destruction.
class Paths {
 public:
  Paths(const net::Executor& executor, const Credentials& credentials, const Clock& clock, Gateways& gateways,
        Changes& changes, PathKinds kinds);

  // Opens a stream towards the resource at one of its egress nodes: the one that serves sessions of this resource
  // already (a cancel must reach it), else the first that can be reached; one that is silent only when no other can
  // be. `operation`: "open" or "renew".
  net::Task<Result<OpenedStream>> open(api::AgentResource resource, std::string operation, std::string trace);

  // Sessions on (resource, egress), which make the egress sticky and keep the lease renewed.
  void session_began(const api::AgentResource& resource, const std::string& egress,
                     std::chrono::milliseconds lease_life);
  void session_ended(const std::string& resource, const std::string& egress);

  // Whether the egress node owes an answer for longer than it should, on the stream's link, which stands. False where
  // it has no pipe: then nothing is known of it.
  bool silent(const OpenedStream& opened) const;
  // The egress node has not answered an "open" for so long; in words for people.
  Error no_answer(const std::string& resource, const std::string& egress, std::chrono::nanoseconds waited) const;

  std::vector<api::LocalPath> status() const;
  // Whether the end-to-end link of a stream that has failed stands; else why it ended, in words for people: the way
  // broke at a gateway or at the egress. `failure` is what the stream failed with. To be asked a turn of the loop after
  // the failure: until then not everybody has been told of it.
  std::optional<Error> why_ended(const OpenedStream& opened, const Error& failure) const;
  // By which gateways the egress nodes are reached, as the control plane knows it.
  void know_ways(const std::optional<std::vector<api::AgentEgress>>& egresses) { choice_.know(egresses); }
  // What the control plane says of clusters.
  void know_clusters(const api::AgentView& view) { clusters_.follow(view); }
  // How people know a node.
  void name_nodes(std::function<std::string(const std::string& id)> name) { name_of_ = std::move(name); }
  // What egress nodes say of sessions that they have ended.
  void on_ending(std::function<void(api::SessionEnding)> tell) { tell_ending_ = std::move(tell); }
  // The network has changed, or the machine has slept: links that do not answer at once end, so that whoever needs one
  // makes it anew.
  void probe();
  net::Task<> stop();

 private:
  // The way to one egress node.
  struct Path {
    explicit Path(const Clock& clock) : channels(clock) {}
    Channels channels;
    std::uint64_t handshakes = 0;
    BootTime spare_until{};               // no link could be made: others are tried first
    std::shared_ptr<net::Event> opening;  // set while one task makes the first link
  };
  struct Use {
    api::AgentResource resource;
    std::size_t sessions = 0;
    std::chrono::milliseconds lease_life{0};
    bool renewing = false;
  };
  using UseKey = std::pair<std::string, std::string>;  // resource, egress

  Path& path_to(const std::string& egress);
  std::shared_ptr<Channel> new_channel(const std::string& egress);
  // Whether it is so on all links to the egress node.
  bool silent(const std::string& egress) const;
  bool silent(const Channel& channel) const;
  api::LocalPath describe(const Channel& channel) const;
  // Links whose certificate, here or there, is to be replaced are made anew, beside those that there are.
  net::Task<> keep_fresh();
  // One that new streams can be opened on; it is made if there is none.
  net::Task<Result<std::shared_ptr<Channel>>> ensure(std::string egress);
  net::Task<> add_channel(std::string egress);
  // A link that is to be made. `resumed`: the pipe that is to go on over it; none: it is a new one, and the channel's
  // newest.
  using Resumed = std::shared_ptr<tunnel::Pipe>;
  struct Wanted {
    std::string egress;
    std::shared_ptr<Channel> channel;
    Resumed resumed = nullptr;
  };
  net::Task<> renew_link(Wanted wanted);
  // By a way to the egress node: by one gateway after another, or straight.
  net::Task<Result<>> make_link(Wanted wanted);
  net::Task<Result<>> link_by_gateways(Wanted wanted);
  // The member of a cluster that a stream of this resource goes to: the one that has sessions of it already, else any
  // that takes streams, else one to be made.
  std::string member_of(const std::string& cluster, const std::string& resource) const;
  bool takes_streams(const std::string& egress) const;
  // The name of the worker that a new link of this path must be with; empty: any, or it is no cluster's.
  std::string worker_for(const std::string& egress, const Resumed& resumed) const;
  // Behind the cluster's address, by a few attempts if it must be with a certain worker: else Error::reason is
  // tunnel::kOtherWorker.
  net::Task<Result<>> link_to_cluster(Wanted wanted, std::string address);
  // Names of the gateways that serve, by id, in the order in which they are to be tried.
  std::vector<std::pair<std::string, std::string>> order_for(const std::string& egress,
                                                             const std::vector<Gateways::Linked>& gateways);
  // `wait`: Ways.
  net::Task<Result<>> link_by_gateway(Wanted wanted, std::string gateway, std::chrono::milliseconds wait);
  // `gateway`: the id of the one on the way; empty: the egress is dialled itself.
  net::Task<Result<>> link_over(Way way, Wanted wanted, std::string gateway);
  net::Task<Result<>> wait_for_pipe(std::shared_ptr<Channel> channel);
  void look_after(const Wanted& its, const std::shared_ptr<tunnel::Pipe>& pipe);
  // Notes by which gateway the pipe goes; empty: straight.
  void goes_by(const std::shared_ptr<tunnel::Pipe>& pipe, const std::string& gateway);
  // The gateway is leaving: the pipes that go by it are given links by others, while theirs still stand.
  void move_from(const std::string& gateway);
  // The gateway is reached by the plain way again: so are the pipes that go by it, or end there.
  void move_to_plain(const std::string& gateway);
  // Gives the pipe links until it has one that answers, or has ended.
  net::Task<> reconnect(Wanted wanted);
  net::Task<Result<OpenedStream>> open_at(api::AgentResource resource, std::string egress, std::string operation,
                                          std::string trace);
  Result<std::unique_ptr<tunnel::MuxStream>> open_on(const tunnel::Link& link, const std::string& resource,
                                                     const std::string& egress, std::string operation,
                                                     std::string trace);
  net::Task<> keep_renewed(UseKey key);
  net::Task<> follow_endings(api::AgentResource resource, std::string egress, std::shared_ptr<Channel> channel);
  net::Task<> probe_one(std::shared_ptr<Channel> channel);

  const Credentials& credentials_;
  const Clock& clock_;
  Gateways& gateways_;
  Ways ways_;
  Choice choice_;
  Clusters clusters_;
  Changes& changes_;
  std::function<void(api::SessionEnding)> tell_ending_;
  std::function<std::string(const std::string& id)> name_of_ = [](const std::string& id) { return id; };
  std::map<std::string, std::unique_ptr<Path>> paths_;  // by egress; none ever goes
  std::map<UseKey, Use> uses_;
  const std::shared_ptr<tunnel::Budget> pipes_ = std::make_shared<tunnel::Budget>();
  std::set<const tunnel::Pipe*> reconnecting_;
  struct Piped {
    std::weak_ptr<tunnel::Pipe> pipe;
    std::string gateway;
  };
  std::list<Piped> piped_;
  net::TaskGroup tasks_;
};

}  // namespace portolan::client
