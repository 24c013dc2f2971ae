// Mux: many streams over one, as HTTP/2 (RFC 9113, nghttp2): each is a CONNECT (RFC 9113 §8.5). The opener has HTTP/2's
// client role, whoever dialled. A callback machine: no coroutine and no buffer per stream; what streams write is framed
// into one output batch per turn of the loop. Streams that want much take turns, and those that want little go before
// them (lanes.h).
//
// Flow control: a stream's window says how much its peer may send before the reader takes it; credit goes back only
// when the bytes were taken, so a reader that stops makes its writer stop. Windows follow bandwidth × delay. The
// connection's window goes back on receipt, so that one stopped reader never stalls the rest. Received and untaken
// bytes of all streams are bounded by MuxOptions::budget, and by budgets that many links share: the stream that would
// exceed one is reset.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "net/http/message.h"
#include "net/stream.h"
#include "tunnel/budget.h"

namespace portolan::tunnel {

// Error::reason of a link that was drained, and whose last stream has ended.
inline constexpr std::string_view kDrained = "drained";

struct MuxOptions {
  std::uint32_t stream_window = 256 * 1024;         // at first
  std::uint32_t largest_window = 16 * 1024 * 1024;  // it grows up to here with bandwidth × delay (windows.h)
  std::uint32_t connection_window = 64 * 1024 * 1024;
  std::size_t budget = 64 * 1024 * 1024;     // received and not yet taken, of all streams
  std::shared_ptr<Budget> shared = nullptr;  // with other links: for that, for frames that wait, and for headers
  std::size_t assured = 256 * 1024;          // of it, whatever other links hold: what one stream may send at once
  std::uint32_t max_streams = 4096;          // that the peer may have open
  std::size_t header_bytes = 16 * 1024;      // of one request or answer
  std::uint32_t last_stream_id = 1U << 29;   // no streams are opened here from this number on
  std::chrono::milliseconds probe_after = std::chrono::seconds(15);   // silence before a PING; 0: never
  std::chrono::milliseconds probe_limit = std::chrono::seconds(10);   // silence after it before the link counts as dead
  std::chrono::milliseconds drained_limit = std::chrono::seconds(1);  // for the last bytes of a link that was drained;
                                                                      // 0: until below has handed them down, or failed
  const Clock* clock = &Clock::real();                                // outlives the mux
};

// What a CONNECT asks for.
struct OpenRequest {
  std::string authority;            // a node id, or a resource id
  net::http::Headers headers = {};  // names begin with "portolan-"
  // Not sent: what is received for the stream here is charged to it, not to MuxOptions::shared.
  std::shared_ptr<Budget> charged = nullptr;
};

// A stream of a mux. Destroying it before both directions have ended resets it (CANCEL).
class MuxStream : public net::Stream {
 public:
  // The opener's side: done when the peer has accepted; the peer's refusal as an Error (with its hop, code and text).
  // The opener may write before that (it saves a round trip); reading waits for the answer and gives the refusal too.
  virtual net::Task<Result<>> answered(std::chrono::milliseconds limit) = 0;
  // Headers of the peer's answer; empty before it.
  virtual const net::http::Headers& answer() const = 0;
  // Ends the stream at once and tells the peer why, if the answer is not sent yet; else as destruction.
  virtual void abort() = 0;
};

// The acceptor's side of a CONNECT that has not been answered. Destroying it refuses it as Code::kInternal.
class Incoming {
 public:
  virtual ~Incoming() = default;
  virtual const OpenRequest& request() const = 0;
  // Whose the stream is, where a link carries those of many: what is held for it is charged to `to` from now on, not to
  // MuxOptions::shared.
  virtual void charge(std::shared_ptr<Budget> to) = 0;
  virtual std::unique_ptr<MuxStream> accept(net::http::Headers answer = {}) = 0;
  // Sends the error as the refusal of docs/wire.md ("Refusals"): status, code, hop, text of at most 512 bytes.
  virtual void refuse(const Error& why) = 0;
};

class Mux {
 public:
  enum class Role { kOpener, kAcceptor };
  using OnIncoming = std::move_only_function<void(std::unique_ptr<Incoming>)>;  // acceptor only; from the loop
  using OnEnd = std::move_only_function<void(const Error&)>;  // once; after it every stream has failed

  // Takes the stream below, on its loop. `on_incoming` may be empty for an opener.
  static std::unique_ptr<Mux> make(std::unique_ptr<net::Stream> below, Role role, MuxOptions options,
                                   OnIncoming on_incoming, OnEnd on_end);
  // Fails what is open with Code::kCancelled; streams may outlive the mux and then only report that.
  virtual ~Mux() = default;

  // A stream at once; Code::kLimit when the peer's limit of open streams is reached, the reason of the end when it has
  // ended.
  virtual Result<std::unique_ptr<MuxStream>> open(OpenRequest request) = 0;
  // Says that no more streams will be accepted or opened here; streams that live go on (GOAWAY). When the last of them
  // has ended, both sides end with Code::kUnavailable.
  virtual void drain() = 0;
  // Whether the peer has said so. What `heard` does is done once, from the loop: then, or soon if it has said so
  // already.
  virtual bool draining() const = 0;
  virtual void on_draining(std::function<void()> heard) = 0;
  // Tells the peer, then closes below and ends with `why`.
  virtual void close(Error why) = 0;
  virtual bool ended() const = 0;
  virtual std::size_t open_streams() const = 0;
  // Received and not yet taken, of all streams.
  virtual std::size_t buffered() const = 0;
  // The peer has been asked something, and is late: unless anything comes from it within `limit`, the link ends with
  // Code::kTimeout. No effect where there are no probes (MuxOptions::probe_after).
  virtual void probe(std::chrono::milliseconds limit) = 0;
  // One PING's round trip.
  virtual net::Task<Result<std::chrono::microseconds>> ping(std::chrono::milliseconds limit) = 0;
};

}  // namespace portolan::tunnel
