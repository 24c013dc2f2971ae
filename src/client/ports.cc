#include "client/ports.h"

#include <pwd.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <set>

#include "api/lease.h"
#include "base/id.h"
#include "base/log.h"
#include "client/web/names.h"
#include "net/backoff.h"
#include "net/join.h"

namespace portolan::client {
namespace {

// How long a new connection is held while the way to its resource is being found again.
constexpr std::chrono::milliseconds kPatience = std::chrono::seconds(8);
constexpr std::chrono::milliseconds kAnswerLimit = std::chrono::seconds(20);
// How often it is looked whether who is to answer has fallen silent.
constexpr std::chrono::milliseconds kSilenceLook = std::chrono::milliseconds(250);
constexpr std::chrono::milliseconds kRefuseLimit = std::chrono::seconds(10);
// To say why a session ends, and until the last of them has been said.
constexpr std::chrono::milliseconds kLastWord = std::chrono::milliseconds(500);
constexpr std::chrono::milliseconds kLastWords = std::chrono::milliseconds(700);
constexpr std::chrono::milliseconds kLook = std::chrono::milliseconds(10);
constexpr std::chrono::milliseconds kDefaultLease = std::chrono::minutes(5);

std::string user_name(uid_t user) {
  std::array<char, 4096> memory{};
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(user, &entry, memory.data(), memory.size(), &found) == 0 && found) return found->pw_name;
  return "with uid " + std::to_string(user);
}

std::chrono::milliseconds lease_life(const net::http::Headers& answer) {
  const auto found = answer.find("portolan-lease-ms");
  std::int64_t value = 0;
  if (found == answer.end()) return kDefaultLease;
  const auto [end, error] = std::from_chars(found->second.data(), found->second.data() + found->second.size(), value);
  if (error != std::errc() || value <= 0) return kDefaultLease;
  return std::chrono::milliseconds(std::min<std::int64_t>(value, 24LL * 3600 * 1000));
}

// Between egress and client: nothing is held up.
class Passing final : public net::Inspector {
 public:
  explicit Passing(protocols::Onlooker& onlooker) : onlooker_(onlooker) {}
  void passed(net::Direction direction, ByteView bytes) override {
    if (direction == net::Direction::kBackward) onlooker_.passed(bytes);
  }

 private:
  protocols::Onlooker& onlooker_;
};

}  // namespace

api::LocalHolder to_local(const net::PortHolder& holder) {
  api::LocalHolder local{holder.user_name, holder.user != geteuid(), {}, {}};
  if (!holder.process.empty()) local.process = holder.process;
  if (holder.pid != 0) local.pid = holder.pid;
  return local;
}

Result<> check_owner(const net::TcpStream& stream, const std::vector<uid_t>& allowed) {
  PL_TRY(const uid_t user, stream.peer_user());
  if (user == geteuid() || std::ranges::find(allowed, user) != allowed.end()) return {};
  return std::unexpected(Error{Code::kDenied,
                               "this port belongs to user " + user_name(geteuid()) +
                                   " of this machine, and you are user " + user_name(user) +
                                   "; sign in with a client of your own",
                               "foreign_user", Hop::kAgent});
}

api::LocalResource describe_unconnected(const api::AgentResource& resource, const PortOptions& options) {
  api::LocalResource described{resource.name,  resource.type, net::to_text({options.address, resource.port}),
                               "disconnected", std::nullopt,  0};
  if (!web::is_web(resource) || !options.web_proxy) return described;
  const api::LocalPort proxy = options.web_proxy();
  described.address = proxy.address;
  if (const auto at = net::parse_endpoint(proxy.address)) described.url = web::url_of(resource.name, at->port);
  return described;
}

// Tells how a session of the web proxy's has ended, also if its task ends before it begins.
struct ResourcePort::Over {
  explicit Over(net::CallBack whom) : tell(std::move(whom)) {}
  Over(const Over&) = delete;
  Over& operator=(const Over&) = delete;
  ~Over() { tell(std::move(outcome)); }

  net::CallBack tell;
  Result<> outcome = fail(Code::kCancelled, "the session was not begun");
};

ResourcePort::ResourcePort(const net::Executor& executor, api::AgentResource resource, PortOptions options,
                           Paths& paths, Changes& changes, Endings& endings)
    : resource_(std::move(resource)),
      options_(std::move(options)),
      paths_(paths),
      changes_(changes),
      endings_(endings),
      protocol_(protocols::find_protocol(resource_.type)),
      admission_(executor, {.waiting = options_.connections_per_resource, .silence = options_.first_byte_limit},
                 [this](std::unique_ptr<net::TcpStream> stream) { begin(std::move(stream)); }),
      tasks_(executor) {}

Result<> ResourcePort::listen() {
  if (listener_) return {};
  if (!protocol_) {
    failure_ = "this client does not speak " + quoted(resource_.type) + "; update it";
    return fail(Code::kUnavailable, *failure_);
  }
  if (is_web()) return {};
  auto listener = net::listen_tcp(tasks_.executor(), {options_.address, resource_.port},
                                  [this](std::unique_ptr<net::TcpStream> stream) { take(std::move(stream)); });
  if (!listener) {
    const auto holder = net::find_port_holder(endpoint());
    const std::string port = "port " + std::to_string(resource_.port);
    failure_ = holder ? port + " is held by " + net::to_text(*holder) +
                            "; end that program, and the agent takes the port by itself"
                      : listener.error().message;
    changes_.note();
    return fail(listener.error().code, *failure_);
  }
  if (failure_) log::info("a port is free again", {{"resource", resource_.name}});
  changes_.note();
  failure_.reset();
  listener_ = std::move(*listener);
  return {};
}

void ResourcePort::take(std::unique_ptr<net::TcpStream> stream) {
  if (protocol_->client_speaks_first)
    admission_.add(std::move(stream));
  else
    begin(std::move(stream));
}

void ResourcePort::begin(std::unique_ptr<net::TcpStream> stream) {
  if (!stopping_) tasks_.spawn("connection", serve(std::move(stream)));
}

void ResourcePort::carry_web(std::unique_ptr<net::Stream> requests, net::CallBack over) {
  auto ending = std::make_unique<Over>(std::move(over));
  if (!stopping_) tasks_.spawn("web-connection", serve_web(std::move(requests), std::move(ending)));
}

net::Task<Result<OpenedStream>> ResourcePort::open(ByteView head, std::string trace) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  net::Backoff backoff(std::chrono::milliseconds(100), std::chrono::seconds(1));
  // Egresses of a release that does not understand what the resource needs, those that are stopping, and silent ones.
  std::set<std::string> too_old, stopping, silent;
  for (;;) {
    api::AgentResource resource = resource_;
    std::erase_if(resource.egress, [&](const auto& egress) {
      return too_old.contains(egress) || stopping.contains(egress) || silent.contains(egress);
    });
    const bool is_last = resource.egress.size() == 1;
    auto opened = co_await paths_.open(std::move(resource), "open", trace);
    Result<> done;
    if (!opened) {
      done = std::unexpected(opened.error());
    } else {
      // Written before the answer: it saves a round trip. `head` is still there if this attempt fails.
      if (!head.empty()) done = co_await net::write(*opened->stream, head);
      if (done) done = co_await wait_for_answer(*opened, !is_last);
      if (done) co_return std::move(*opened);
      const std::string& reason = done.error().reason;
      if (reason == api::kLeaseNotUnderstood && !is_last && too_old.insert(opened->egress).second) continue;
      if (reason == api::kNodeStopping && !is_last && stopping.insert(opened->egress).second) continue;
      if (reason == kEgressSilent && !is_last && silent.insert(opened->egress).second) continue;
    }
    if (!done.error().retry_can_help() || done.error().hop == Hop::kResource ||
        std::chrono::steady_clock::now() >= until)
      co_return std::unexpected(std::move(done).error());
    log::debug("trying again to open a session", {{"resource", resource_.name}, {"why", done.error()}});
    CO_CHECK(co_await net::sleep_for(backoff.next()));
    stopping.clear();  // they may be back
    silent.clear();
  }
}

// An egress node that is there and only has to wait for its resource is not silent.
net::Task<Result<>> ResourcePort::wait_for_answer(const OpenedStream& opened, bool others) {
  const auto began = std::chrono::steady_clock::now();
  for (;;) {
    const auto asked = std::chrono::steady_clock::now();
    auto answered = co_await opened.stream->answered(kSilenceLook);
    const auto now = std::chrono::steady_clock::now();
    // A time limit that is not ours is an answer, and comes at once.
    if (answered || answered.error().code != Code::kTimeout || now - asked < kSilenceLook / 2) co_return answered;
    if (now - began >= kAnswerLimit || (others && paths_.silent(opened)))
      co_return std::unexpected(paths_.no_answer(resource_.name, opened.egress, now - began));
  }
}

net::Task<> ResourcePort::serve(std::unique_ptr<net::TcpStream> stream) {
  auto owner = check_owner(*stream, options_.allowed_users);
  [[maybe_unused]] const auto outcome = co_await serve_ready(std::move(stream), std::move(owner));
}

net::Task<> ResourcePort::serve_web(std::unique_ptr<net::Stream> requests, std::unique_ptr<Over> over) {
  over->outcome = co_await serve_ready(std::move(requests), {});
}

net::Task<Result<>> ResourcePort::serve_ready(std::unique_ptr<net::Stream> stream, Result<> ready) {
  const std::string trace = make_id("t");
  net::Buffer head;
  if (ready && turned_away_) ready = std::unexpected(*turned_away_);
  if (ready && sessions_ >= options_.connections_per_resource)
    ready =
        std::unexpected(Error{Code::kLimit, "too many connections to " + quoted(resource_.name) + " from this client",
                              "too_many_connections", Hop::kAgent});
  Result<OpenedStream> opened = fail(Code::kInternal, "not opened");
  if (ready && protocol_->client_speaks_first) {
    CO_TRY(head, co_await net::read(*stream));
    if (head.empty()) co_return fail(Code::kEof, "the client has said nothing");
  }
  if (ready) {
    ++sessions_;
    opened = co_await open(head.data(), trace);
    --sessions_;
    if (!opened) ready = std::unexpected(opened.error());
  }
  if (!ready) {
    log::warn("connection turned away", {{"resource", resource_.name}, {"trace", trace}, {"why", ready.error()}});
    Bytes said(head.data().begin(), head.data().end());
    Error why = std::move(ready).error().at(Hop::kAgent);
    co_await protocol_->refuse(net::prepend(std::move(said), std::move(stream)), why, trace, kRefuseLimit);
    co_return std::unexpected(std::move(why));
  }
  co_return co_await carry(std::move(stream), std::move(*opened), std::move(head), trace);
}

net::Task<Result<>> ResourcePort::carry(std::unique_ptr<net::Stream> stream, OpenedStream opened, net::Buffer head,
                                        std::string trace) {
  const auto onlooker = protocol_->look_on(head.data());
  head.release();
  std::optional<Passing> passing;
  if (onlooker) passing.emplace(*onlooker);
  const std::string resource = resource_.id;
  paths_.session_began(resource_, opened.egress, lease_life(opened.stream->answer()));
  ++sessions_;
  const net::Joined joined =
      co_await net::join(*stream, *opened.stream, {.inspector = passing ? &*passing : nullptr, .stop = &ending_});
  --sessions_;
  paths_.session_ended(resource, opened.egress);
  if (joined.outcome) co_return joined.outcome;
  const auto why = co_await our_reason(opened, joined.outcome.error());
  if (why && !ending_.stopped())
    endings_.add({Clock::real().wall(), resource_.name, std::string(why->stable_code()), why->message, trace},
                 Endings::Source::kAgent);
  opened.stream.reset();  // at once: what it may no longer do ends here, before any goodbye
  log::info("connection ended",
            {{"resource", resource_.name}, {"trace", trace}, {"why", why.value_or(joined.outcome.error())}});
  if (why && onlooker) co_await onlooker->say_why(*stream, *why, trace, kLastWord);
  co_return joined.outcome;
}

net::Task<std::optional<Error>> ResourcePort::our_reason(const OpenedStream& opened, Error failure) {
  if (ending_.stopped()) co_return ending_.reason();
  co_await net::yield_to_loop();
  if (ending_.stopped()) co_return ending_.reason();
  co_return paths_.why_ended(opened, failure);
}

void ResourcePort::end(const Error& why) {
  stopping_ = true;
  listener_.reset();
  ending_.stop(why);
}

api::LocalResource ResourcePort::status() const {
  api::LocalResource status = describe_unconnected(resource_, options_);
  status.state = "connected";
  status.sessions = sessions_;
  std::optional<std::string> failure = failure_;
  if (is_web() && options_.web_proxy) {
    const api::LocalPort proxy = options_.web_proxy();
    if (proxy.state != "listening") failure = "the web proxy of this agent: " + proxy.reason.value_or(proxy.state);
  }
  if (failure || turned_away_) {
    status.state = "failed";
    status.reason = failure ? *failure : turned_away_->message;
  }
  return status;
}

net::Task<> ResourcePort::stop() {
  stopping_ = true;
  listener_.reset();
  const auto until = std::chrono::steady_clock::now() + kLastWords;
  while (ending_.stopped() && tasks_.size() > 0 && std::chrono::steady_clock::now() < until) {
    const auto slept = co_await net::sleep_for(kLook);
    if (!slept) break;
  }
  tasks_.cancel();
  co_await tasks_.join();
}

}  // namespace portolan::client
