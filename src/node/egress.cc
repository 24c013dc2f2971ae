#include "node/egress.h"

#include <algorithm>

#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "net/loop.h"
#include "protocols/driver.h"

namespace portolan::node {

namespace {

// So many sessions of one link may end at once and be told of; of more, those who waited on them have been told.
constexpr std::size_t kEndingsWaiting = 1000;
constexpr std::chrono::milliseconds kStopLook = std::chrono::milliseconds(5);
constexpr std::chrono::milliseconds kEndingsLook = std::chrono::seconds(5);
constexpr std::chrono::milliseconds kEndingsLimit = std::chrono::seconds(5);

// A trace id is made by the agent; what does not look like one is replaced, since it goes into logs and the audit.
std::string trace_of(const tunnel::OpenRequest& request) {
  const auto found = request.headers.find("portolan-trace");
  if (found != request.headers.end() && is_id(found->second, "t")) return found->second;
  return make_id("t");
}

std::string header_of(const tunnel::OpenRequest& request, std::string_view name) {
  const auto found = request.headers.find(name);
  return found == request.headers.end() ? "" : found->second;
}

}  // namespace

Egress::Egress(const net::Executor& executor, std::string node, SessionParts parts, const ControlWatch& watch,
               Shares& memory, EgressLimits limits)
    : node_(std::move(node)),
      parts_(parts),
      watch_(watch),
      limits_(limits),
      memory_(memory),
      pipes_(limits.pipe_bytes),
      tasks_(executor) {}

void Egress::serve(tunnel::AcceptedLink accepted) {
  auto user = crypto::parse_user_identity(accepted.link.peer);
  if (!user) {
    log::warn("end-to-end link from somebody who is no user", {{"peer", accepted.link.peer}});
    return;
  }
  const auto same = [&](const auto& client) { return client->user.account == user->account; };
  const auto same_device = [&](const auto& client) { return client->user == *user; };
  // A newer certificate for the same device and key: its older links go on with it (docs/wire.md, "Renewal").
  const crypto::Certificate& newer = accepted.link.certificate;
  for (const auto& older : links_)
    if (older->user == *user && tunnel::succeeds(newer, older->certificate)) {
      older->certificate = newer;
      older->ends.reset();
    }
  if (accepted.attach && accepted.attach->epoch > 1) return resume(*user, std::move(accepted));
  const auto links_of = [&](const auto& who) { return static_cast<std::size_t>(std::ranges::count_if(links_, who)); };
  if (links_of(same) >= limits_.links_per_account || links_of(same_device) >= limits_.links_per_device) {
    log::warn("too many end-to-end links of one account or device",
              {{"account", user->account}, {"device", user->device}});
    return refuse(std::move(accepted), tunnel::AttachRefusal::kLimit);
  }
  const auto client =
      std::make_shared<Client>(Client{*user, accepted.link.certificate, accepted.link.binding, {}, nullptr});
  ++counters_.links;
  links_.push_back(client);
  log::info("end-to-end link",
            {{"account", user->account}, {"device", user->device}, {"from", accepted.fresh.stream->describe()}});
  std::weak_ptr<Client> weak = client;
  client->link = tunnel::start_mux(
      std::move(accepted),
      {.mux = {.shared = memory_.of(user->account)}, .pipe = tunnel::LinkOptions::PipeParts{pipes_.of(user->account)}},
      [this, weak](std::unique_ptr<tunnel::Incoming> incoming) {
        auto alive = weak.lock();
        if (!alive) return;
        if (streams_.of(alive->user.account) < limits_.streams_per_account)
          tasks_.spawn("stream", serve_stream(std::move(alive), std::move(incoming)));
        else
          incoming->refuse(
              Error{Code::kLimit, "too many streams of this account are open", "too_many_streams", Hop::kEgress});
      },
      [this, weak](const Error& why) {
        log::debug("end-to-end link ended", {{"why", why}});
        if (const auto client = weak.lock(); client && client->endings) client->endings->more.set();
        // One that is still alive then is still ours, and so are we.
        net::post(tasks_.executor(), [this, weak] {
          if (const auto ended = weak.lock()) links_.remove(ended);
        });
      });
}

void Egress::resume(const crypto::UserIdentity& user, tunnel::AcceptedLink accepted) {
  const auto known = std::ranges::find_if(links_, [&](const auto& client) {
    return client->user == user && client->link->pipe && client->link->pipe->id() == accepted.attach->id;
  });
  std::expected<void, tunnel::AttachRefusal> taken = std::unexpected(tunnel::AttachRefusal::kUnknown);
  if (known != links_.end()) taken = tunnel::resume_pipe(accepted, *(*known)->link->pipe);
  if (!taken) return refuse(std::move(accepted), taken.error());
  ++counters_.resumed;
  log::info("end-to-end link resumed", {{"account", user.account}, {"device", user.device}});
}

void Egress::drain_links() {
  for (const auto& client : links_)
    if (client->link) client->link->mux->drain();
}

void Egress::refuse(tunnel::AcceptedLink accepted, tunnel::AttachRefusal why) {
  if (accepted.attach) tasks_.spawn("refuse-attach", tunnel::refuse_attach(std::move(accepted.fresh.stream), why));
}

Result<> Egress::check_time(const Client& client, const api::Assertion& assertion) const {
  const WallTime now = parts_.clock.wall();
  auto timely = api::check_time(assertion, now);
  const auto late = client.link->pipe ? client.link->pipe->lateness() : std::chrono::milliseconds(0);
  return timely || late.count() == 0 ? timely : api::check_time(assertion, now - late);
}

Result<Egress::Knock> Egress::check(Client& client, const tunnel::OpenRequest& request) {
  const auto denied = [](std::string message, std::string reason) {
    return std::unexpected(Error{Code::kDenied, std::move(message), std::move(reason), Hop::kEgress});
  };
  if (!is_id(request.authority, "rs"))
    return denied("not a resource: " + quoted(request.authority), "unknown_resource");
  Knock knock{{client.user.account, client.user.device, request.authority},
              header_of(request, "portolan-assertion"),
              trace_of(request)};
  auto assertion = api::verify_assertion(knock.assertion, client.certificate.public_key());
  if (!assertion) return std::unexpected(std::move(assertion).error().at(Hop::kEgress));
  if (assertion->account != client.user.account || assertion->device != client.user.device)
    return denied("the access assertion is of somebody else", "assertion_foreign");
  if (assertion->resource != request.authority)
    return denied("the access assertion is for another resource", "assertion_foreign");
  if (assertion->node != node_) return denied("the access assertion is for another node", "assertion_foreign");
  if (!equal_in_constant_time(assertion->binding, client.binding))
    return denied("the access assertion was made for another link", "assertion_foreign");
  if (auto timely = check_time(client, *assertion); !timely)
    return std::unexpected(std::move(timely).error().at(Hop::kEgress));
  PL_TRY(const bool fresh, client.nonces.remember(*assertion));
  if (!fresh) return denied("the access assertion was used before", "assertion_replayed");
  return knock;
}

net::Task<> Egress::serve_stream(std::shared_ptr<Client> client, std::unique_ptr<tunnel::Incoming> incoming) {
  const Counted counted(streams_, client->user.account);
  auto answered = co_await answer(client, *incoming);
  if (!answered) {
    ++counters_.refused;
    log::warn(
        "stream refused",
        {{"account", client->user.account}, {"resource", incoming->request().authority}, {"why", answered.error()}});
    incoming->refuse(std::move(answered).error().at(Hop::kEgress));
    co_return;
  }
  // What was asked and how it was answered is gone, and its memory, while a session goes on.
  incoming.reset();
  if (answered->session) co_await run(std::move(client), std::move(*answered));
}

net::Task<Result<Egress::Opened>> Egress::answer(std::shared_ptr<Client> client, tunnel::Incoming& incoming) {
  CO_TRY(auto knock, check(*client, incoming.request()));
  const std::string operation = header_of(incoming.request(), "portolan-operation");
  if (operation.empty() || operation == "open") co_return co_await open(std::move(knock), incoming);
  if (operation == "renew") {
    CO_CHECK(co_await renew(std::move(knock), incoming));
  } else if (operation == "endings") {
    CO_CHECK(co_await tell_endings(client, incoming));
  } else {
    co_return fail(Code::kProtocol, "unknown operation " + quoted(operation));
  }
  co_return Opened{};
}

// The result is about letting the stream in; how the session went is on record.
net::Task<Result<Egress::Opened>> Egress::open(Knock knock, tunnel::Incoming& incoming) {
  if (leaving_) co_return std::unexpected(*leaving_);
  CO_TRY(auto lease, co_await parts_.leases.get(knock.key, knock.assertion, watch_.away()));
  if (!protocols::find_protocol(lease->type))
    co_return fail(Code::kUnavailable, "this node does not speak " + quoted(lease->type), "unknown_protocol");
  const std::uint64_t life = lease->life_ms;
  CO_TRY(auto session, NodeSession::begin(parts_, std::move(lease), knock.trace));
  // Nothing is dialled before the start is on record as the resource demands.
  if (auto kept = co_await session->kept(); !kept) {
    session->end(kept);
    co_return std::unexpected(std::move(kept).error());
  }
  ++counters_.sessions;
  auto stream = incoming.accept({{"portolan-session", session->id()}, {"portolan-lease-ms", std::to_string(life)}});
  co_return Opened{std::move(session), std::move(stream)};
}

net::Task<> Egress::run(std::shared_ptr<Client> client, Opened opened) {
  NodeSession& session = *opened.session;
  // At once: a driver may take its time to say goodbye to a client that does not read.
  const auto ending =
      session.stop().listen([&client = *client, &session](const Error& why) { note_ending(client, session, why); });
  const auto driver = protocols::find_protocol(session.type())->make(session);
  const auto outcome = co_await driver->serve(std::move(opened.stream));
  session.end(outcome);
}

void Egress::note_ending(Client& client, const NodeSession& session, const Error& why) {
  if (!client.endings || client.endings->waiting.size() >= kEndingsWaiting) return;
  client.endings->waiting.push_back(
      {session.trace(), session.id(), session.granted().resource, std::string(why.stable_code()), why.message});
  client.endings->more.set();
}

// Nothing is decided by it, and nothing told but what the sessions themselves were told.
net::Task<Result<>> Egress::tell_endings(std::shared_ptr<Client> client, tunnel::Incoming& incoming) {
  if (client->endings) co_return fail(Code::kConflict, "the endings of this link are being told already");
  const auto stream = incoming.accept();
  const auto queue = std::make_shared<EndingQueue>(tasks_.executor());
  client->endings = queue;
  ++tellers_;
  Result<> told;
  while (told) {
    if (!queue->waiting.empty()) {
      const std::string line = json::encode(queue->waiting.front()) + "\n";
      queue->waiting.pop_front();
      told = co_await net::with_timeout(net::write(*stream, as_bytes(line)), kEndingsLimit);
    } else if (stopping_ || client->link->mux->ended()) {
      told = co_await net::finish(*stream, kEndingsLimit);
      break;
    } else if (const auto woken = co_await queue->more.wait(kEndingsLook);
               !woken && woken.error().code == Code::kCancelled) {
      break;
    }
  }
  --tellers_;
  client->endings.reset();
  co_return Result<>{};
}

net::Task<Result<>> Egress::renew(Knock knock, tunnel::Incoming& incoming) {
  CO_TRY(const auto lease, co_await parts_.leases.renew(knock.key, knock.assertion));
  const auto stream = incoming.accept({{"portolan-lease-ms", std::to_string(lease->life_ms)}});
  auto finished = co_await net::finish(*stream, std::chrono::seconds(5));
  if (!finished) log::debug("renewal's answer was not read", {{"why", finished.error()}});
  co_return Result<>{};
}

void Egress::end_denied() {
  const IndexedView* view = watch_.view();
  const WallTime now = parts_.clock.wall();
  for (const auto& client : std::list(links_)) {
    const bool expired = now >= client->certificate.not_after();
    const bool denied = view && view->denies(client->user.account, client->user.device, client->certificate.serial());
    if (!expired && !denied) continue;
    if (!client->ends) client->ends = parts_.clock.boot() + kGoodbye;
    if (parts_.clock.boot() >= *client->ends)
      client->link->mux->close(Error{Code::kDenied,
                                     expired ? "the person's certificate has ended" : "access was taken away",
                                     expired ? "sign_in_ended" : "revoked", Hop::kEgress});
  }
}

void Egress::end_untrusted(const std::vector<crypto::Certificate>& user_trust) {
  for (const auto& client : std::list(links_))
    if (!tunnel::issued_by_any(client->certificate, user_trust))
      client->link->mux->close(
          Error{Code::kDenied, "the authority of its certificate is not trusted any more", "revoked", Hop::kEgress});
}

net::Task<> Egress::stop(Error reason) {
  parts_.leases.end_all(reason);
  // Drivers say why to their clients, then the agents are told; what then still lives is cut off.
  for (int i = 0; i < 40 && tasks_.size() > 0; ++i) {
    if (tasks_.size() <= tellers_ && !std::exchange(stopping_, true))
      for (const auto& client : links_)
        if (client->endings) client->endings->more.set();
    const auto slept = co_await net::sleep_for(std::chrono::milliseconds(25));
    if (!slept) break;
  }
  // Else agents would wait for pipes that nobody knows any more.
  for (const auto& client : std::list(links_)) client->link->mux->close(reason);
  // Each goes when its last words have left, or it has waited long enough for that.
  while (!links_.empty()) {
    const auto slept = co_await net::sleep_for(kStopLook);
    if (!slept) break;
  }
  tasks_.cancel();
  co_await tasks_.join();
  links_.clear();
}

}  // namespace portolan::node
