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
                 [this](std::unique_ptr<net::TcpStream> stream) { begin(std::move(stream)); }),
      tasks_(executor) {}

void Acceptor::begin(std::unique_ptr<net::Stream> stream) {
  // Beyond the cap the handshake that has taken longest makes room: an honest one takes a few round trips, so that who
  // holds many open keeps nobody out.
  if (tasks_.size() >= handshakes_) tasks_.cancel_oldest();
  if (tasks_.size() < 2 * handshakes_) tasks_.spawn("prove", prove(std::move(stream)));
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
  tasks_.cancel();
  co_await tasks_.join();
}

}  // namespace portolan::node
