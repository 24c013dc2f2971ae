#include "net/tls_connection.h"

#include <algorithm>

#include <openssl/err.h>
#include <openssl/sslerr.h>

#include "net/tls_error.h"
#include "net/wait.h"

namespace portolan::net {

namespace {

constexpr std::size_t kRecordSize = 16 * 1024;
constexpr std::size_t kRecordOverhead = 256;  // more than any cipher of TLS 1.2 or 1.3 adds
constexpr std::chrono::milliseconds kGoodbyeLimit{500};
constexpr std::size_t kSmallRecord = 4 * 1024;

// Before whatever SSL_get_error() may be asked about; there is hardly ever anything to clear, which costs more than to
// look.
void clear_errors() {
  if (ERR_peek_error() != 0) ERR_clear_error();
}

}  // namespace

TlsConnection::TlsConnection(SSL_CTX& context, TlsRole role, std::unique_ptr<Stream> below)
    : transport_(std::move(below), [this] { on_progress(); }),
      ssl_(crypto::must(SSL_new(&context), "SSL_new")),
      readable_(transport_.below().executor()),
      writable_(transport_.below().executor()) {
  SSL_set_app_data(ssl_.get(), this);
  BIO* bio = transport_.make_bio();
  SSL_set_bio(ssl_.get(), bio, bio);
  if (role == TlsRole::kClient) {
    SSL_set_connect_state(ssl_.get());
  } else {
    SSL_set_accept_state(ssl_.get());
  }
}

TlsConnection::~TlsConnection() = default;

Task<Result<>> TlsConnection::handshake() {
  while (true) {
    clear_errors();
    const int shaken = SSL_do_handshake(ssl_.get());
    const int status = shaken == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), shaken);
    if (status == SSL_ERROR_NONE) break;
    const bool waits = status == SSL_ERROR_WANT_READ || status == SSL_ERROR_WANT_WRITE;
    if (!waits) co_return std::unexpected(explain(status));
    transport_.flush();
    if (status == SSL_ERROR_WANT_READ) {
      CO_CHECK(co_await wait_readable(transport_.below()));
    } else {
      CO_CHECK(co_await wait_writable(*this));
      if (transport_.write_error()) co_return std::unexpected(*transport_.write_error());
    }
  }
  transport_.flush();
  shaken_ = true;
  if (SSL_has_pending(ssl_.get()) == 0 && !transport_.has_input()) blocked_ = Blocked::kOnRead;
  note_peer();
  co_return Result<>{};
}

// The leaf alone speaks for the peer, and only after the verification of its chain has succeeded.
void TlsConnection::note_peer() {
  const bool asked = (SSL_get_verify_mode(ssl_.get()) & SSL_VERIFY_PEER) != 0;
  X509* leaf = SSL_get0_peer_certificate(ssl_.get());
  if (!asked || leaf == nullptr || SSL_get_verify_result(ssl_.get()) != X509_V_OK) return;
  X509_up_ref(leaf);
  peer_ = crypto::Certificate(std::shared_ptr<X509>(leaf, X509_free));
}

std::vector<crypto::Certificate> TlsConnection::shown_chain() const {
  std::vector<crypto::Certificate> out;
  const auto add = [&out](X509* certificate) {
    X509_up_ref(certificate);
    out.emplace_back(std::shared_ptr<X509>(certificate, X509_free));
  };
  X509* leaf = SSL_get0_peer_certificate(ssl_.get());
  if (leaf == nullptr) return out;
  add(leaf);
  // OpenSSL counts the leaf among the chain at a client, and not at a server.
  const STACK_OF(X509)* chain = SSL_get_peer_cert_chain(ssl_.get());
  for (int i = SSL_is_server(ssl_.get()) == 1 ? 0 : 1; i < sk_X509_num(chain); ++i) add(sk_X509_value(chain, i));
  return out;
}

namespace {

// Without this, closing a socket with unread bytes would reset the connection and could overtake the alert.
Task<Result<>> read_to_the_end(Stream& stream) {
  while (true) {
    CO_TRY(const auto got, co_await read(stream));
    if (got.empty()) co_return Result<>{};
  }
}

}  // namespace

Task<Result<>> TlsConnection::say_goodbye() {
  transport_.close_when_flushed();
  CO_CHECK(co_await with_timeout(read_to_the_end(transport_.below()), kGoodbyeLimit));
  co_return Result<>{};
}

Error TlsConnection::explain(int ssl_error) {
  const bool cut_off =
      ssl_error == SSL_ERROR_SYSCALL || ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
  auto from_openssl = explain_tls(ssl_.get());
  if (refusal_) return *refusal_;
  if (!issuer_.empty()) from_openssl.message += "; its issuer is " + quoted(issuer_);
  if (!cut_off) return from_openssl;
  if (transport_.read_error()) return *transport_.read_error();
  if (transport_.write_error()) return *transport_.write_error();
  return {Code::kEof, shaken_ ? "truncated: the peer closed the connection without a close_notify"
                              : "the peer closed the connection"};
}

Result<Chunk> TlsConnection::try_read() {
  if (std::exchange(drained_, false) && blocked_ != Blocked::kNo) return Chunk{};
  auto buffer = Buffer::take();
  if (!read_error_ && !ended_) read_some(buffer);
  drained_ = !buffer.empty() && blocked_ != Blocked::kNo;
  if (!buffer.empty()) return Chunk{Chunk::Kind::kData, std::move(buffer)};
  if (read_error_) return std::unexpected(*read_error_);
  return Chunk{ended_ ? Chunk::Kind::kEnd : Chunk::Kind::kWait};
}

void TlsConnection::read_some(Buffer& into) {
  blocked_ = Blocked::kNo;
  while (!into.spare().empty()) {
    clear_errors();
    std::size_t n = 0;
    const int got = SSL_read_ex(ssl_.get(), into.spare().data(), into.spare().size(), &n);
    into.grow(n);
    if (got == 1) {
      // A small record that was all there was: OpenSSL need not be asked in vain whether there is another.
      if (n >= kSmallRecord || !transport_.drained() || SSL_has_pending(ssl_.get()) != 0) continue;
      blocked_ = Blocked::kOnRead;
      return;
    }
    const int status = SSL_get_error(ssl_.get(), got);
    if (status == SSL_ERROR_WANT_READ) {
      blocked_ = Blocked::kOnRead;
    } else if (status == SSL_ERROR_WANT_WRITE) {
      blocked_ = Blocked::kOnWrite;
    } else if (status == SSL_ERROR_ZERO_RETURN) {
      ended_ = true;
    } else {
      read_error_ = explain(status).within("read from " + describe());
    }
    return;
  }
}

Result<std::size_t> TlsConnection::try_write(ByteView bytes) {
  if (write_error_) return std::unexpected(*write_error_);
  if (half_closed_) return fail(Code::kInternal, "write after half-close");
  std::size_t accepted = 0;
  while (accepted < bytes.size()) {
    const auto part = bytes.subspan(accepted, std::min(kRecordSize, bytes.size() - accepted));
    if (transport_.room() < part.size() + kRecordOverhead) transport_.flush();
    if (transport_.write_error()) break;
    if (transport_.room() < part.size() + kRecordOverhead) break;
    if (auto written = write_record(part); !written) {
      write_error_ = std::move(written).error();
      return std::unexpected(*write_error_);
    }
    accepted += part.size();
  }
  if (!transport_.write_error()) return accepted;
  // The peer may have said why it closed, in an alert that nobody has read yet.
  Buffer ignored = Buffer::take();
  if (!read_error_ && !ended_) read_some(ignored);
  write_error_ = read_error_ && read_error_->code != Code::kEof ? *read_error_ : *transport_.write_error();
  return std::unexpected(*write_error_);
}

// There is room for the record, so that nothing but a broken connection can make this fail.
Result<> TlsConnection::write_record(ByteView bytes) {
  if (++records_ >= records_per_key_ && SSL_version(ssl_.get()) >= TLS1_3_VERSION) {
    SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_NOT_REQUESTED);
    records_ = 0;
  }
  clear_errors();
  std::size_t n = 0;
  const int wrote = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &n);
  if (wrote == 1 && n == bytes.size()) return {};
  return std::unexpected(explain(SSL_get_error(ssl_.get(), wrote)).within("write to " + describe()));
}

Result<> TlsConnection::shutdown_send() {
  if (!write_error_ && transport_.write_error()) write_error_ = transport_.write_error();
  if (write_error_) return std::unexpected(*write_error_);
  if (half_closed_) return {};
  half_closed_ = true;
  clear_errors();
  // After a failed read OpenSSL must not be asked for more; what was accepted before still goes.
  if (!read_error_ && SSL_shutdown(ssl_.get()) < 0) write_error_ = explain_tls(ssl_.get());
  transport_.close_when_flushed();
  return {};
}

bool TlsConnection::can_write() const {
  if (write_error_ || transport_.write_error()) return true;
  return half_closed_ ? unsent() == 0 : transport_.room() >= kRecordSize + kRecordOverhead;
}

void TlsConnection::on_progress() {
  if (writable_.waiting() && can_write()) writable_.fire();
  if (blocked_ == Blocked::kOnWrite) readable_.fire();
}

void TlsConnection::on_readable(Ready ready) {
  if (blocked_ == Blocked::kOnRead && !read_error_ && !ended_) {
    transport_.below().on_readable([this, ready = std::move(ready)]() mutable {
      blocked_ = Blocked::kNo;
      ready();  // which may destroy this
    });
    return;
  }
  readable_.set(std::move(ready));
  const bool waits_for_room = blocked_ == Blocked::kOnWrite && transport_.pending() > 0 && !transport_.write_error();
  if (!waits_for_room) readable_.fire();
}

void TlsConnection::on_writable(Ready ready) {
  writable_.set(std::move(ready));
  if (can_write()) writable_.fire();
}

void TlsConnection::cancel_readable() {
  readable_.cancel();
  transport_.below().cancel_readable();
}

void TlsConnection::cancel_writable() { writable_.cancel(); }

std::string TlsConnection::alpn() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

Bytes TlsConnection::exporter(std::string_view label, std::size_t length) const {
  Bytes secret(length);
  auto* out = crypto::native_bytes(secret.data());
  const int made = SSL_export_keying_material(ssl_.get(), out, length, label.data(), label.size(), nullptr, 0, 0);
  crypto::must(made == 1, "SSL_export_keying_material");
  return secret;
}

}  // namespace portolan::net
