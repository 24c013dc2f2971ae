#include "net/tls_shake.h"

namespace portolan::net {

Task<Result<std::unique_ptr<TlsConnection>>> shake_hands(std::shared_ptr<const void>,
                                                         std::unique_ptr<TlsConnection> connection,
                                                         std::chrono::milliseconds limit) {
  auto shaken = co_await with_timeout(connection->handshake(), limit);
  if (shaken) co_return connection;
  auto error = std::move(shaken).error();
  const bool peer_is_there = error.code != Code::kCancelled && error.code != Code::kTimeout &&
                             error.code != Code::kIo && error.code != Code::kEof;
  if (peer_is_there) co_await connection->say_goodbye();
  co_return std::unexpected(std::move(error).within("tls handshake with " + connection->describe().substr(4)));
}

}  // namespace portolan::net
