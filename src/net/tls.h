// TLS as a Stream over any Stream: a TCP socket, or a stream of another link, which is all that end-to-end encryption
// is. OpenSSL directly on the stream below (a BIO on try_read/try_write), with 64 KiB of read-ahead and coalesced
// writes; see docs/performance rules in docs/architecture.md. No renegotiation, no 0-RTT, no compression.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crypto/certificate.h"
#include "crypto/key.h"
#include "net/stream.h"

namespace portolan::net {

// Error::reason where the peer's certificate is by an authority that is not known here, where ours is by one that is
// not known there, and where ours is refused for what else it is (ended, revoked, of a kind that will not do).
inline constexpr std::string_view kUnknownAuthority = "tls_untrusted";
inline constexpr std::string_view kRefusedAuthority = "tls_refused";
inline constexpr std::string_view kCertificateRefused = "tls_certificate_refused";
// Error::reason where the server chooses none of the protocols that were offered.
inline constexpr std::string_view kNoAlpn = "tls_no_alpn";

// What a process shows of itself.
struct TlsIdentity {
  std::vector<crypto::Certificate> chain;  // leaf first
  std::shared_ptr<const crypto::PrivateKey> key;
};

enum class TlsVersions { kOnly13, k12And13 };  // ours; 1.2 for resources and their clients that have no more

struct TlsClientOptions {
  TlsVersions versions = TlsVersions::kOnly13;
  std::vector<std::string> alpn;  // offered, in order; if any is given, the server must choose one of them
  std::optional<TlsIdentity> identity;
  // The authorities that the peer's chain must end in. Empty with system_trust: the machine's own store.
  std::vector<crypto::Certificate> trust;
  bool system_trust = false;
  bool tell_trust = false;   // names the authorities of `trust` to the server (RFC 8446 §4.2.4)
  bool verify_chain = true;  // false only for a resource whose settings say so
  std::string server_name;   // SNI; a host name, or empty
  std::string verify_host;   // the DNS name or IP address that the leaf must bear; empty: not checked
  // The last word on a leaf whose chain is proven, in the handshake: which identity is wanted. No other is taken.
  std::function<Result<>(const crypto::Certificate& leaf)> accept_peer;
};

// One purpose of a listening port: one ALPN, with its own identity, trust and session context.
struct TlsServerPurpose {
  std::vector<std::string> alpn;  // protocols it serves; empty: for clients that offer none
  std::string server_name;        // empty: any
  TlsIdentity identity;
  // Shown instead to a client that tells that it trusts their issuer: the first of which it does.
  std::vector<TlsIdentity> for_telling_clients = {};
  bool require_client_certificate = false;
  std::vector<crypto::Certificate> client_trust;
  std::function<Result<>(const crypto::Certificate& leaf)> accept_peer;
};

class TlsStream : public Stream {
 public:
  // The peer's proven leaf; none if it showed none.
  virtual const std::optional<crypto::Certificate>& peer() const = 0;
  // What the peer sent of its chain, leaf first, proven or not: only to show it to a person, who then decides what to
  // believe.
  virtual std::vector<crypto::Certificate> shown_chain() const {
    return peer() ? std::vector<crypto::Certificate>{*peer()} : std::vector<crypto::Certificate>();
  }
  virtual std::string alpn() const = 0;         // empty: none was negotiated
  virtual std::string server_name() const = 0;  // what the client asked for
  // RFC 8446 §7.5; the same at both ends, different for every connection.
  virtual Bytes exporter(std::string_view label, std::size_t length) const = 0;
};

// A context is made once per purpose and shared by its connections; immutable, thread-safe.
class TlsClient {
 public:
  static Result<std::shared_ptr<const TlsClient>> make(TlsClientOptions options);
  virtual ~TlsClient() = default;
  // Takes the stream and shakes hands within `limit`. Errors say what the peer or the check said.
  virtual Task<Result<std::unique_ptr<TlsStream>>> connect(std::unique_ptr<Stream> below,
                                                           std::chrono::milliseconds limit) const = 0;
};

class TlsServer {
 public:
  // The purpose is selected by the client's ALPN and server name before any certificate is shown; none fits: the
  // handshake is refused.
  static Result<std::shared_ptr<const TlsServer>> make(std::vector<TlsServerPurpose> purposes,
                                                       TlsVersions versions = TlsVersions::kOnly13);
  virtual ~TlsServer() = default;
  virtual Task<Result<std::unique_ptr<TlsStream>>> accept(std::unique_ptr<Stream> below,
                                                          std::chrono::milliseconds limit) const = 0;
};

}  // namespace portolan::net
