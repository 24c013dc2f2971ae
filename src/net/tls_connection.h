// One TLS connection: OpenSSL's state machine between a Stream above and a Stream below. For net/ only.
#pragma once
#include <memory>
#include <optional>

#include <openssl/ssl.h>

#include "crypto/openssl.h"
#include "net/ready_slot.h"
#include "net/tls.h"
#include "net/tls_transport.h"

namespace portolan::net {

enum class TlsRole { kClient, kServer };

class TlsConnection : public TlsStream {
 public:
  TlsConnection(SSL_CTX& context, TlsRole role, std::unique_ptr<Stream> below);
  ~TlsConnection() override;

  // Of the connection that OpenSSL calls back for.
  static TlsConnection& of(const SSL* ssl) { return *static_cast<TlsConnection*>(SSL_get_app_data(ssl)); }
  SSL* ssl() { return ssl_.get(); }
  // Callbacks say here why they end the handshake, better than an alert can.
  void refuse(Error why) { refusal_ = std::move(why); }
  // The authority, by name, of a certificate that is not accepted.
  void note_issuer(std::string name) { issuer_ = std::move(name); }
  void set_server_name(std::string name) { server_name_ = std::move(name); }

  Task<Result<>> handshake();
  // After a failed handshake: hands the alert down, half-closes, and waits for the peer to take note of it.
  Task<Result<>> say_goodbye();
  // How many records one key may protect.
  void set_records_per_key(std::uint64_t n) { records_per_key_ = n; }

  Result<Chunk> try_read() override;
  Result<std::size_t> try_write(ByteView bytes) override;
  Result<> shutdown_send() override;
  std::size_t unsent() const override { return transport_.unsent(); }
  void on_readable(Ready ready) override;
  void on_writable(Ready ready) override;
  void cancel_readable() override;
  void cancel_writable() override;
  const Executor& executor() const override { return transport_.below().executor(); }
  std::string describe() const override { return "tls " + transport_.below().describe(); }
  const std::optional<crypto::Certificate>& peer() const override { return peer_; }
  std::vector<crypto::Certificate> shown_chain() const override;
  std::string alpn() const override;
  std::string server_name() const override { return server_name_; }
  Bytes exporter(std::string_view label, std::size_t length) const override;

 private:
  enum class Blocked { kNo, kOnRead, kOnWrite };  // what a read waits for below

  Error explain(int ssl_error);
  void note_peer();
  void read_some(Buffer& into);
  Result<> write_record(ByteView bytes);
  bool can_write() const;
  void on_progress();

  TlsTransport transport_;  // outlives ssl_, whose BIO refers to it
  crypto::Owned<SSL, SSL_free> ssl_;
  std::optional<crypto::Certificate> peer_;
  std::string server_name_;
  std::optional<Error> refusal_;
  std::string issuer_;
  ReadySlot readable_;
  ReadySlot writable_;
  Blocked blocked_ = Blocked::kNo;
  bool shaken_ = false;
  bool drained_ = false;  // the last read took all there was: the next would most likely find nothing
  bool ended_ = false;    // close_notify has come
  bool half_closed_ = false;
  std::optional<Error> read_error_;
  std::optional<Error> write_error_;
  std::uint64_t records_ = 0;  // under the current sending key
  std::uint64_t records_per_key_ = std::uint64_t{1} << 23U;
};

}  // namespace portolan::net
