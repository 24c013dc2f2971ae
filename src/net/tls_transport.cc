#include "net/tls_transport.h"

#include <algorithm>
#include <cstring>

#include "crypto/openssl.h"
#include "net/block_pool.h"
#include "net/socket_stream.h"

namespace portolan::net {

namespace {

// Four full records with their overhead fit into what is for data.
constexpr std::size_t kKeptForControl = 6 * 1024;
static_assert(kWideBlockSize - kKeptForControl >= 4 * (16 * 1024 + 256));

}  // namespace

// The callbacks of the BIO.
struct TlsBio {
  static TlsTransport& of(BIO* bio) { return *static_cast<TlsTransport*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* into, std::size_t size, std::size_t* n) {
    BIO_clear_retry_flags(bio);
    *n = 0;
    const auto status = of(bio).read(std::as_writable_bytes(std::span(into, size)), *n);
    if (status == TlsTransport::ReadStatus::kWait) BIO_set_retry_read(bio);
    return status == TlsTransport::ReadStatus::kData ? 1 : 0;
  }

  static int write(BIO* bio, const char* from, std::size_t size, std::size_t* n) {
    BIO_clear_retry_flags(bio);
    auto& transport = of(bio);
    *n = transport.write(std::as_bytes(std::span(from, size)));
    if (*n > 0) return 1;
    if (!transport.write_error_) BIO_set_retry_write(bio);
    return 0;
  }

  static long control(BIO* bio, int command, long, void*) {
    if (command == BIO_CTRL_FLUSH) return 1;  // at the end of the turn
    if (command == BIO_CTRL_EOF) return of(bio).ended_ ? 1 : 0;
    return 0;
  }

  static int create(BIO* bio) {
    BIO_set_init(bio, 1);
    return 1;
  }

  static const BIO_METHOD* method() {
    static const BIO_METHOD* const made = [] {
      auto* method =
          crypto::must(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "portolan stream"), "BIO_meth_new");
      BIO_meth_set_read_ex(method, read);
      BIO_meth_set_write_ex(method, write);
      BIO_meth_set_ctrl(method, control);
      BIO_meth_set_create(method, create);
      return method;
    }();
    return made;
  }
};

TlsTransport::TlsTransport(std::unique_ptr<Stream> below, std::function<void()> on_progress)
    : below_(std::move(below)),
      socket_(dynamic_cast<SocketStream*>(below_.get())),
      on_progress_(std::move(on_progress)),
      flush_(below_->executor(), ReadySlot::When::kTurnEnd) {}

TlsTransport::~TlsTransport() { release(); }

BIO* TlsTransport::make_bio() {
  BIO* bio = crypto::must(BIO_new(TlsBio::method()), "BIO_new");
  BIO_set_data(bio, this);
  return bio;
}

TlsTransport::ReadStatus TlsTransport::read(std::span<std::byte> into, std::size_t& n) {
  if (ended_ || read_error_) return ReadStatus::kOver;
  if (socket_ != nullptr) {
    const auto got = socket_->try_read_into(into);
    if (!got) {
      read_error_ = got.error();
      return ReadStatus::kOver;
    }
    if (!*got) return ReadStatus::kWait;
    n = **got;
    ended_ = n == 0;
    return ended_ ? ReadStatus::kOver : ReadStatus::kData;
  }
  if (in_.empty()) {
    auto chunk = below_->try_read();
    if (!chunk) {
      read_error_ = std::move(chunk).error();
      return ReadStatus::kOver;
    }
    if (chunk->kind == Chunk::Kind::kWait) return ReadStatus::kWait;
    ended_ = chunk->kind == Chunk::Kind::kEnd;
    if (ended_) return ReadStatus::kOver;
    in_ = std::move(chunk->buffer);
  }
  n = std::min(into.size(), in_.size());
  std::memcpy(into.data(), in_.data().data(), n);
  in_.consume(n);
  return ReadStatus::kData;
}

bool TlsTransport::drained() const { return socket_ != nullptr ? socket_->drained() : in_.empty(); }

// Takes as much as the whole block holds: the part for control records is guarded by room(), which data asks first.
std::size_t TlsTransport::write(ByteView bytes) {
  if (write_error_) return 0;
  if (pending() + bytes.size() > kWideBlockSize) flush();
  if (write_error_) return 0;
  const std::size_t n = append(bytes.first(std::min(bytes.size(), kWideBlockSize - pending())));
  if (n > 0) flush_later();
  return n;
}

std::size_t TlsTransport::append(ByteView bytes) {
  if (bytes.empty()) return 0;
  if (batch_ == nullptr) batch_ = take_wide_block();
  if (end_ + bytes.size() > kWideBlockSize) {
    std::memmove(batch_, batch_ + begin_, pending());
    end_ -= begin_;
    begin_ = 0;
  }
  std::memcpy(batch_ + end_, bytes.data(), bytes.size());
  end_ += bytes.size();
  return bytes.size();
}

std::size_t TlsTransport::room() const {
  const std::size_t for_data = kWideBlockSize - kKeptForControl;
  return for_data - std::min(for_data, pending());
}

void TlsTransport::flush_later() {
  if (flush_.waiting() || waiting_below_) return;
  flush_.set([this] { flush(); });
  flush_.fire();
}

void TlsTransport::flush() {
  if (write_error_ || waiting_below_) return;
  while (pending() > 0) {
    auto accepted = below_->try_write(ByteView(batch_ + begin_, pending()));
    if (!accepted) return fail_writing(std::move(accepted).error());
    begin_ += *accepted;
    if (*accepted > 0) continue;
    waiting_below_ = true;
    below_->on_writable([this] {
      waiting_below_ = false;
      flush();
    });
    break;
  }
  if (pending() == 0) all_written();
  on_progress_();
}

void TlsTransport::all_written() {
  release();
  if (!closing_) return;
  if (auto closed = below_->shutdown_send(); !closed) {
    write_error_ = std::move(closed).error();
    return;
  }
  closed_ = true;
  if (below_->unsent() == 0) return;
  waiting_below_ = true;
  below_->on_writable([this] {
    waiting_below_ = false;
    flush();
  });
}

void TlsTransport::fail_writing(Error error) {
  write_error_ = std::move(error);
  release();
  on_progress_();
}

void TlsTransport::close_when_flushed() {
  closing_ = true;
  flush_later();
}

std::size_t TlsTransport::unsent() const { return pending() + (closing_ && !closed_ ? 1 : 0) + below_->unsent(); }

void TlsTransport::release() {
  if (batch_ != nullptr) return_wide_block(std::exchange(batch_, nullptr));
  begin_ = end_ = 0;
}

}  // namespace portolan::net
