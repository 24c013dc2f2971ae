#include "net/unsent.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "net/socket_stream.h"

namespace portolan::net {

void limit_unsent(Stream& stream) {
  const auto* socket = dynamic_cast<SocketStream*>(&stream);
  if (socket == nullptr) return;
  const int limit = kUnsentLimit;
  ::setsockopt(socket->fd(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &limit, sizeof(limit));
}

}  // namespace portolan::net
