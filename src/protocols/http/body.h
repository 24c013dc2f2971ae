// The body of an HTTP/1.1 message in a stream cut anywhere (RFC 9112 §6, §7). Pure, and without a copy: what is body is
// shown where it lies. Chunk extensions are bounded and dropped, trailers are parsed as strictly as a head.
#pragma once
#include "protocols/http/message.h"

namespace portolan::protocols::http {

inline constexpr std::size_t kChunkLineLimit = 1024;        // a size with its extensions
inline constexpr std::size_t kChunkExtensions = 16 * 1024;  // of one body, together
inline constexpr std::size_t kTrailersLimit = 16 * 1024;

class BodyReader {
 public:
  explicit BodyReader(Framing framing);

  struct Taken {
    std::size_t used = 0;        // leading bytes of the data; 0: it needs more than that
    std::string_view body = {};  // what of them is body
  };
  // `data` is not empty, and begins where what was used before has ended. Not called when done().
  Result<Taken> take(std::string_view data);
  // The stream has ended: Code::kEof unless that is how this body ends.
  Result<> end();
  bool done() const { return state_ == State::kDone; }
  // Whether the next byte is body, not framing.
  bool in_body() const { return state_ == State::kCounted || state_ == State::kToTheEnd || state_ == State::kChunk; }
  // Once it is done.
  const Fields& trailers() const { return trailers_; }

 private:
  enum class State { kCounted, kToTheEnd, kChunkLine, kChunk, kChunkEnd, kTrailers, kDone };
  Result<Taken> take_chunk_line(std::string_view data);
  Result<Taken> take_trailers(std::string_view data);

  State state_;
  std::uint64_t left_ = 0;  // of a body of known length, or of a chunk
  std::size_t extensions_ = 0;
  HeadEnd trailers_end_{HeadEnd::Begins::kWithFields, kTrailersLimit};
  Fields trailers_;
};

}  // namespace portolan::protocols::http
