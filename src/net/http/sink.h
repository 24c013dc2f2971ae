// Inside net/http/ only: the server's Sink, and the one way in which a server writes to its client.
#pragma once
#include <chrono>
#include <cstddef>
#include <string_view>

#include "net/http/codec.h"
#include "net/http/server.h"

namespace portolan::net::http {

// Writes all, each 64 KiB within `limit`, so that a large answer over a slow network is no slow reader.
Task<Result<>> write_within(Stream& stream, std::string_view bytes, std::chrono::milliseconds limit);

// Reads and drops what the client still sends, up to a limit: closing on unread bytes makes the system send a reset,
// which can overtake the last answer (RFC 9112 §9.6).
Task<Result<>> drop_input(Stream& stream);

// Borrows what it is made of; lives while its handler runs.
class StreamSink final : public Sink {
 public:
  enum class Mode { kChunked, kUntilClose /* HTTP/1.0 */, kHeadOnly /* HEAD */ };
  StreamSink(Stream& stream, Reader& reader, const ServerOptions& options, Mode mode, Persist persist)
      : stream_(stream), reader_(reader), options_(options), mode_(mode), persist_(persist) {}

  Task<Result<>> begin(Response head) override;
  Task<Result<>> send(std::string_view piece) override;
  Task<Result<>> closed() override;
  // Marks the end of a complete answer.
  Task<Result<>> end();

  bool begun() const { return begun_; }
  // Nothing more can be told to the client.
  bool broken() const { return broken_; }

 private:
  Task<Result<>> put(std::string_view bytes);

  Stream& stream_;
  Reader& reader_;
  const ServerOptions& options_;
  Mode mode_;
  Persist persist_;
  bool begun_ = false;
  bool broken_ = false;
};

}  // namespace portolan::net::http
