// The egress behind a real end-to-end link (TLS over a pair in memory) and before a real TCP server. For tests only.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "audit/spool_line.h"
#include "base/json.h"
#include "net/co_test.h"
#include "net/memory_stream.h"
#include "net/tcp.h"
#include "node/egress.h"
#include "node/fake_control.h"

namespace portolan::node {

inline const crypto::UserIdentity kAnn{"org", "a-1", "d-1"};
inline const crypto::NodeIdentity kNode{"org", "n-1"};

class MemorySpool : public audit::Spool {
 public:
  explicit MemorySpool(net::Executor on) : executor(std::move(on)) {}
  Result<> append_encoded(std::string_view json) override {
    records.push_back(*audit::decode_record(json));
    return {};
  }
  // Calls back from the loop, as a disk that keeps everything.
  void when_durable(std::move_only_function<void(Result<>)> then) override {
    net::post(executor, [then = std::move(then)]() mutable { then({}); });
  }
  audit::ChainPoint head() const override { return {}; }
  net::Task<Result<audit::SpoolBatch>> next(std::size_t) override { co_return fail(Code::kCancelled, ""); }
  Result<> acknowledge(audit::SpoolPosition) override { return {}; }
  std::uint64_t backlog() const override { return 0; }
  net::Executor executor;
  std::vector<api::AuditRecord> records;
};

inline net::Task<> echo(std::unique_ptr<net::Stream> stream) {
  for (;;) {
    auto piece = co_await net::read(*stream);
    if (!piece || piece->empty()) co_return;
    const auto written = co_await net::write(*stream, piece->data());
    if (!written) co_return;
  }
}

// The machine's clocks, moved: certificates and TLS know the real time.
class MovedClock : public Clock {
 public:
  WallTime wall() const override { return Clock::real().wall() + moved; }
  BootTime boot() const override { return Clock::real().boot() + moved; }
  std::chrono::milliseconds moved{0};
};

struct Rig {
  explicit Rig(const net::Executor& on, EgressLimits limits = {}, ShareLimits shares = kLinkShares)
      : executor(on),
        control([this](const std::string&, const std::string&) { return lease_answer(); }),
        leases(on, control, clock, kNode.node),
        watch(on, control, clock, {}, {[] {}, [] {}, [](const auto&, const auto&, const auto&) {}}),
        memory(shares),
        egress(on, kNode.node, {spool, leases, cancels, clock, std::chrono::seconds(5)}, watch, memory, limits),
        tasks(on) {
    const auto now = Clock::real().wall();
    const auto user_ca = crypto::Authority::create("users", crypto::Profile::kUser, now, std::chrono::hours(24));
    const auto node_ca = crypto::Authority::create("nodes", crypto::Profile::kNode, now, std::chrono::hours(1));
    const auto certify = [&](const crypto::Authority& ca, const crypto::PrivateKey& key, crypto::Profile profile,
                             std::string uri) {
      return net::TlsIdentity{{*ca.issue({profile, key.public_key(), "x", {std::move(uri)}}, now)},
                              std::make_shared<crypto::PrivateKey>(key)};
    };
    own = {certify(node_ca, crypto::PrivateKey::generate(), crypto::Profile::kNode, crypto::to_uri(kNode)),
           {node_ca.certificate()},
           {user_ca.certificate()}};
    user = {certify(user_ca, user_key, crypto::Profile::kUser, crypto::to_uri(kAnn)), {node_ca.certificate()}, {}};
    other_device = user;
    other_device.identity =
        certify(user_ca, crypto::PrivateKey::generate(), crypto::Profile::kUser, "spiffe://org/user/a-1/device/d-2");
    renewed = user;
    renewed.identity.chain = {*user_ca.issue(
        {crypto::Profile::kUser, user_key.public_key(), "x", {crypto::to_uri(kAnn)}, {}, {}, std::chrono::hours(3)},
        now + std::chrono::seconds(1))};
    server = *net::listen_tcp(on, {"127.0.0.1", 0}, [this](std::unique_ptr<net::TcpStream> stream) {
      tasks.spawn("echo", echo(std::move(stream)));
    });
  }

  Result<std::string> lease_answer() const {
    if (denial) return std::unexpected(*denial);
    api::Lease lease;
    lease.id = "l-1";
    lease.account = kAnn.account;
    lease.device = kAnn.device;
    lease.resource = "rs-1";
    lease.node = kNode.node;
    lease.name = "echo";
    lease.type = "tcp";
    lease.host = "127.0.0.1";
    lease.port = server->local().port;
    lease.life_ms = 300'000;
    return json::encode(lease);
  }

  // `options`: of the egress' side.
  net::Task<Result<std::unique_ptr<tunnel::Link>>> connect(tunnel::LinkOptions options = {}) {
    auto [near, far] = net::memory_pair(executor);
    CO_TRY(auto accepting,
           tunnel::make_link_server(own, {tunnel::Purpose::kInner}, [](const auto&) { return Result<>{}; }));
    tasks.spawn("accept", accept(std::move(far), std::move(accepting), options));
    CO_TRY(auto dialling, tunnel::make_link_client(user, tunnel::Purpose::kInner, crypto::to_uri(kNode)));
    auto link = co_await tunnel::dial_link(std::move(near), std::move(dialling), tunnel::Purpose::kInner, {}, nullptr,
                                           [](const Error&) {});
    co_return link;
  }
  net::Task<> accept(std::unique_ptr<net::Stream> path, std::shared_ptr<const net::TlsServer> tls,
                     tunnel::LinkOptions options) {
    auto accepted = co_await tunnel::accept_link(std::move(path), std::move(tls), options);
    if (accepted) egress.serve(std::move(*accepted));
  }

  api::Assertion good(const tunnel::Link& link) const {
    return api::make_assertion(kAnn.account, kAnn.device, "rs-1", kNode.node, link.binding, Clock::real().wall());
  }
  net::Task<Result<std::unique_ptr<tunnel::MuxStream>>> open(tunnel::Link& link, std::string assertion,
                                                             std::string operation = "open") {
    CO_TRY(auto stream,
           link.mux->open(
               {"rs-1", {{"portolan-assertion", std::move(assertion)}, {"portolan-operation", std::move(operation)}}}));
    CO_CHECK(co_await stream->answered(std::chrono::seconds(5)));
    co_return std::move(stream);
  }
  net::Task<> stop() {
    watch.tasks().cancel();
    co_await watch.tasks().join();
    co_await egress.stop(Error{Code::kUnavailable, "test over"});
    tasks.cancel();
    co_await tasks.join();
  }

  net::Executor executor;
  MovedClock clock;
  std::optional<Error> denial;
  testing::FakeControl control;
  MemorySpool spool{executor};
  CancelRegistry cancels;
  LeaseCache leases;
  ControlWatch watch;
  Shares memory;
  Egress egress;
  crypto::PrivateKey user_key = crypto::PrivateKey::generate();
  tunnel::LinkIdentity own, user;
  tunnel::LinkIdentity other_device;
  tunnel::LinkIdentity renewed;  // of the user: the same key, a longer life
  std::unique_ptr<net::Listener> server;
  net::TaskGroup tasks;
};

}  // namespace portolan::node
