// Paths over real links (TLS over TCP) by gateways and to an egress node that do what a test tells them to. For tests
// only.
#pragma once
#include <csignal>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "client/paths.h"
#include "net/co_test.h"
#include "net/join.h"
#include "net/memory_stream.h"
#include "net/tcp.h"

namespace portolan::client {
using namespace std::chrono_literals;

inline const api::AgentResource kEcho{"rs-1", "echo", "tcp", 17777, {"n-9"}};

template <class Condition>
net::Task<bool> comes_true(Condition condition) {
  for (int i = 0; i < 1000 && !condition(); ++i)
    if (const auto slept = co_await net::sleep_for(5ms); !slept) break;
  co_return condition();
}

inline net::Task<> echo(std::shared_ptr<tunnel::MuxStream> stream) {
  for (;;) {
    auto piece = co_await net::read(*stream);
    if (!piece || piece->empty()) co_return;
    const auto written = co_await net::write(*stream, piece->data());
    if (!written) co_return;
  }
}

struct Authorities {
  crypto::Authority nodes = crypto::Authority::create("nodes", crypto::Profile::kNode, Clock::real().wall(), 1h);
  crypto::Authority users = crypto::Authority::create("users", crypto::Profile::kUser, Clock::real().wall(), 1h);

  tunnel::LinkIdentity node(const std::string& id) const {
    const auto key = crypto::PrivateKey::generate();
    return {
        {{*nodes.issue({crypto::Profile::kNode, key.public_key(), "n", {crypto::to_uri(crypto::NodeIdentity{"o", id})}},
                       Clock::real().wall())},
         std::make_shared<const crypto::PrivateKey>(key)},
        {nodes.certificate()},
        {users.certificate()}};
  }
  Credentials client() const {
    auto key = crypto::PrivateKey::generate();
    auto leaf = *users.issue(
        {crypto::Profile::kUser, key.public_key(), "ann", {crypto::to_uri(crypto::UserIdentity{"o", "a-1", "d-1"})}},
        Clock::real().wall());
    ClientState state;
    state.organization = "o";
    state.account = "a-1";
    state.device = "d-1";
    state.node_ca = nodes.certificate().pem();
    return {std::move(state), std::move(leaf), std::move(key)};
  }
};

// Echoes what it is sent, on pipes.
struct FakeEgress {
  FakeEgress(const net::Executor& on, const Authorities& authorities, const std::string& id)
      : tls(*tunnel::make_link_server(authorities.node(id), {tunnel::Purpose::kInner}, nullptr)), tasks(on) {}
  net::Task<> accept(std::unique_ptr<net::Stream> path) {
    auto accepted = co_await tunnel::accept_link(std::move(path), tls, {.pipe = tunnel::LinkOptions::PipeParts{}});
    if (!accepted) co_return;
    if (accepted->attach && accepted->attach->epoch > 1) {
      for (const auto& link : links)
        if (link->pipe && link->pipe->id() == accepted->attach->id)
          EXPECT_TRUE(tunnel::resume_pipe(*accepted, *link->pipe).has_value());
      co_return;
    }
    if (links.size() >= most) {
      ++refused;
      co_return co_await tunnel::refuse_attach(std::move(accepted->fresh.stream), tunnel::AttachRefusal::kLimit);
    }
    links.push_back(tunnel::start_mux(
        std::move(*accepted), {.pipe = tunnel::LinkOptions::PipeParts{std::make_shared<tunnel::Budget>()}},
        [this](std::unique_ptr<tunnel::Incoming> incoming) {
          if (incoming->request().headers.find("portolan-operation")->second != "open")
            incoming->refuse(Error{Code::kProtocol, "not known", {}, Hop::kEgress});
          else
            tasks.spawn("echo", echo(std::shared_ptr(incoming->accept())));
        },
        [](const Error&) {}));
  }
  net::Task<> stop() {
    tasks.cancel();
    co_await tasks.join();
    links.clear();
  }

  std::size_t streams(std::size_t link) const { return links.at(link)->mux->open_streams(); }

  std::size_t most = std::numeric_limits<std::size_t>::max();  // links that it takes
  std::size_t refused = 0;
  std::shared_ptr<const net::TlsServer> tls;
  std::vector<std::unique_ptr<tunnel::Link>> links;
  net::TaskGroup tasks;
};

struct FakeGateway {
  FakeGateway(const net::Executor& on, const Authorities& authorities, FakeEgress& its_egress, std::string its_id)
      : executor(on),
        egress(its_egress),
        id(std::move(its_id)),
        tls(*tunnel::make_link_server(authorities.node(id), {tunnel::Purpose::kUser}, nullptr)),
        listener(*net::listen_tcp(
            on, {"127.0.0.1", 0},
            [this](std::unique_ptr<net::TcpStream> stream) { tasks.spawn("accept", accept(std::move(stream))); })),
        address(net::to_text(listener->local())),
        tasks(on) {}
  net::Task<> accept(std::unique_ptr<net::Stream> stream) {
    auto accepted = co_await tunnel::accept_link(std::move(stream), tls, {});
    if (!accepted) co_return;
    links.push_back(tunnel::start_mux(
        std::move(*accepted), {},
        [this](std::unique_ptr<tunnel::Incoming> incoming) { tasks.spawn("carry", carry(std::move(incoming))); },
        [](const Error&) {}));
  }
  net::Task<> carry(std::unique_ptr<tunnel::Incoming> incoming) {
    asked.push_back(incoming->request().authority);
    if (frozen) {
      unanswered.push_back(std::move(incoming));
      co_return;
    }
    const auto until = std::chrono::steady_clock::now() + tunnel::read_wait(incoming->request().headers);
    while (away && std::chrono::steady_clock::now() < until)
      if (const auto slept = co_await net::sleep_for(5ms); !slept) co_return;
    if (away) {
      incoming->refuse(Error{Code::kUnavailable, "no relay", std::string(tunnel::kRelayAway), Hop::kGateway});
      co_return;
    }
    auto [near, far] = net::memory_pair(executor);
    egress.tasks.spawn("accept", egress.accept(std::move(far)));
    net::http::Headers answer;
    if (!hops.empty()) answer.emplace(tunnel::kHopsHeader, hops);
    const auto stream = incoming->accept(std::move(answer));
    const auto stop = std::make_shared<net::StopSignal>();
    stops.push_back(stop);
    [[maybe_unused]] const auto joined = co_await net::join(*stream, *near, {.stop = stop.get()});
    // One that is frozen keeps what it has, and passes nothing on.
    while (frozen)
      if (const auto slept = co_await net::sleep_for(20ms); !slept) co_return;
  }
  // As by SIGKILL: connections are reset, and nobody listens.
  void die() {
    listener.reset();
    links.clear();
  }
  void freeze() {
    frozen = true;
    for (const auto& stop : stops) stop->stop(Error{Code::kUnavailable, "frozen"});
  }
  net::Task<> stop() {
    listener.reset();
    tasks.cancel();
    co_await tasks.join();
    unanswered.clear();
    links.clear();
  }

  net::Executor executor;
  FakeEgress& egress;
  std::string id;
  std::string hops = {};  // that it names in its answers
  bool frozen = false;
  bool away = false;  // the egress node has no link with it; it waits for that as long as it may
  std::vector<std::string> asked;
  std::shared_ptr<const net::TlsServer> tls;
  std::unique_ptr<net::Listener> listener;
  std::string address;
  std::vector<std::unique_ptr<tunnel::Link>> links;
  std::vector<std::unique_ptr<tunnel::Incoming>> unanswered;
  std::vector<std::shared_ptr<net::StopSignal>> stops;
  net::TaskGroup tasks;
};

struct World {
  explicit World(const net::Executor& on, const std::string& egress_id = "n-9", const Clock& clock = Clock::real())
      : egress(on, authorities, egress_id),
        one(on, authorities, egress, "n-1"),
        two(on, authorities, egress, "n-2"),
        credentials(authorities.client()),
        changes(on),
        gateways(on, credentials, changes),
        paths(on, credentials, clock, gateways, changes, PathKinds::kNestedOnly) {
    std::signal(SIGPIPE, SIG_IGN);
  }
  net::Task<bool> begin(std::vector<api::AgentGateway> more = {}) {
    std::vector<api::AgentGateway> all = {{"n-1", "g1", one.address}, {"n-2", "g2", two.address}};
    all.insert(all.end(), more.begin(), more.end());
    gateways.follow(all);
    const bool both = co_await comes_true([&] { return gateways.serves("n-1") && gateways.serves("n-2"); });
    co_return both;
  }
  net::Task<Result<OpenedStream>> open(api::AgentResource resource = kEcho) {
    CO_TRY(auto opened, co_await paths.open(std::move(resource), "open", "t-1"));
    CO_CHECK(co_await opened.stream->answered(5s));
    co_return opened;
  }
  api::LocalPath path() const {
    const auto all = paths.status();
    return all.empty() ? api::LocalPath{} : all.front();
  }
  FakeGateway& used() { return path().gateway == "g1" ? one : two; }
  net::Task<> end() {
    co_await paths.stop();
    co_await gateways.stop();
    co_await one.stop();
    co_await two.stop();
    co_await egress.stop();
  }

  Authorities authorities;
  FakeEgress egress;
  FakeGateway one, two;
  Credentials credentials;
  Changes changes;
  Gateways gateways;
  Paths paths;
};

// How long it takes until what is written has come back; a quarter of a minute if it does not.
inline net::Task<std::chrono::milliseconds> answered(net::Stream& stream, std::string_view text,
                                                     std::chrono::milliseconds limit = 10s) {
  const auto began = std::chrono::steady_clock::now();
  const auto written = co_await net::write(stream, as_bytes(text));
  auto heard = written ? co_await net::with_timeout(net::read(stream), limit)
                       : Result<net::Buffer>(std::unexpected(written.error()));
  if (!heard || as_text(heard->data()) != text) co_return 15s;
  co_return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began);
}

}  // namespace portolan::client
