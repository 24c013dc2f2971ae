#include "tunnel/link.h"

#include <algorithm>
#include <array>

#include "base/id.h"
#include "net/unsent.h"

namespace portolan::tunnel {
namespace {

constexpr std::string_view kBindingLabel = "EXPORTER-portolan-binding";
constexpr std::size_t kBindingBytes = 32;
constexpr std::string_view kPipeSecretLabel = "EXPORTER-portolan-pipe";
constexpr std::size_t kPipeSecretBytes = 32;

struct PurposeRules {
  Purpose purpose;
  std::string_view alpn;
  crypto::Profile dialler;  // the acceptor is always a node
  Mux::Role dialler_role;
};
constexpr std::array<PurposeRules, 4> kRules = {{
    {Purpose::kUser, "portolan-user", crypto::Profile::kUser, Mux::Role::kOpener},
    {Purpose::kNode, "portolan-node", crypto::Profile::kNode, Mux::Role::kOpener},
    {Purpose::kReverse, "portolan-reverse", crypto::Profile::kNode, Mux::Role::kAcceptor},
    {Purpose::kInner, "portolan-inner", crypto::Profile::kUser, Mux::Role::kOpener},
}};

const PurposeRules& rules_of(Purpose purpose) { return kRules.at(static_cast<std::size_t>(purpose)); }

Mux::Role opposite(Mux::Role role) { return role == Mux::Role::kOpener ? Mux::Role::kAcceptor : Mux::Role::kOpener; }

// The name of who has proven the leaf, if its profile and the form of its name are those of who may be there.
Result<std::string> checked_identity(const crypto::Certificate& leaf, crypto::Profile profile) {
  if (!leaf.has_profile(profile))
    return fail(Code::kUnauthenticated, "the certificate is not made for this purpose", "wrong_profile");
  const auto wrong = [](const Error& why) { return fail(Code::kUnauthenticated, why.message, "wrong_name"); };
  if (profile != crypto::Profile::kUser) {
    const auto uris = leaf.uris();
    const auto names = crypto::parse_node_names(uris);
    if (!names) return wrong(names.error());
    return crypto::to_uri(names->node);
  }
  auto name = leaf.identity();
  if (!name) return wrong(name.error());
  if (const auto user = crypto::parse_user_identity(*name); !user) return wrong(user.error());
  return name;
}

// The acceptor's leaf, whose form is checked, bears the name that was wanted; of a cluster perhaps that of one worker.
Result<> check_wanted(const crypto::Certificate& leaf, const std::string& wanted, const std::string& worker) {
  const auto uris = leaf.uris();
  const auto bears = [&](const std::string& name) { return std::ranges::find(uris, name) != uris.end(); };
  if (!bears(wanted))
    return fail(Code::kUnauthenticated, "it is " + quoted(uris.front(), 160) + ", not " + quoted(wanted, 160),
                "wrong_peer");
  if (worker.empty() || bears(worker)) return {};
  return fail(Code::kUnavailable, "another worker of the cluster has answered", std::string(kOtherWorker));
}

Hello our_hello(std::uint64_t features) {
  return Hello{kOldestVersion, kNewestVersion, features | kContinues | kSplices, "portolan " PORTOLAN_VERSION};
}

std::chrono::milliseconds left_until(std::chrono::steady_clock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return std::max(left, std::chrono::milliseconds(1));
}

// What both sides do once TLS stands; `deadline` is that of the whole handshake.
net::Task<Result<AcceptedLink>> greet(std::unique_ptr<net::TlsStream> tls, Purpose purpose,
                                      crypto::Profile peer_profile, std::uint64_t features,
                                      std::chrono::steady_clock::time_point deadline) {
  if (!tls->peer()) co_return fail(Code::kUnauthenticated, "the peer showed no certificate");
  AcceptedLink made{Link{purpose, {}, *tls->peer(), {}, {}, nullptr, nullptr}, {}};
  CO_TRY(made.link.peer, checked_identity(made.link.certificate, peer_profile));
  made.link.binding = tls->exporter(kBindingLabel, kBindingBytes);
  made.fresh.binding = made.link.binding;
  made.fresh.reader = std::make_unique<net::Reader>(*tls);
  CO_TRY(made.link.agreed,
         co_await exchange_hello(*tls, *made.fresh.reader, our_hello(features), left_until(deadline)));
  if ((made.link.agreed.features & kPipe) != 0) made.pipe_secret = tls->exporter(kPipeSecretLabel, kPipeSecretBytes);
  made.fresh.stream = std::move(tls);
  co_return made;
}

// The stream for a mux that stands on the link itself.
std::unique_ptr<net::Stream> take_stream(FreshLink& fresh) {
  Bytes rest = fresh.reader->take_rest();
  fresh.reader.reset();
  return net::prepend(std::move(rest), std::move(fresh.stream));
}

// The pipe knows for itself whether its link lives, and when it has waited long enough for another one.
MuxOptions on_a_pipe(MuxOptions options) {
  options.probe_after = options.drained_limit = std::chrono::milliseconds(0);
  return options;
}

std::uint64_t features_of(Purpose purpose, const LinkOptions& options) {
  return purpose == Purpose::kInner && options.pipe ? kPipe : 0;
}

PipeId new_pipe_id() {
  PipeId id{};
  fill_random(id);
  return id;
}

}  // namespace

bool succeeds(const crypto::Certificate& newer, const crypto::Certificate& older) {
  return newer.not_before() > older.not_before() && newer.public_key() == older.public_key();
}

bool issued_by_any(const crypto::Certificate& leaf, const std::vector<crypto::Certificate>& authorities) {
  return std::ranges::any_of(authorities, [&](const auto& authority) { return crypto::is_issued_by(leaf, authority); });
}

std::string_view alpn_of(Purpose purpose) { return rules_of(purpose).alpn; }

Result<std::shared_ptr<const net::TlsClient>> make_link_client(const LinkIdentity& own, Purpose purpose,
                                                               std::string wanted_peer, std::string worker) {
  if (!crypto::parse_cluster_identity(wanted_peer)) {
    PL_TRY([[maybe_unused]] auto node, crypto::parse_node_identity(wanted_peer));
  }
  net::TlsClientOptions options;
  options.versions = net::TlsVersions::kOnly13;
  options.alpn = {std::string(alpn_of(purpose))};
  options.identity = own.identity;
  options.trust = own.node_trust;
  options.accept_peer = [wanted = std::move(wanted_peer),
                         worker = std::move(worker)](const crypto::Certificate& leaf) -> Result<> {
    PL_CHECK(checked_identity(leaf, crypto::Profile::kNode));
    return check_wanted(leaf, wanted, worker);
  };
  if (options.trust.empty()) return fail(Code::kInvalid, "no authority for nodes is known");
  return net::TlsClient::make(std::move(options));
}

Result<std::shared_ptr<const net::TlsServer>> make_link_server(const LinkIdentity& own, std::vector<Purpose> purposes,
                                                               Admit admit,
                                                               std::vector<net::TlsServerPurpose> besides) {
  std::vector<net::TlsServerPurpose> served = std::move(besides);
  for (const Purpose purpose : purposes) {
    const crypto::Profile dialler = rules_of(purpose).dialler;
    net::TlsServerPurpose one;
    one.alpn = {std::string(alpn_of(purpose))};
    one.identity = own.identity;
    one.require_client_certificate = true;
    one.client_trust = dialler == crypto::Profile::kUser ? own.user_trust : own.node_trust;
    if (one.client_trust.empty()) return fail(Code::kInvalid, "no authority is known for links of " + one.alpn.front());
    one.accept_peer = [dialler, admit](const crypto::Certificate& leaf) -> Result<> {
      PL_TRY([[maybe_unused]] auto name, checked_identity(leaf, dialler));
      return admit ? admit(leaf) : Result<>{};
    };
    served.push_back(std::move(one));
  }
  return net::TlsServer::make(std::move(served));
}

namespace {

// TLS and hello.
net::Task<Result<AcceptedLink>> dial_fresh(std::unique_ptr<net::Stream> path, std::shared_ptr<const net::TlsClient> tls,
                                           Purpose purpose, std::uint64_t features,
                                           std::chrono::steady_clock::time_point deadline) {
  net::limit_unsent(*path);
  CO_TRY(auto stream, co_await tls->connect(std::move(path), left_until(deadline)));
  if (stream->alpn() != alpn_of(purpose))
    co_return fail(Code::kProtocol, "the peer chose another purpose for the link");
  co_return co_await greet(std::move(stream), purpose, crypto::Profile::kNode, features, deadline);
}

}  // namespace

net::Task<Result<std::unique_ptr<Link>>> dial_link(std::unique_ptr<net::Stream> path,
                                                   std::shared_ptr<const net::TlsClient> tls, Purpose purpose,
                                                   LinkOptions options, Mux::OnIncoming on_incoming,
                                                   Mux::OnEnd on_end) {
  const auto deadline = std::chrono::steady_clock::now() + options.handshake_limit;
  const std::uint64_t features = features_of(purpose, options) | (options.successor ? kSuccessor : 0);
  CO_TRY(auto made, co_await dial_fresh(std::move(path), std::move(tls), purpose, features, deadline));
  auto link = std::make_unique<Link>(std::move(made.link));
  std::unique_ptr<net::Stream> below;
  if ((link->agreed.features & kPipe) != 0) {
    const net::Executor executor = made.fresh.stream->executor();
    std::string name = "pipe over " + made.fresh.stream->describe();
    link->pipe = std::make_shared<Pipe>(executor, Pipe::Role::kDialler, new_pipe_id(), std::move(made.pipe_secret),
                                        options.pipe->options, options.pipe->budget);
    CO_CHECK(co_await attach(link->pipe, std::move(made.fresh), left_until(deadline)));
    below = link->pipe->top(std::move(name));
    options.mux = on_a_pipe(options.mux);
  } else {
    below = take_stream(made.fresh);
  }
  link->mux = Mux::make(std::move(below), rules_of(purpose).dialler_role, options.mux, std::move(on_incoming),
                        std::move(on_end));
  co_return link;
}

net::Task<Result<>> resume_link(std::unique_ptr<net::Stream> path, std::shared_ptr<const net::TlsClient> tls,
                                std::shared_ptr<Pipe> pipe, std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  auto made = co_await dial_fresh(std::move(path), std::move(tls), Purpose::kInner, kPipe, deadline);
  if (!made) co_return of_the_way(std::move(made).error());
  if ((made->link.agreed.features & kPipe) == 0)
    co_return fail(Code::kIo, "the egress node has become one that cannot resume", std::string(kPipeUnknown));
  if (!pipe->wants_link()) co_return fail(Code::kConflict, "the pipe has a link");
  co_return co_await attach(std::move(pipe), std::move(made->fresh), left_until(deadline));
}

net::Task<Result<AcceptedLink>> accept_link(std::unique_ptr<net::Stream> path,
                                            std::shared_ptr<const net::TlsServer> tls, LinkOptions options) {
  const auto deadline = std::chrono::steady_clock::now() + options.handshake_limit;
  net::limit_unsent(*path);
  CO_TRY(auto stream, co_await tls->accept(std::move(path), options.handshake_limit));
  co_return co_await accept_link_over(std::move(stream), std::move(options), left_until(deadline));
}

bool is_for_link(const net::TlsStream& stream) {
  return std::ranges::find(kRules, stream.alpn(), &PurposeRules::alpn) != kRules.end();
}

net::Task<Result<AcceptedLink>> accept_link_over(std::unique_ptr<net::TlsStream> stream, LinkOptions options,
                                                 std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  const std::string alpn = stream->alpn();
  const auto rules = std::ranges::find(kRules, alpn, &PurposeRules::alpn);
  if (rules == kRules.end()) co_return fail(Code::kProtocol, "the peer asked for no purpose of ours");
  CO_TRY(auto made, co_await greet(std::move(stream), rules->purpose, rules->dialler,
                                   features_of(rules->purpose, options) | kSuccessor, deadline));
  if ((made.link.agreed.features & kPipe) != 0) {
    CO_TRY(made.attach, co_await read_attach(made.fresh, left_until(deadline)));
  }
  co_return made;
}

std::unique_ptr<Link> start_mux(AcceptedLink accepted, LinkOptions options, Mux::OnIncoming on_incoming,
                                Mux::OnEnd on_end) {
  auto link = std::make_unique<Link>(std::move(accepted.link));
  std::unique_ptr<net::Stream> below;
  if (accepted.attach) {
    link->pipe = std::make_shared<Pipe>(accepted.fresh.stream->executor(), Pipe::Role::kAcceptor, accepted.attach->id,
                                        std::move(accepted.pipe_secret), options.pipe->options, options.pipe->budget);
    below = link->pipe->top("pipe over " + accepted.fresh.stream->describe());
    // Only whoever proves what they do not know is refused: their link is closed, and the mux ends with it.
    if (!resume_pipe(accepted, *link->pipe))
      link->pipe->end(Error{Code::kProtocol, "a pipe that begins with a wrong attach", {}, Hop::kUnknown});
    options.mux = on_a_pipe(options.mux);
  } else {
    below = take_stream(accepted.fresh);
  }
  link->mux = Mux::make(std::move(below), opposite(rules_of(link->purpose).dialler_role), options.mux,
                        std::move(on_incoming), std::move(on_end));
  return link;
}

std::expected<void, AttachRefusal> resume_pipe(AcceptedLink& accepted, Pipe& pipe) {
  Bytes rest = accepted.fresh.reader->take_rest();
  return pipe.take(*accepted.attach, accepted.fresh.binding, accepted.fresh.stream, std::move(rest));
}

}  // namespace portolan::tunnel
