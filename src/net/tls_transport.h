// What lies between OpenSSL and the stream below: a BIO that reads the blocks that the stream lends, and that collects
// what OpenSSL writes into one batch per turn of the loop, so that about four records leave with one write. Idle, it
// holds no block. For net/ only.
#pragma once
#include <functional>
#include <memory>
#include <optional>

#include <openssl/bio.h>

#include "net/ready_slot.h"
#include "net/stream.h"

namespace portolan::net {

class SocketStream;

class TlsTransport {
 public:
  // `on_progress` is called when a flush has made room, has completed or has failed; it destroys nothing.
  TlsTransport(std::unique_ptr<Stream> below, std::function<void()> on_progress);
  TlsTransport(const TlsTransport&) = delete;
  TlsTransport& operator=(const TlsTransport&) = delete;
  ~TlsTransport();

  // A BIO for SSL_set_bio, which takes it over. It refers to this.
  BIO* make_bio();

  // Whether bytes have been read below and not yet taken by OpenSSL.
  bool has_input() const { return !in_.empty(); }
  // Whether the next read would most likely find nothing.
  bool drained() const;
  // Room for bytes that carry data: what is kept back is for alerts and key updates, which must never fail for want of
  // it.
  std::size_t room() const;
  std::size_t pending() const { return end_ - begin_; }
  void flush();
  void flush_later();
  // Half-closes the stream below when everything has been handed to it.
  void close_when_flushed();
  // As Stream::unsent(), with all layers below.
  std::size_t unsent() const;

  Stream& below() { return *below_; }
  const Stream& below() const { return *below_; }
  bool ended() const { return ended_; }  // the stream below has ended
  const std::optional<Error>& read_error() const { return read_error_; }
  const std::optional<Error>& write_error() const { return write_error_; }

 private:
  friend struct TlsBio;
  enum class ReadStatus { kData, kWait, kOver };
  ReadStatus read(std::span<std::byte> into, std::size_t& n);
  std::size_t write(ByteView bytes);
  std::size_t append(ByteView bytes);
  void all_written();
  void fail_writing(Error error);
  void release();

  std::unique_ptr<Stream> below_;
  SocketStream* socket_;  // below_ if it is a socket: then OpenSSL's buffer is filled without a copy
  std::function<void()> on_progress_;
  Buffer in_;  // lent and not yet taken by OpenSSL
  std::byte* batch_ = nullptr;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  ReadySlot flush_;
  bool waiting_below_ = false;
  bool closing_ = false;
  bool closed_ = false;
  bool ended_ = false;
  std::optional<Error> read_error_;
  std::optional<Error> write_error_;
};

}  // namespace portolan::net
