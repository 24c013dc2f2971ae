// Gateways in a row with all that they have on the wire, on ports of this machine: a person's links, a relay that links
// where it is told to, and a control plane that says to each what the test wants. For tests only.
#pragma once
#include <csignal>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/json.h"
#include "net/co_test.h"
#include "net/tcp.h"
#include "node/acceptor.h"
#include "node/egress_testing.h"
#include "node/gateway.h"
#include "node/onward.h"
#include "node/uplinks.h"

namespace portolan::node::testing {

struct Authorities {
  crypto::Authority nodes =
      crypto::Authority::create("nodes", crypto::Profile::kNode, Clock::real().wall(), std::chrono::hours(24));
  crypto::Authority users =
      crypto::Authority::create("users", crypto::Profile::kUser, Clock::real().wall(), std::chrono::hours(24));

  Identity node(const std::string& id, const std::string& kind) const {
    auto key = crypto::PrivateKey::generate();
    auto leaf =
        *nodes.issue({crypto::Profile::kNode, key.public_key(), id, {crypto::to_uri(crypto::NodeIdentity{"org", id})}},
                     Clock::real().wall());
    return Identity{"org",
                    id,
                    "name-" + id,
                    kind,
                    "control",
                    std::move(leaf),
                    std::move(key),
                    {nodes.certificate()},
                    {users.certificate()},
                    {}};
  }
  tunnel::LinkIdentity user() const {
    const auto key = crypto::PrivateKey::generate();
    return {
        {{*users.issue({crypto::Profile::kUser, key.public_key(), "x", {crypto::to_uri(kAnn)}}, Clock::real().wall())},
         std::make_shared<const crypto::PrivateKey>(key)},
        {nodes.certificate()},
        {}};
  }
};

// Until it is so, or five seconds have passed.
template <class Condition>
net::Task<bool> comes_true(Condition condition) {
  for (int i = 0; i < 1000 && !condition(); ++i)
    if (const auto slept = co_await net::sleep_for(std::chrono::milliseconds(5)); !slept) break;
  co_return condition();
}

inline std::string lines_of(const api::NodeView& view) {
  return json::encode(api::NodeEvent{"view", "e", 1, view, std::nullopt, std::nullopt});
}

struct TestGateway {
  TestGateway(const net::Executor& executor, const Authorities& authorities, std::string id, OnwardLimits limits)
      : identity(authorities.node(id, "gateway")),
        control([](const std::string&, const std::string&) { return Result<std::string>("{}"); }),
        watch(executor, control, clock, {},
              {[] {},
               [this] {
                 peers.follow(watch.view()->view);
                 gateway.end_denied();
               },
               [](const auto&, const auto&, const auto&) {}}),
        memory(kLinkShares),
        peers(executor, identity, options),
        onward(id, watch, peers, clock, memory, limits),
        gateway(executor, watch, clock, 100, memory,
                {id, &onward, [this](std::unique_ptr<net::Stream> path) { ended_here.push_back(std::move(path)); }}),
        acceptor(executor,
                 *tunnel::make_link_server(link_identity(identity),
                                           {tunnel::Purpose::kUser, tunnel::Purpose::kReverse, tunnel::Purpose::kNode},
                                           nullptr),
                 options, [this](tunnel::AcceptedLink link) { take(std::move(link)); }) {
    peers.on_lost([this](const std::string& node) { gateway.lost_next(node); });
    acceptor.on_plain([this](std::unique_ptr<net::TcpStream> stream, const tunnel::Ticket& ticket) {
      gateway.serve_plain(std::move(stream), ticket);
    });
    listener = *net::listen_tcp(executor, {"127.0.0.1", 0},
                                [this](std::unique_ptr<net::TcpStream> stream) { acceptor.add(std::move(stream)); });
    address = net::to_text(listener->local());
  }

  void take(tunnel::AcceptedLink link) {
    switch (link.link.purpose) {
      case tunnel::Purpose::kUser: return gateway.serve_user(std::move(link));
      case tunnel::Purpose::kReverse: return gateway.serve_reverse(std::move(link));
      default: return gateway.serve_node(std::move(link));
    }
  }
  api::PeerNode peer() const { return {identity.node, identity.name, "gateway", address}; }
  // What the control plane says from now on.
  void tell(const api::NodeView& view) {
    control.lines = {lines_of(view)};
    watch.begin_anew("");
  }
  net::Task<> stop() {
    listener.reset();
    watch.tasks().cancel();
    co_await watch.tasks().join();
    co_await acceptor.stop();
    co_await peers.stop();
    ended_here.clear();
    co_await gateway.stop(Error{Code::kUnavailable, "test over"});
  }

  MovedClock clock;
  NodeOptions options;
  Identity identity;
  FakeControl control;
  ControlWatch watch;
  Shares memory;
  Uplinks peers;
  Onward onward;
  Gateway gateway;
  Acceptor acceptor;
  std::unique_ptr<net::Listener> listener;
  std::string address;
  std::vector<std::unique_ptr<net::Stream>> ended_here;  // paths of which it is the egress
};

// Gateways n-1, n-2, …; kAnn may reach the relay n-9 and the gateway n-2.
struct Row {
  Row(const net::Executor& on, std::size_t count, OnwardLimits limits = {})
      : executor(on),
        relay(authorities.node("n-9", "relay")),
        uplinks(on, relay, relay_options,
                [this](std::unique_ptr<net::Stream> path) { arrived.push_back(std::move(path)); }),
        tasks(on) {
    std::signal(SIGPIPE, SIG_IGN);
    for (std::size_t i = 1; i <= count; ++i)
      gateways.push_back(std::make_unique<TestGateway>(on, authorities, "n-" + std::to_string(i), limits));
    for (std::size_t i = 1; i <= count; ++i) views.push_back(view());
  }

  TestGateway& at(std::size_t number) { return *gateways.at(number - 1); }
  api::NodeView view() const {
    api::NodeView all;
    for (const auto& gateway : gateways) all.nodes.push_back(gateway->peer());
    all.nodes.push_back({"n-9", "relay", "relay", ""});
    all.accounts = {{kAnn.account, {"n-9", "n-2"}}};
    return all;
  }
  // `from` is to keep links with `via`, and the nodes `towards` are reached by them.
  void lead(std::size_t from, const std::vector<std::size_t>& via, const std::vector<std::string>& towards = {"n-9"}) {
    api::NodeView& told = views.at(from - 1);
    told.dial.emplace();
    told.next_hops.emplace();
    std::vector<std::string> ids;
    for (const std::size_t number : via) {
      told.dial->push_back(at(number).peer());
      ids.push_back(at(number).identity.node);
    }
    for (const std::string& node : towards) told.next_hops->push_back({node, ids});
  }
  // Everybody hears of it; the relay links with those of `relay_links`, and the person with the first gateway.
  net::Task<bool> begin(const std::set<std::size_t>& relay_links) {
    std::set<std::string> addresses;
    for (std::size_t i = 1; i <= gateways.size(); ++i) at(i).tell(views.at(i - 1));
    const auto told = [&] {
      return std::ranges::all_of(gateways, [](const auto& gateway) {
        return gateway->watch.view() != nullptr && gateway->peers.linked() == gateway->peers.wanted();
      });
    };
    const bool ready = co_await comes_true(told);
    if (!ready) co_return false;
    api::NodeView for_relay;
    for (const std::size_t number : relay_links) for_relay.nodes.push_back(at(number).peer());
    uplinks.follow(for_relay);
    const bool linked = co_await comes_true([&] {
      return std::ranges::all_of(relay_links,
                                 [&](std::size_t number) { return at(number).gateway.reverse_links() == 1; });
    });
    if (!linked) co_return false;
    auto dialled = co_await dial(at(1), authorities.user(), tunnel::Purpose::kUser);
    EXPECT_TRUE(dialled.has_value()) << net::testing::describe_failure(dialled);
    if (dialled) user = std::move(*dialled);
    co_return user != nullptr;
  }
  net::Task<Result<std::unique_ptr<tunnel::Link>>> dial(TestGateway& to, tunnel::LinkIdentity own,
                                                        tunnel::Purpose purpose) {
    CO_TRY(auto tls,
           tunnel::make_link_client(own, purpose, crypto::to_uri(crypto::NodeIdentity{"org", to.identity.node})));
    CO_TRY(const auto endpoint, net::parse_endpoint(to.address));
    CO_TRY(auto path, co_await net::dial_tcp(endpoint, std::chrono::seconds(5)));
    co_return co_await tunnel::dial_link(std::move(path), std::move(tls), purpose, {}, nullptr, [](const Error&) {});
  }
  // The person asks the first gateway for a path.
  net::Task<Result<std::unique_ptr<tunnel::MuxStream>>> open(net::http::Headers headers = {},
                                                             std::string node = "n-9") {
    co_return co_await ask(*user, std::move(headers), std::move(node));
  }
  static net::Task<Result<std::unique_ptr<tunnel::MuxStream>>> ask(tunnel::Link& link, net::http::Headers headers,
                                                                   std::string node) {
    CO_TRY(auto stream, link.mux->open({std::move(node), std::move(headers)}));
    CO_CHECK(co_await stream->answered(std::chrono::seconds(5)));
    co_return std::move(stream);
  }
  // A plain connection to the first gateway, with the ticket that the answer bears.
  net::Task<Result<std::unique_ptr<net::TcpStream>>> plain(const tunnel::MuxStream& answered) {
    const auto ticket = answered.answer().find(tunnel::kTicketHeader);
    if (ticket == answered.answer().end()) co_return fail(Code::kProtocol, "no ticket");
    CO_TRY(const auto parsed, tunnel::parse_ticket(ticket->second));
    CO_TRY(auto stream, co_await net::dial_tcp(at(1).listener->local(), std::chrono::seconds(5)));
    const auto preface = tunnel::encode_preface(parsed);
    CO_CHECK(co_await net::write(*stream, preface));
    co_return stream;
  }
  net::Task<> end() {
    user.reset();
    arrived.clear();
    co_await uplinks.stop();
    for (const auto& gateway : gateways) co_await gateway->stop();
    tasks.cancel();
    co_await tasks.join();
  }

  net::Executor executor;
  Authorities authorities;
  NodeOptions relay_options;
  Identity relay;
  Uplinks uplinks;
  std::vector<std::unique_ptr<net::Stream>> arrived;  // at the relay
  std::vector<std::unique_ptr<TestGateway>> gateways;
  std::vector<api::NodeView> views;
  std::unique_ptr<tunnel::Link> user;
  net::TaskGroup tasks;
};

}  // namespace portolan::node::testing
