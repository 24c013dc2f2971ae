// Wires a node's parts: identity, the control plane's watch, leases, egress, and as gateway or relay the links to the
// others.
#include "node/node.h"

#include <algorithm>
#include <iterator>

#include "audit/spool.h"
#include "base/log.h"
#include "net/backoff.h"
#include "node/acceptor.h"
#include "node/egress.h"
#include "node/gateway.h"
#include "node/health.h"
#include "node/identity.h"
#include "node/onward.h"
#include "node/placement.h"
#include "node/renewal.h"
#include "node/reporter.h"
#include "node/shipper.h"
#include "node/uplinks.h"
#include "node/web_entrance.h"

namespace portolan::node {
namespace {

constexpr std::chrono::milliseconds kSweep = std::chrono::seconds(1);
// Between the end of an authority and that of links by certificates of it.
constexpr std::chrono::milliseconds kRelinkTime = std::chrono::seconds(30);
constexpr std::chrono::milliseconds kReportEvery = std::chrono::seconds(60);
constexpr std::chrono::milliseconds kLeaveLook = std::chrono::milliseconds(20);  // whether anything runs any more

class NodeImpl final : public Node {
 public:
  NodeImpl(net::Loop& loop, NodeOptions options)
      : executor_(loop.executor()), options_(std::move(options)), tasks_(executor_) {}

  Result<> bind();
  net::Task<Result<>> begin();

  const std::string& id() const override { return identity_->node; }
  const std::string& name() const override { return identity_->name; }
  const std::string& kind() const override { return identity_->kind; }
  std::optional<net::Endpoint> local() const override {
    return listener_ ? std::optional(listener_->local()) : std::nullopt;
  }
  bool ready() const override;
  bool idle() const override;
  net::Task<> stop() override;

 private:
  std::string advertised() const;
  std::map<std::string, std::string> facts() const;
  Result<> make_acceptors();
  enum class At { kPort, kPaths };
  Result<std::shared_ptr<const net::TlsServer>> acceptor_tls(At at);
  void start_renewal();
  void renewed();
  void end_untrusted();
  void take_link(tunnel::AcceptedLink accepted);
  void start_watch();
  // Soon, if the node has come so far.
  void report_health() {
    if (reporter_) reporter_->poke();
  }
  net::Task<> sweep();
  net::Task<> report_often();
  net::Task<> report_soon();
  net::Task<Result<>> report_once();
  std::vector<Metric> metrics() const;
  void fill_health(api::NodeHealth& health) const;
  net::Task<> leave();
  Error is_stopping(Hop hop) const;
  bool other_gateways() const;

  net::Executor executor_;
  const Clock& clock_ = Clock::real();
  NodeOptions options_;
  std::unique_ptr<net::Listener> listener_;
  std::unique_ptr<WebEntrance> web_;
  std::optional<Identity> identity_;
  Placement placement_;
  std::unique_ptr<audit::Spool> spool_;
  std::unique_ptr<api::ControlClient> control_;
  std::unique_ptr<ControlWatch> watch_;
  std::unique_ptr<LeaseCache> leases_;
  CancelRegistry cancels_;
  AuditCounters audit_;
  Shares link_memory_{kLinkShares};
  std::unique_ptr<Egress> egress_;
  std::unique_ptr<Gateway> gateway_;
  std::unique_ptr<Uplinks> uplinks_;          // a relay's
  std::unique_ptr<Uplinks> peers_;            // a gateway's, to other gateways
  std::unique_ptr<Onward> onward_;            // by them
  std::unique_ptr<Acceptor> acceptor_;        // a gateway's port
  std::unique_ptr<Acceptor> inner_acceptor_;  // paths that end here
  std::unique_ptr<Shipper> shipper_;
  std::unique_ptr<Reporter> reporter_;
  std::unique_ptr<Renewal> renewal_;
  std::unique_ptr<Health> health_;
  std::optional<BootTime> end_untrusted_at_;
  bool leaving_ = false;
  bool stopping_ = false;
  bool reporting_ = false;  // report_soon() runs
  bool report_wanted_ = false;
  net::TaskGroup tasks_;
};

Result<> NodeImpl::bind() {
  if (options_.listen) {
    // Bound before joining, since the advertised address may depend on it; nobody is served until the identity is
    // there.
    PL_TRY(listener_, net::listen_tcp(executor_, *options_.listen, [this](std::unique_ptr<net::TcpStream> stream) {
             if (acceptor_ && watch_->view() && !leaving_) acceptor_->add(std::move(stream));
           }));
  }
  if (options_.web) {
    PL_TRY(web_, WebEntrance::start(executor_, options_, [this](std::unique_ptr<net::Stream> path) {
             if (acceptor_ && watch_->view() && !leaving_) acceptor_->add_path(std::move(path));
           }));
  }
  PL_TRY(health_, Health::start(executor_, options_.health, options_.metrics,
                                {[this] { return ready(); }, [this] { return metrics(); }}));
  return {};
}

std::string NodeImpl::advertised() const {
  if (!options_.advertise.empty()) return options_.advertise;
  return listener_ ? net::to_text(listener_->local()) : "";
}

// What the control plane is told with each watch.
std::map<std::string, std::string> NodeImpl::facts() const {
  std::map<std::string, std::string> facts = {
      {"address", advertised()}, {"version", PORTOLAN_VERSION}, {"trust", identity_->trust_version}};
  if (!options_.web) return facts;
  std::string web = options_.web->advertise;
  if (auto host = net::parse_endpoint(advertised()); web.empty() && host)
    web = net::to_text({host->host, options_.web->certificate_file.empty() ? std::uint16_t{443} : web_->local().port});
  facts["web_address"] = std::move(web);
  return facts;
}

net::Task<Result<>> NodeImpl::begin() {
  CO_TRY(identity_, co_await load_or_join(options_, advertised()));
  CO_TRY(placement_, placement_of(identity_->kind, options_.listen.has_value()));
  CO_CHECK(check_web(identity_->kind, options_));
  audit::SpoolOptions spool_options;
  spool_options.folder = options_.data / "audit";
  spool_options.key_file = options_.audit_key_file;
  CO_TRY(spool_, audit::Spool::open(executor_, std::move(spool_options)));
  CO_TRY(control_, api::ControlClient::make(control_address(*identity_, options_.control)));
  CO_TRY(auto reporting_client, api::ControlClient::make(control_address(*identity_, options_.control)));
  CO_TRY(auto shipping_client, api::ControlClient::make(control_address(*identity_, options_.control)));
  leases_ = std::make_unique<LeaseCache>(executor_, *control_, clock_, identity_->node);
  start_watch();
  egress_ = std::make_unique<Egress>(executor_, identity_->node,
                                     SessionParts{*spool_, *leases_, cancels_, clock_, options_.dial_limit, &audit_,
                                                  [this](const std::string& resource, Entrance entrance) {
                                                    if (reporter_)
                                                      reporter_->saw(resource, entrance == Entrance::kLetIn);
                                                  }},
                                     *watch_, link_memory_);
  CO_CHECK(make_acceptors());
  reporter_ = std::make_unique<Reporter>(executor_, std::move(reporting_client), clock_, options_.dial_limit,
                                         [this](api::NodeHealth& health) { fill_health(health); });
  shipper_ = std::make_unique<Shipper>(executor_, *spool_, std::move(shipping_client),
                                       Signer{identity_->node, identity_->key, clock_});
  start_renewal();
  tasks_.spawn("sweep", sweep());
  tasks_.spawn("report-sessions", report_often());
  co_return Result<>{};
}

Result<std::shared_ptr<const net::TlsServer>> NodeImpl::acceptor_tls(At at) {
  // A relay's gateway has let the path through, but who is at its end is proven here all the same.
  const tunnel::Admit admit = [this](const crypto::Certificate& leaf) -> Result<> {
    const IndexedView* view = watch_->view();
    if (!view) return fail(Code::kUnavailable, "this node does not know yet who is denied");
    const auto uris = leaf.uris();
    const auto user = crypto::parse_user_identity(uris.empty() ? "" : uris.front());
    const bool denied =
        user ? view->denies(user->account, user->device, leaf.serial()) : view->denies_serial(leaf.serial());
    if (denied) return fail(Code::kDenied, "access was taken away", "revoked");
    return user ? Result<>() : check_neighbour(*identity_, leaf);
  };
  auto own = link_identity(*identity_);
  if (at == At::kPaths) return tunnel::make_link_server(own, {tunnel::Purpose::kInner}, admit);
  return tunnel::make_link_server(own, placement_.port, admit, stranger_purposes(own.identity));
}

Result<> NodeImpl::make_acceptors() {
  const auto on_link = [this](tunnel::AcceptedLink accepted) { take_link(std::move(accepted)); };
  const auto on_path = [this](std::unique_ptr<net::Stream> path) { inner_acceptor_->add_path(std::move(path)); };
  PL_TRY(auto inner_tls, acceptor_tls(At::kPaths));
  inner_acceptor_ = std::make_unique<Acceptor>(executor_, std::move(inner_tls), options_, on_link);
  if (placement_.dials) {
    uplinks_ = std::make_unique<Uplinks>(executor_, *identity_, options_, on_path);
    uplinks_->on_change([this] { report_health(); });
  }
  if (!placement_.listens) return {};
  PL_TRY(auto tls, acceptor_tls(At::kPort));
  Beyond beyond;
  if (placement_.meshes) {
    peers_ = std::make_unique<Uplinks>(executor_, *identity_, options_);
    peers_->on_change([this] { report_health(); });
    onward_ = std::make_unique<Onward>(identity_->node, *watch_, *peers_, clock_, link_memory_);
    beyond = {identity_->node, onward_.get(), on_path};
  }
  if (placement_.forwards)
    gateway_ = std::make_unique<Gateway>(executor_, *watch_, clock_, options_.streams_per_account, link_memory_,
                                         std::move(beyond));
  if (peers_) peers_->on_lost([this](const std::string& node) { gateway_->lost_next(node); });
  acceptor_ = std::make_unique<Acceptor>(executor_, std::move(tls), options_, on_link);
  if (gateway_)
    acceptor_->on_plain([this](std::unique_ptr<net::TcpStream> stream, const tunnel::Ticket& ticket) {
      if (!stopping_) gateway_->serve_plain(std::move(stream), ticket);
    });
  return {};
}

void NodeImpl::start_renewal() {
  renewal_ = std::make_unique<Renewal>(
      executor_, Renewal::Parts{options_.data, *identity_, *control_, clock_, [this](Renewed) { renewed(); }});
}

// The identity on the disk, and here, is another one. What runs goes on; what is new is done with it.
void NodeImpl::renewed() {
  if (stopping_) return;
  const auto address = control_address(*identity_, options_.control);
  for (const auto& used : {control_->renew(address), shipper_->renew(address), reporter_->renew(address)})
    if (!used) log::error("cannot use the renewed certificate", {{"why", used.error()}});
  for (auto* acceptor : {acceptor_.get(), inner_acceptor_.get()}) {
    if (acceptor == nullptr) continue;
    auto tls = acceptor_tls(acceptor == acceptor_.get() ? At::kPort : At::kPaths);
    if (tls)
      acceptor->use(*tls);
    else
      log::error("cannot use the renewed certificate for links", {{"why", tls.error()}});
  }
  for (auto* links : {uplinks_.get(), peers_.get()})
    if (links != nullptr) links->renewed();
  // Whoever has renewed is making links anew just now.
  end_untrusted_at_ = clock_.boot() + kRelinkTime;
  watch_->begin_anew(identity_->trust_version);
}

void NodeImpl::take_link(tunnel::AcceptedLink accepted) {
  if (stopping_) return;
  switch (accepted.link.purpose) {
    case tunnel::Purpose::kInner: egress_->serve(std::move(accepted)); return;
    case tunnel::Purpose::kUser: gateway_->serve_user(std::move(accepted)); return;
    case tunnel::Purpose::kReverse: gateway_->serve_reverse(std::move(accepted)); return;
    case tunnel::Purpose::kNode: gateway_->serve_node(std::move(accepted)); return;
  }
}

void NodeImpl::start_watch() {
  ControlWatch::Listeners listeners;
  // A node that stops begins nothing new: what it has joined already would have a task again.
  listeners.on_view = [this] {
    if (stopping_) return;
    if (uplinks_) uplinks_->follow(watch_->view()->view);
    if (peers_) peers_->follow(watch_->view()->view);
    if (gateway_) gateway_->end_denied();
    if (egress_) egress_->end_denied();
  };
  listeners.on_connected = [this] {
    leases_->forget_unused();
    report_health();
    report_wanted_ = true;
    if (!stopping_ && !std::exchange(reporting_, true)) tasks_.spawn("report-sessions", report_soon());
  };
  listeners.on_revoke = [this](const std::vector<std::string>& leases, const std::string& reason,
                               const std::string& code) { leases_->revoke(leases, reason, code); };
  listeners.on_end = [this](const std::string& session, const std::string& reason, const std::string& code) {
    leases_->end_session(session, reason, code);
  };
  listeners.on_health_wanted = [this] { report_health(); };
  listeners.on_trust = [this](const api::TrustedAuthorities& trust) {
    if (renewal_ && !stopping_) renewal_->take(trust);
  };
  watch_ = std::make_unique<ControlWatch>(executor_, *control_, clock_, facts(), std::move(listeners));
}

net::Task<> NodeImpl::sweep() {
  for (;;) {
    const auto slept = co_await net::sleep_for(kSweep);
    if (!slept) co_return;
    leases_->sweep(watch_->away());
    egress_->end_denied();
    if (gateway_) gateway_->end_denied();
    if (end_untrusted_at_ && clock_.boot() >= *end_untrusted_at_) end_untrusted();
    if (watch_->revoked() && !leaving_) {
      log::error(
          "this node has been revoked: nobody is taken here any more; to have it back, let it join anew, with an "
          "empty data folder");
      tasks_.spawn("leave", leave());
    }
  }
}

void NodeImpl::end_untrusted() {
  end_untrusted_at_.reset();
  const auto trust = link_identity(*identity_);
  if (gateway_) gateway_->end_untrusted(trust);
  egress_->end_untrusted(trust.user_trust);
}

net::Task<> NodeImpl::report_often() {
  for (;;) {
    const auto slept = co_await net::sleep_for(kReportEvery);
    if (!slept) co_return;
    const auto reported = co_await report_once();
    if (!reported) log::debug("cannot report sessions", {{"why", reported.error()}});
  }
}

// When the watch begins, until it has been heard: what was taken away meanwhile is not told otherwise. The first
// attempt after a restart of the control plane often goes to a connection that has died with it.
net::Task<> NodeImpl::report_soon() {
  net::Backoff backoff;
  while (std::exchange(report_wanted_, false)) {
    const auto reported = co_await report_once();
    if (reported || !reported.error().retry_can_help()) continue;
    log::debug("cannot report sessions yet", {{"why", reported.error()}});
    report_wanted_ = true;
    const auto slept = co_await net::sleep_for(backoff.next());
    if (!slept) break;
  }
  reporting_ = false;
}

net::Task<Result<>> NodeImpl::report_once() {
  CO_TRY(const auto answer,
         co_await control_->post<api::LiveSessionsAnswer>("/v1/node/sessions", api::LiveSessions{leases_->live()}));
  for (const api::EndedSession& ended : answer.end)
    leases_->end_session(ended.session, ended.reason, ended.code.value_or(""));
  co_return Result<>{};
}

bool NodeImpl::ready() const {
  if (!watch_ || !watch_->view() || watch_->refused() || leaving_) return false;
  return !uplinks_ || uplinks_->wanted() == 0 || uplinks_->linked() > 0;
}

std::vector<Metric> NodeImpl::metrics() const {
  std::vector<Metric> list;
  const auto add = [&](std::string name, std::string help, Metric::Kind kind, double value) {
    list.push_back({std::move(name), std::move(help), kind, value});
  };
  using enum Metric::Kind;
  add("portolan_ready", "1 when this node can serve", kGauge, ready() ? 1 : 0);
  add("portolan_leaving", "1 since it was told to stop", kGauge, leaving_ ? 1 : 0);
  if (!egress_) return list;
  add("portolan_sessions", "sessions that live here", kGauge, static_cast<double>(leases_->sessions()));
  add("portolan_sessions_begun_total", "sessions begun here", kCounter,
      static_cast<double>(egress_->counters().sessions));
  add("portolan_streams_refused_total", "streams towards resources refused here", kCounter,
      static_cast<double>(egress_->counters().refused));
  add("portolan_end_to_end_handshakes_total", "end-to-end links accepted", kCounter,
      static_cast<double>(egress_->counters().links));
  add("portolan_audit_backlog_bytes", "records not handed over yet", kGauge, static_cast<double>(spool_->backlog()));
  add("portolan_audit_lost_total", "records that could not be kept, of resources whose audit is best-effort", kCounter,
      static_cast<double>(audit_.lost));
  add("portolan_control_plane_away_seconds", "since when the control plane is away", kGauge,
      static_cast<double>(watch_->away().value_or(std::chrono::milliseconds(0)).count()) / 1000.0);
  add("portolan_resumed_links_total", "end-to-end links over which a connection went on", kCounter,
      static_cast<double>(egress_->counters().resumed));
  if (uplinks_)
    add("portolan_gateway_links", "gateways this relay is linked to", kGauge, static_cast<double>(uplinks_->linked()));
  if (gateway_) {
    add("portolan_client_links", "clients linked", kGauge, static_cast<double>(gateway_->user_links()));
    add("portolan_relay_links", "relays linked", kGauge, static_cast<double>(gateway_->reverse_links()));
    if (peers_)
      add("portolan_next_gateway_links", "gateways that this one is linked to", kGauge,
          static_cast<double>(peers_->linked()));
    add("portolan_previous_gateway_links", "links that other gateways have dialled", kGauge,
        static_cast<double>(gateway_->node_links()));
    add("portolan_spliced_paths", "paths that the kernel joins", kGauge, static_cast<double>(gateway_->spliced()));
    add("portolan_forwarded_bytes_total", "bytes forwarded on ended streams", kCounter,
        static_cast<double>(gateway_->counters().bytes));
  }
  if (acceptor_) {
    add("portolan_unproven_connections", "connections that have not proven who they are", kGauge,
        static_cast<double>(acceptor_->unproven()));
    add("portolan_strangers_total", "those who asked by HTTPS and were told 404", kCounter,
        static_cast<double>(acceptor_->strangers()));
  }
  return list;
}

void NodeImpl::fill_health(api::NodeHealth& health) const {
  if (leaving_) health.leaving = true;
  if (!watch_->view() || (uplinks_ && !uplinks_->settled())) health.linking = true;
  health.load.sessions = leases_->sessions();
  health.load.audit_backlog_bytes = spool_->backlog();
  health.load.clients = egress_->links();
  if (uplinks_) health.links = uplinks_->health();
  if (gateway_) {
    health.links = gateway_->health();
    if (peers_) std::ranges::move(peers_->health(), std::back_inserter(health.links));
    health.load.streams = gateway_->streams();
    health.load.clients += gateway_->user_links();
  }
}

Error NodeImpl::is_stopping(Hop hop) const {
  return {Code::kUnavailable, identity_->kind + " " + identity_->name + " is stopping", std::string(api::kNodeStopping),
          hop};
}

bool NodeImpl::other_gateways() const {
  const IndexedView* view = watch_->view();
  return view && std::ranges::any_of(view->view.nodes, [&](const api::PeerNode& node) {
           return node.kind == identity_->kind && node.id != identity_->node;
         });
}

bool NodeImpl::idle() const {
  return leases_->sessions() == 0 && (!gateway_ || other_gateways() || gateway_->streams() == 0);
}

// Balancers see that it is not ready, the control plane and clients are told, and nothing new is taken; what runs has
// its time: sessions end by themselves, paths move to other gateways. Where there is no other one they pause until this
// one is back, and waiting would only put that off.
net::Task<> NodeImpl::leave() {
  leaving_ = true;
  listener_.reset();
  if (web_) web_->close();
  if (!shipper_ || options_.drain_limit.count() == 0) co_return;
  report_health();
  egress_->leave(is_stopping(Hop::kEgress));
  if (placement_.listens && !placement_.forwards) egress_->drain_links();
  const bool paths_move = gateway_ && other_gateways();
  if (paths_move) gateway_->leave();
  const auto sessions = [&] { return leases_->sessions(); };
  const auto paths = [&] { return paths_move ? gateway_->streams() : 0; };
  log::info("leaving",
            {{"sessions", sessions()}, {"paths", paths()}, {"limit", format_duration(options_.drain_limit)}});
  const BootTime began = clock_.boot();
  while (sessions() + paths() > 0 && clock_.boot() - began < options_.drain_limit)
    if (const auto slept = co_await net::sleep_for(kLeaveLook); !slept) break;
  log::info(sessions() + paths() > 0 ? "the time to leave is over" : "nothing runs here any more",
            {{"sessions", sessions()},
             {"paths", paths()},
             {"took", format_duration(std::chrono::duration_cast<std::chrono::milliseconds>(clock_.boot() - began))}});
}

net::Task<> NodeImpl::stop() {
  co_await leave();
  stopping_ = true;
  if (renewal_) co_await renewal_->stop();
  tasks_.cancel();
  co_await tasks_.join();
  if (reporter_) co_await reporter_->stop();
  if (web_) co_await web_->stop();
  if (acceptor_) co_await acceptor_->stop();
  if (egress_) co_await egress_->stop(is_stopping(Hop::kEgress));
  if (uplinks_) co_await uplinks_->stop();
  if (peers_) co_await peers_->stop();
  if (inner_acceptor_) co_await inner_acceptor_->stop();
  if (gateway_) co_await gateway_->stop(is_stopping(Hop::kGateway));
  if (shipper_) co_await shipper_->stop(options_.ship_limit);
  if (watch_) {
    watch_->tasks().cancel();
    co_await watch_->tasks().join();
  }
  if (health_) co_await health_->stop();
}

}  // namespace

net::Task<Result<std::unique_ptr<Node>>> Node::start(net::Loop& loop, NodeOptions options) {
  auto node = std::make_unique<NodeImpl>(loop, std::move(options));
  Result<> begun = node->bind();
  if (begun) begun = co_await node->begin();
  if (begun) co_return node;
  co_await node->stop();
  co_return std::unexpected(std::move(begun).error());
}

}  // namespace portolan::node
