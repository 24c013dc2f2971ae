#include "client/web/proxy.h"

#include <unistd.h>

#include <algorithm>

#include "base/id.h"
#include "base/log.h"
#include "client/ports.h"
#include "client/web/checks.h"
#include "client/web/connect.h"
#include "client/web/own_page.h"
#include "protocols/driver.h"

namespace portolan::client::web {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kRetryPort = std::chrono::seconds(2);
constexpr milliseconds kRefuseLimit = std::chrono::seconds(10);
constexpr milliseconds kAnswerLimit = std::chrono::seconds(30);  // for a browser to take a page of ours
constexpr milliseconds kTlsLimit = std::chrono::seconds(10);
constexpr std::size_t kDropLimit = 1024 * 1024;
constexpr std::size_t kForeigners = 32;  // of other users, who are told so at a time; beyond that they are just closed

net::Task<Result<>> say_and_close(net::Stream& stream, std::string_view last) {
  CO_CHECK(co_await net::write(stream, as_bytes(last)));
  CO_CHECK(co_await net::finish(stream, http::kGoodbyeTime));
  // To close on bytes that nobody has read would send a reset, which can overtake the page.
  for (std::size_t dropped = 0; dropped < kDropLimit;) {
    CO_TRY(const net::Buffer buffer, co_await net::read(stream));
    if (buffer.empty()) break;
    dropped += buffer.size();
  }
  co_return Result<>{};
}

// The last word on this connection.
net::Task<> explain(Browser& browser, Error why, http::Asker asker) {
  const std::string trace = make_id("t");
  log::debug("a browser's request was refused", {{"trace", trace}, {"why", why}});
  const std::string page = http::refusal(why, trace, asker);
  [[maybe_unused]] const auto said =
      co_await net::with_timeout(say_and_close(browser.stream(), page), http::kGoodbyeTime);
}

Result<> may_show(const LocalCa* ca, const Origin& to) {
  const auto refuse = [&](std::string why, std::string reason) {
    return std::unexpected(Error{Code::kDenied, to_text(to) + why, std::move(reason), Hop::kAgent});
  };
  if (ca == nullptr)
    return refuse(
        " can be served under its own name only with a certificate authority of this machine, and there is none; "
        "portolan web-ca --help says what it is. Under its local name it needs none: see http://localhost",
        "no_local_ca");
  if (!ca->covers(to.authority.host))
    return refuse(
        " is none of the hosts that this machine's certificate authority was made for; see: portolan web-ca show",
        "not_in_local_ca");
  if (ca->ended())
    return refuse(": this machine's certificate authority has ended; see: portolan web-ca show", "local_ca_ended");
  return {};
}

}  // namespace

Proxy::Proxy(const net::Executor& executor, ProxyOptions options, Applications& applications, Changes& changes)
    : options_(std::move(options)),
      ca_(options_.home),
      applications_(applications),
      changes_(changes),
      state_{net::to_text(options_.at), "failed", {}, {}},
      port_(options_.at.port),
      admission_(executor, {.waiting = 1024, .silence = options_.silence},
                 [this](std::unique_ptr<net::TcpStream> stream) { begin(std::move(stream)); }),
      tasks_(executor) {}

void Proxy::start() {
  listen();
  if (!listener_) log::warn("no web proxy; give another port with --web-proxy", {{"why", state_.reason.value_or("")}});
  if (!listener_ || state_.held_by) tasks_.spawn("retry-web-proxy", retry());
}

void Proxy::listen() {
  auto listener = net::listen_tcp(tasks_.executor(), options_.at, [this](std::unique_ptr<net::TcpStream> stream) {
    admission_.add(std::move(stream));
  });
  api::LocalPort state{net::to_text(options_.at), "listening", {}, {}};
  if (listener) {
    listener_ = std::move(*listener);
    state.address = net::to_text(listener_->local());
    port_ = listener_->local().port;
  } else {
    const auto holder = net::find_port_holder(options_.at);
    state.state = "failed";
    state.reason = holder ? "port " + std::to_string(options_.at.port) + " is held by " + net::to_text(*holder) +
                                "; another can be given with: portolan agent --web-proxy"
                          : listener.error().message;
    if (holder) state.held_by = to_local(*holder);
  }
  state_ = std::move(state);
  if (listener_) listen_beside();
  changes_.note();
}

// A machine without IPv6 needs none. Somebody else there gets some of what browsers send to *.localhost.
void Proxy::listen_beside() {
  if (options_.at.host != "127.0.0.1" && options_.at.host != "localhost") return;
  const net::Endpoint at{"::1", port_};
  auto listener = net::listen_tcp(
      tasks_.executor(), at, [this](std::unique_ptr<net::TcpStream> stream) { admission_.add(std::move(stream)); });
  state_.reason.reset();
  state_.held_by.reset();
  if (listener) {
    beside_ = std::move(*listener);
    return;
  }
  const auto holder = net::find_port_holder(at);
  if (!holder || holder->pid == getpid()) return;
  state_.held_by = to_local(*holder);
  state_.reason = net::to_text(at) + " is held by " + net::to_text(*holder) +
                  ", and browsers may take it for this proxy; end that program";
  log::warn("somebody else listens beside the web proxy", {{"who", net::to_text(*holder)}});
}

net::Task<> Proxy::retry() {
  while (!listener_ || state_.held_by) {
    const auto slept = co_await net::sleep_for(kRetryPort);
    if (!slept || stopping_) co_return;
    if (!listener_) {
      listen();
    } else {
      listen_beside();
      changes_.note();
    }
  }
}

void Proxy::begin(std::unique_ptr<net::TcpStream> stream) {
  if (stopping_ || tasks_.size() >= options_.connections) return;
  tasks_.spawn("browser", serve(std::move(stream)));
}

net::Task<> Proxy::serve(std::unique_ptr<net::TcpStream> stream) {
  if (auto owner = check_owner(*stream, options_.allowed_users); !owner) {
    // They could else take all the room that there is for the person's own connections.
    if (foreigners_ >= kForeigners) co_return;
    ++foreigners_;
    const std::string trace = make_id("t");
    log::warn("connection turned away", {{"port", port_}, {"trace", trace}, {"why", owner.error()}});
    if (const protocols::Protocol* http = protocols::find_protocol("http"))
      co_await http->refuse(std::move(stream), std::move(owner).error().at(Hop::kAgent), trace, kRefuseLimit);
    --foreigners_;
    co_return;
  }
  co_await serve_requests(
      std::make_shared<Browser>(std::move(stream), judge(std::nullopt), Browser::Connect::kAllowed));
}

net::Task<> Proxy::serve_requests(std::shared_ptr<Browser> browser) {
  milliseconds limit = options_.head_limit;
  for (bool more = true; more; limit = options_.idle_limit) {
    const auto come = co_await net::with_timeout(browser->next(), limit);
    if (!come) co_return;
    more = co_await serve_one(*browser);
  }
}

net::Task<bool> Proxy::serve_one(Browser& browser) {
  const Result<Destination> to = browser.pending().destination;
  if (!to) {
    co_await explain(browser, to.error(), browser.pending().asker());
    co_return false;
  }
  switch (to->kind) {
    case Destination::Kind::kOwnPage: co_return co_await serve_own(browser);
    case Destination::Kind::kApplication: co_return co_await serve_application(browser, to->application);
    case Destination::Kind::kTunnel: break;
  }
  co_await serve_tunnel(browser, to->tunnel);
  co_return false;
}

net::Task<bool> Proxy::serve_own(Browser& browser) {
  const BrowserRequest request = browser.take_pending();
  const bool whole = request.framing.kind == http::Framing::Kind::kNone && !request.upgrade;
  const bool stays = whole && http::keeps_alive(request.head.version, request.head.fields);
  const std::string answer =
      own_answer(request.head, {applications_.status(), applications_.web_resources(), {options_.at.host, port_}},
                 stays ? OnConnection::kStays : OnConnection::kCloses);
  if (!stays) {
    [[maybe_unused]] const auto said =
        co_await net::with_timeout(say_and_close(browser.stream(), answer), kAnswerLimit);
    co_return false;
  }
  const auto written = co_await net::with_timeout(net::write(browser.stream(), as_bytes(answer)), kAnswerLimit);
  co_return written.has_value();
}

net::Task<bool> Proxy::serve_application(Browser& browser, std::string name) {
  if (auto usable = applications_.usable(name); !usable) {
    co_await explain(browser, std::move(usable).error(), browser.pending().asker());
    co_return false;
  }
  auto requests = browser.requests(name);
  const auto over = co_await net::wait_for_call(
      [&](net::CallBack then) { applications_.carry(name, std::move(requests), std::move(then)); });
  if (over) co_return browser.goes_on();
  if (browser.may_explain() && !browser.pending().destination)
    co_await explain(browser, browser.pending().destination.error(), browser.pending().asker());
  co_return false;
}

// An application that has no TLS itself is asked without it: browsers use tunnels for WebSockets of both kinds.
Result<Origin> Proxy::tunnel_to(const http::Authority& to) const {
  const auto names = applications_.names();
  http::RequestHead head;
  head.scheme = to.port == http::default_port_of("https") ? "https" : "http";
  head.authority = http::print(to, head.scheme);
  PL_TRY(const Asked asked, whom(head, {port_, nullptr, names.get()}));
  if (asked.kind == Asked::Kind::kReal) {
    for (const Application::Host& host : asked.application->hosts) {
      if (!host.real || host.real->authority.host != to.host || host.real->port() != asked.origin.port()) continue;
      PL_CHECK(applications_.usable(asked.application->name));
      return *host.real;
    }
  }
  return std::unexpected(
      Error{Code::kDenied, "tunnels lead to the own hosts of web applications only", "misdirected", Hop::kAgent});
}

net::Task<> Proxy::serve_tunnel(Browser& browser, http::Authority to) {
  const http::Asker asker = browser.pending().asker();
  auto origin = tunnel_to(to);
  if (!origin) {
    co_await explain(browser, std::move(origin).error(), asker);
    co_return;
  }
  auto stream = co_await open_tunnel(browser, *origin);
  if (!stream && browser.has_stream()) {
    co_await explain(browser, std::move(stream).error(), asker);
    co_return;
  }
  if (!stream) {
    log::debug("no tunnel to an application", {{"to", to_text(*origin)}, {"why", stream.error()}});
    co_return;
  }
  co_await serve_requests(
      std::make_shared<Browser>(std::move(*stream), judge(std::move(*origin)), Browser::Connect::kRefused));
}

net::Task<Result<std::unique_ptr<net::Stream>>> Proxy::open_tunnel(Browser& browser, Origin to) {
  std::shared_ptr<const LocalCa> ca;
  if (to.scheme == "https") {
    CO_TRY(ca, ca_.get());
    CO_CHECK(may_show(ca.get(), to));
  }
  constexpr std::string_view kOpen = "HTTP/1.1 200 Connection established\r\n\r\n";
  std::unique_ptr<net::Stream> stream = browser.take_stream();
  CO_CHECK(co_await net::with_timeout(net::write(*stream, as_bytes(kOpen)), kAnswerLimit));
  if (!ca) co_return stream;
  auto within = co_await accept_tls(std::move(stream), to.authority.host, *ca, kTlsLimit);
  co_return within;
}

Judge Proxy::judge(std::optional<Origin> tunnel) const {
  return [this, tunnel = std::move(tunnel)](http::RequestHead& head) -> Result<Destination> {
    const auto names = applications_.names();
    PL_TRY(const Asked asked, whom(head, {port_, tunnel ? &*tunnel : nullptr, names.get()}));
    PL_CHECK(check_sender(head, asked));
    if (asked.kind == Asked::Kind::kOwnPage) return Destination{};
    if (tunnel) head.scheme = tunnel->scheme;
    return Destination{Destination::Kind::kApplication, asked.application->name, {}};
  };
}

void Proxy::release() {
  stopping_ = true;
  listener_.reset();
  beside_.reset();
}

net::Task<> Proxy::stop() {
  release();
  tasks_.cancel();
  co_await tasks_.join();
}

}  // namespace portolan::client::web
