#include "node/acceptor.h"

#include "base/log.h"

namespace portolan::node {

Acceptor::Acceptor(const net::Executor& executor, std::shared_ptr<const net::TlsServer> tls, const NodeOptions& options,
                   OnLink on_link)
    : tls_(std::move(tls)),
      handshakes_(options.handshakes),
      limit_(options.handshake_limit),
      on_link_(std::move(on_link)),
      admission_(executor, {.waiting = 1024, .silence = options.handshake_limit},
                 [this](std::unique_ptr<net::TcpStream> stream) { spoke(std::move(stream)); }),
      tasks_(executor) {}

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

net::Task<> Acceptor::prove(std::unique_ptr<net::Stream> stream) {
  const std::string peer = stream->describe();
  auto accepted = co_await tunnel::accept_link(std::move(stream), tls_,
                                               {.handshake_limit = limit_, .pipe = tunnel::LinkOptions::PipeParts{}});
  if (!accepted) {
    // Strangers are logged at debug level only: they must not fill the log.
    log::debug("connection refused", {{"peer", peer}, {"why", accepted.error()}});
    co_return;
  }
  on_link_(std::move(*accepted));
}

net::Task<> Acceptor::stop() {
  stopping_ = true;  // who speaks only now would be waited for
  tasks_.cancel();
  co_await tasks_.join();
}

}  // namespace portolan::node
