// An HTTP/2 connection to somebody else's server (RFC 9113), by nghttp2: one request at a time, its body and the
// answer's streamed in both directions at once. The server is hostile: what it may make us hold or do is bounded. No
// time-outs here: the caller has them. No Asio, no coroutine of its own: it works when its stream can be read or
// written.
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/stream.h"

namespace portolan::net::http {

using FieldPairs = std::vector<std::pair<std::string, std::string>>;

struct Http2ClientLimits {
  std::size_t header_bytes = 64 * 1024;  // of a head or of trailers, counted as RFC 9113 §6.5.2 does
  std::size_t window = 512 * 1024;       // of an answer's body, received and not yet taken
  std::size_t interim = 16;              // heads below 200 before the answer
  std::size_t idle_bytes = 1024 * 1024;  // that bring nothing, since the last that did
};

class Http2Client {
 public:
  // Takes a stream on which HTTP/2 was agreed on (ALPN), or is known to be spoken.
  explicit Http2Client(std::unique_ptr<Stream> stream, Http2ClientLimits limits = {});
  Http2Client(const Http2Client&) = delete;
  Http2Client& operator=(const Http2Client&) = delete;
  ~Http2Client();

  // Whether another request may be sent: the last one is over, and the server has not said goodbye.
  bool usable() const;

  enum class Body { kNone, kFollows };
  // Begins a request; pseudo-headers first. Names are in lower case.
  Result<> request(const FieldPairs& fields, Body body);
  // Returns when it has been framed, which waits for the server's window. `piece` lives until then.
  Task<Result<>> send(std::string_view piece);
  Task<Result<>> end(FieldPairs trailers);

  // The next head, ":status" first: those below 200, then the answer. Code::kUnavailable with reason "refused_stream"
  // if the server has done nothing with the request; "http_1_1_required" if it wants it by HTTP/1.1.
  Task<Result<FieldPairs>> head();
  // The next piece of the answer's body, valid until the next call; empty: at its end.
  Task<Result<std::string_view>> body();
  bool ready() const;  // whether body() would not wait
  // The answer has come to its end, and body() has given all of it.
  bool ended() const;
  const FieldPairs& trailers() const;
  // Gives up the request that is under way.
  void cancel();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace portolan::net::http
