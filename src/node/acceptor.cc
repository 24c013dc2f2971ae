#include "node/acceptor.h"

#include <algorithm>

#include "base/log.h"
#include "net/proxy_protocol.h"

namespace portolan::node {

Acceptor::Acceptor(const net::Executor& executor, std::shared_ptr<const net::TlsServer> tls, const NodeOptions& options,
                   OnLink on_link)
    : tls_(std::move(tls)),
      handshakes_(options.handshakes),
      limit_(options.handshake_limit),
      balancers_(options.proxy_protocol_from),
      on_link_(std::move(on_link)),
      strangers_(Clock::real()),
      balanced_(executor, {.waiting = 1024, .silence = options.handshake_limit},
                [this](std::unique_ptr<net::TcpStream> stream) {
                  spawn("read-proxy-header", read_proxy_header(std::move(stream)));
                }),
      admission_(executor, {.waiting = 1024, .silence = options.handshake_limit},
                 [this](std::unique_ptr<net::TcpStream> stream) { spoke(std::move(stream)); }),
      tasks_(executor) {}

void Acceptor::add(std::unique_ptr<net::TcpStream> stream) {
  if (!balancers_.empty() && net::any_contains(balancers_, stream->peer())) return balanced_.add(std::move(stream));
  admission_.add(std::move(stream));
}

// Who is behind the balancer may well be silent once the header is there: it waits as others do.
net::Task<> Acceptor::read_proxy_header(std::unique_ptr<net::TcpStream> stream) {
  const auto read = co_await net::with_timeout(net::take_proxy_header(*stream), limit_);
  if (read) {
    if (!stopping_) admission_.add(std::move(stream));
  } else {
    log::debug("connection without a PROXY header refused", {{"peer", stream->describe()}, {"why", read.error()}});
  }
}

void Acceptor::spoke(std::unique_ptr<net::TcpStream> stream) {
  if (!on_plain_ || stream->peek() != tunnel::kPrefaceFirst) return begin(std::move(stream));
  spawn("read-preface", read_preface(std::move(stream)));
}

void Acceptor::begin(std::unique_ptr<net::Stream> stream) { spawn("prove", prove(std::move(stream))); }

void Acceptor::spawn(std::string name, net::Task<> task) {
  // Beyond the cap the handshake that has taken longest makes room: an honest one takes a few round trips, so that who
  // holds many open keeps nobody out.
  if (tasks_.size() >= handshakes_) tasks_.cancel_oldest();
  if (tasks_.size() < 2 * handshakes_ && !stopping_) tasks_.spawn(std::move(name), std::move(task));
}

net::Task<> Acceptor::read_preface(std::unique_ptr<net::TcpStream> stream) {
  std::array<std::byte, tunnel::kPrefaceBytes> preface{};
  const auto read = co_await net::with_timeout(net::read_exactly(*stream, preface), limit_);
  const auto ticket = read ? tunnel::decode_preface(preface) : Result<tunnel::Ticket>(std::unexpected(read.error()));
  if (ticket) {
    on_plain_(std::move(stream), *ticket);
  } else {
    log::debug("connection refused", {{"peer", stream->describe()}, {"why", ticket.error()}});
  }
}

// Strangers are logged at debug level only: they must not fill the log.
net::Task<> Acceptor::prove(std::unique_ptr<net::Stream> stream) {
  const std::string peer = stream->describe();
  const auto proven = co_await prove_within(std::move(stream));
  if (!proven) log::debug("connection refused", {{"peer", peer}, {"why", proven.error()}});
}

net::Task<Result<>> Acceptor::prove_within(std::unique_ptr<net::Stream> stream) {
  const auto deadline = std::chrono::steady_clock::now() + limit_;
  const auto left = [&] {
    return std::max(std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()),
                    std::chrono::milliseconds(1));
  };
  CO_TRY(auto tls, co_await tls_->accept(std::move(stream), limit_));
  if (!tunnel::is_for_link(*tls)) {
    co_await strangers_.answer(std::move(tls), left());
    co_return Result<>{};
  }
  CO_TRY(auto accepted,
         co_await tunnel::accept_link_over(std::move(tls), {.pipe = tunnel::LinkOptions::PipeParts{}}, left()));
  on_link_(std::move(accepted));
  co_return Result<>{};
}

net::Task<> Acceptor::stop() {
  stopping_ = true;  // who speaks only now would be waited for
  tasks_.cancel();
  co_await tasks_.join();
}

}  // namespace portolan::node
