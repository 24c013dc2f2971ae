// Who owns the other end of a loopback connection: sock_diag(7), one exact look-up of the connection with its ends
// swapped.
//
// The kernel's answer is believed only if it is that very connection and a process holds it: without an exact match the
// kernel answers with a listener on that port, and a socket that its process has closed is reported as root's.
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <cerrno>
#include <cstring>

#include "net/socket_stream.h"
#include "net/system_error.h"

namespace portolan::net {

namespace {

struct Question {
  nlmsghdr header = {};
  inet_diag_req_v2 body = {};
};

void put(std::uint32_t (&to)[4], const PlainAddress& from) {
  if (from.is_ipv4) {
    std::memcpy(to, from.bytes + 12, 4);
  } else {
    std::memcpy(to, from.bytes, 16);
  }
}

PlainAddress plain(int family, const std::uint32_t (&address)[4], std::uint16_t network_port) {
  SocketAddress as_socket;
  as_socket.storage.ss_family = static_cast<sa_family_t>(family);
  if (family == AF_INET) {
    auto& in = reinterpret_cast<sockaddr_in&>(as_socket.storage);
    std::memcpy(&in.sin_addr, address, 4);
    in.sin_port = network_port;
  } else {
    auto& in6 = reinterpret_cast<sockaddr_in6&>(as_socket.storage);
    std::memcpy(&in6.sin6_addr, address, 16);
    in6.sin6_port = network_port;
  }
  return net::plain(as_socket);
}

Question ask_for(const PlainAddress& theirs, const PlainAddress& ours) {
  Question question;
  question.header.nlmsg_len = sizeof(question);
  question.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  question.header.nlmsg_flags = NLM_F_REQUEST;
  question.body.sdiag_family = theirs.is_ipv4 ? AF_INET : AF_INET6;
  question.body.sdiag_protocol = IPPROTO_TCP;
  question.body.idiag_states = ~0U;
  put(question.body.id.idiag_src, theirs);
  put(question.body.id.idiag_dst, ours);
  question.body.id.idiag_sport = htons(theirs.port);
  question.body.id.idiag_dport = htons(ours.port);
  question.body.id.idiag_cookie[0] = question.body.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  return question;
}

std::unexpected<Error> not_here() { return fail(Code::kNotFound, "the peer is not a process on this machine"); }

Result<uid_t> read_answer(ByteView answer, const PlainAddress& theirs, const PlainAddress& ours) {
  nlmsghdr header;
  if (answer.size() < sizeof(header)) return not_here();
  std::memcpy(&header, answer.data(), sizeof(header));
  inet_diag_msg body;
  if (header.nlmsg_type != SOCK_DIAG_BY_FAMILY || answer.size() < NLMSG_HDRLEN + sizeof(body)) return not_here();
  std::memcpy(&body, answer.data() + NLMSG_HDRLEN, sizeof(body));
  const bool is_it = plain(body.idiag_family, body.id.idiag_src, body.id.idiag_sport) == theirs &&
                     plain(body.idiag_family, body.id.idiag_dst, body.id.idiag_dport) == ours;
  const bool connected = body.idiag_state == TCP_ESTABLISHED || body.idiag_state == TCP_CLOSE_WAIT ||
                         body.idiag_state == TCP_FIN_WAIT1 || body.idiag_state == TCP_FIN_WAIT2;
  const bool held_by_a_process = body.idiag_inode != 0;
  if (!is_it || !connected || !held_by_a_process) return not_here();
  return body.idiag_uid;
}

}  // namespace

Result<uid_t> user_of_peer(const SocketAddress& local, const SocketAddress& peer) {
  const auto ours = plain(local);
  const auto theirs = plain(peer);
  if (ours.port == 0 || theirs.port == 0) return not_here();
  const UniqueFd netlink(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG));
  if (!netlink) return io_error("socket diagnostics", errno);
  const auto question = ask_for(theirs, ours);
  sockaddr_nl kernel = {};
  kernel.nl_family = AF_NETLINK;
  if (::sendto(netlink.get(), &question, sizeof(question), 0, reinterpret_cast<sockaddr*>(&kernel), sizeof(kernel)) <
      0) {
    return io_error("socket diagnostics", errno);
  }
  // The kernel answers within the send.
  alignas(nlmsghdr) std::byte answer[4096];
  const auto n = ::recv(netlink.get(), answer, sizeof(answer), MSG_DONTWAIT);
  if (n < 0) return io_error("socket diagnostics", errno);
  return read_answer(ByteView(answer, static_cast<std::size_t>(n)), theirs, ours);
}

}  // namespace portolan::net
