// Stream: the abstract byte stream that everything above the sockets sees: TCP, TLS over any stream, a stream of a mux,
// a pair in memory. Readiness-based, so that the copying phase (join.h) is a callback machine without a coroutine or a
// buffer per waiting stream; the coroutine calls below are built on it and serve handshakes and parsing.
//
// One owner (unique_ptr), one thread. At most one waiter for reading and one for writing at a time. Callbacks run from
// the loop, never within the call that registers them, and never after the stream's destruction, which closes it at
// once.
#pragma once
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "net/buffer.h"
#include "net/task.h"

namespace portolan::net {

// What a read found.
struct Chunk {
  enum class Kind {
    kData,  // `buffer` lends at least one byte; it is the caller's until it is destroyed
    kWait,  // nothing there now: wait_readable()
    kEnd,   // the peer has half-closed; no more will come
  };
  Kind kind = Kind::kWait;
  Buffer buffer = {};
};

class Stream {
 public:
  using Ready = std::move_only_function<void()>;

  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  virtual ~Stream() = default;

  // ---- without waiting ----
  // Takes what has arrived. An error is final: the stream can only be destroyed.
  virtual Result<Chunk> try_read() = 0;
  // Accepts as many leading bytes as it can now and gives their number; 0 means: wait_writable(). Accepted bytes go on
  // without further calls (a TLS stream or mux collects them until the end of the loop's turn), unless the stream is
  // destroyed.
  virtual Result<std::size_t> try_write(ByteView bytes) = 0;
  // Half-closes after all that was accepted: the peer reads it to the end and may still answer. Idempotent; gives the
  // error once the stream has failed, also when that happens after the first call.
  virtual Result<> shutdown_send() = 0;
  // Bytes accepted (the half-close counts as one) that have not been handed to the layer below.
  virtual std::size_t unsent() const = 0;

  // ---- waiting ----
  // Calls `ready` once when try_read() would not give kWait. Replaces a waiter that is there. It may be called too
  // early (what arrived was no whole record): the caller then gets kWait and waits again. `ready` may destroy the
  // stream.
  virtual void on_readable(Ready ready) = 0;
  // Calls `ready` once when try_write() would accept something, or, after shutdown_send(), when unsent() is 0, or on
  // failure.
  virtual void on_writable(Ready ready) = 0;
  // Forgets the waiter without calling it.
  virtual void cancel_readable() = 0;
  virtual void cancel_writable() = 0;

  virtual const Executor& executor() const = 0;
  // For messages and logs: "127.0.0.1:5432", "tls gateway.example:5000".
  virtual std::string describe() const = 0;
};

// ---- the same as coroutines; each fails with kCancelled when its task is cancelled ----

Task<Result<>> wait_readable(Stream& stream);
Task<Result<>> wait_writable(Stream& stream);
// The next bytes; an empty buffer is the end of the stream.
Task<Result<Buffer>> read(Stream& stream);
// All bytes, or an error after which the stream can only be destroyed. `bytes` lives until the task ends.
Task<Result<>> write(Stream& stream, ByteView bytes);
// Half-closes and waits until everything has been handed down, at most `limit`.
Task<Result<>> finish(Stream& stream, std::chrono::milliseconds limit);

// Reads with look-ahead, for parsers: collects bytes until there are enough, within a limit set by the caller.
// Borrows the stream; what it has read too much stays in it (take_rest()).
class Reader {
 public:
  explicit Reader(Stream& stream) : stream_(stream) {}
  // Waits until at least n bytes are there (data() may hold more). Code::kEof if the stream ends before; n is checked
  // by the caller against its protocol's limit before it asks.
  Task<Result<>> fill(std::size_t n);
  ByteView data() const { return ByteView(bytes_).subspan(begin_); }
  void consume(std::size_t n);
  // Waits for and takes exactly n bytes.
  Task<Result<Bytes>> take(std::size_t n);
  // Unconsumed bytes; the reader is empty afterwards. A protocol that starts TLS in mid-stream must find this empty
  // (anchors: plaintext injected before the handshake).
  Bytes take_rest();
  bool empty() const { return begin_ == bytes_.size(); }

 private:
  Stream& stream_;
  Bytes bytes_;
  std::size_t begin_ = 0;
};

// A stream that first yields `head` (bytes that a Reader took too many) and then what `rest` yields.
std::unique_ptr<Stream> prepend(Bytes head, std::unique_ptr<Stream> rest);

}  // namespace portolan::net
