// Link: one mutually authenticated TLS 1.3 connection between two Portolan processes, over any path (a TCP socket, or a
// stream of an outer link): TLS, hello, then the mux; between a client and an egress node with a pipe below it, which
// outlives the link (pipe.h). One purpose, one ALPN, one certificate profile (architecture §10.2); the identity is the
// proven leaf's one URI name.
#pragma once
#include <chrono>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/certificate.h"
#include "crypto/identity.h"
#include "net/tls.h"
#include "tunnel/attach.h"
#include "tunnel/hello.h"
#include "tunnel/mux.h"
#include "tunnel/pipe.h"

namespace portolan::tunnel {

enum class Purpose {
  kUser,     // client → gateway                    "portolan-user"      opener: client
  kNode,     // node → gateway, forward             "portolan-node"      opener: dialler
  kReverse,  // relay → gateway, reverse            "portolan-reverse"   opener: the gateway, who accepted the link
  kInner,    // client → egress, over a path         "portolan-inner"     opener: client
};
std::string_view alpn_of(Purpose purpose);

// Features of the hello (docs/wire.md, "Renewal"). kContinues: whoever accepts links lets an older one of the same name
// and key go on when a newer one comes. kSuccessor: the dialler means this link to take the place of one that it has;
// acceptors always set it.
inline constexpr std::uint64_t kContinues = 1U << 0U;
inline constexpr std::uint64_t kSuccessor = 1U << 1U;
// A pipe stands between hello and mux (docs/wire-pipe.md). Inner links only.
inline constexpr std::uint64_t kPipe = 1U << 2U;
// Spliced paths (docs/wire.md, "Tickets and spliced paths"): of a relay, that it dials them back when it is asked.
inline constexpr std::uint64_t kSplices = 1U << 3U;

struct Link {
  Purpose purpose = Purpose::kUser;
  std::string peer;                 // the proven URI name; of a cluster's worker its own
  crypto::Certificate certificate;  // the proven leaf
  Agreed agreed;
  Bytes binding;               // exporter "EXPORTER-portolan-binding", 32 bytes: what access assertions are bound to
  std::shared_ptr<Pipe> pipe;  // below the mux, if both sides know it: then all above is of its first link
  std::unique_ptr<Mux> mux;
};

// Everything a process needs to make links of its own accord. Immutable snapshot: replaced as a whole when a
// certificate is renewed.
struct LinkIdentity {
  net::TlsIdentity identity;
  std::vector<crypto::Certificate> node_trust;  // the node CA
  std::vector<crypto::Certificate> user_trust;  // the user CA; nodes only
};

// Whether `newer` was issued to the same key after `older`: who has proven it goes on, and so do older links of the
// same name (docs/wire.md, "Renewal").
bool succeeds(const crypto::Certificate& newer, const crypto::Certificate& older);

// Whether one of the authorities has issued the leaf; says nothing of time.
bool issued_by_any(const crypto::Certificate& leaf, const std::vector<crypto::Certificate>& authorities);

// Error::reason where a worker of the wanted cluster has answered that is not the wanted one: another attempt may reach
// that one.
inline constexpr std::string_view kOtherWorker = "other_worker";
// The dialler states which identity it wants, "spiffe://ORG/node/n-…" or "spiffe://ORG/cluster/c-…", and takes no
// other. `worker`: of a cluster, the name of the one node that will do; empty: any of them.
Result<std::shared_ptr<const net::TlsClient>> make_link_client(const LinkIdentity& own, Purpose purpose,
                                                               std::string wanted_peer, std::string worker = {});

// Whether a proven leaf may come in, beyond chain and profile: deny lists, the right kind of node.
using Admit = std::function<Result<>(const crypto::Certificate& leaf)>;
// The acceptor's TLS for a set of purposes on one port. `besides`: what else it answers, which is no link; each in a
// context of its own, as the purposes are.
Result<std::shared_ptr<const net::TlsServer>> make_link_server(const LinkIdentity& own, std::vector<Purpose> purposes,
                                                               Admit admit,
                                                               std::vector<net::TlsServerPurpose> besides = {});

struct LinkOptions {
  std::chrono::milliseconds handshake_limit = std::chrono::seconds(10);  // TLS and hello together
  MuxOptions mux = {};
  bool successor = false;  // dialler only: kSuccessor
  struct PipeParts {
    std::shared_ptr<Budget> budget;  // of this process
    PipeOptions options = {};
  };
  std::optional<PipeParts> pipe = {};  // inner links only; none: the mux stands on the link
};

net::Task<Result<std::unique_ptr<Link>>> dial_link(std::unique_ptr<net::Stream> path,
                                                   std::shared_ptr<const net::TlsClient> tls, Purpose purpose,
                                                   LinkOptions options, Mux::OnIncoming on_incoming, Mux::OnEnd on_end);

// The purpose is what the peer's ALPN says, one of those that `tls` serves. Since the purpose decides the mux role and
// what comes in on it, the mux is made by start_mux() after the caller has looked at peer and purpose.
struct AcceptedLink {
  Link link;  // without a mux yet
  FreshLink fresh;
  std::optional<Attach> attach = {};  // what the dialler has said of its pipe
  Bytes pipe_secret = {};             // of a pipe whose first link this is
};
net::Task<Result<AcceptedLink>> accept_link(std::unique_ptr<net::Stream> path,
                                            std::shared_ptr<const net::TlsServer> tls, LinkOptions options);
// The same once TLS stands; `limit` is for what is left. Code::kProtocol if it is for no purpose of links.
net::Task<Result<AcceptedLink>> accept_link_over(std::unique_ptr<net::TlsStream> stream, LinkOptions options,
                                                 std::chrono::milliseconds limit);
// Whether TLS stands for one of the purposes of links.
bool is_for_link(const net::TlsStream& stream);
std::unique_ptr<Link> start_mux(AcceptedLink accepted, LinkOptions options, Mux::OnIncoming on_incoming,
                                Mux::OnEnd on_end);

// A new link for a pipe, whose peer has proven the identity that `tls` wants; errors as of attach(). Tries no more than
// the handshake while the pipe has a link that has begun to answer meanwhile: then it is Code::kConflict.
net::Task<Result<>> resume_link(std::unique_ptr<net::Stream> path, std::shared_ptr<const net::TlsClient> tls,
                                std::shared_ptr<Pipe> pipe, std::chrono::milliseconds limit);
// The acceptor: gives an accepted link to the pipe that its attach names. What is refused is the caller's to tell.
std::expected<void, AttachRefusal> resume_pipe(AcceptedLink& accepted, Pipe& pipe);

}  // namespace portolan::tunnel
