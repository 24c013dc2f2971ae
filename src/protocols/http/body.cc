#include "protocols/http/body.h"

#include <algorithm>
#include <charconv>

namespace portolan::protocols::http {
namespace {

std::unexpected<Error> bad(std::string what) { return fail(Code::kProtocol, std::move(what), "bad_message"); }

}  // namespace

BodyReader::BodyReader(Framing framing) : left_(framing.length) {
  switch (framing.kind) {
    case Framing::Kind::kNone: state_ = State::kDone; break;
    case Framing::Kind::kLength: state_ = framing.length == 0 ? State::kDone : State::kCounted; break;
    case Framing::Kind::kChunked: state_ = State::kChunkLine; break;
    case Framing::Kind::kUntilClose: state_ = State::kToTheEnd; break;
  }
}

Result<BodyReader::Taken> BodyReader::take(std::string_view data) {
  switch (state_) {
    case State::kToTheEnd: return Taken{data.size(), data};
    case State::kCounted:
    case State::kChunk: {
      const std::string_view body =
          data.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left_, data.size())));
      left_ -= body.size();
      if (left_ == 0) state_ = state_ == State::kCounted ? State::kDone : State::kChunkEnd;
      return Taken{body.size(), body};
    }
    case State::kChunkLine: return take_chunk_line(data);
    case State::kChunkEnd:
      if (data[0] != '\r' || (data.size() > 1 && data[1] != '\n')) return bad("a chunk is longer than its size");
      if (data.size() < 2) return Taken{};
      state_ = State::kChunkLine;
      return Taken{2, {}};
    case State::kTrailers: return take_trailers(data);
    case State::kDone: break;
  }
  return Taken{};
}

Result<BodyReader::Taken> BodyReader::take_chunk_line(std::string_view data) {
  const std::string_view head = data.substr(0, kChunkLineLimit);
  const std::size_t feed = head.find('\n');
  const std::string_view line = head.substr(0, std::min(feed, head.size()));
  const std::size_t turn = line.find('\r');
  if (turn != std::string_view::npos && turn + 1 < line.size()) return bad("a lone CR in a chunk's line");
  if (feed == std::string_view::npos) {
    if (data.size() >= kChunkLineLimit) return bad("a chunk's line is too long");
    return Taken{};
  }
  if (turn == std::string_view::npos) return bad("a chunk's line does not end with CR LF");
  const std::string_view text = line.substr(0, turn);
  std::uint64_t size = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), size, 16);
  const std::size_t digits = static_cast<std::size_t>(read.ptr - text.data());
  // from_chars takes a minus sign.
  if (read.ec != std::errc() || digits == 0 || digits > 16 || text[0] == '-' || size > (1ULL << 62))
    return bad("bad chunk size " + quoted(text));
  const std::string_view extension = text.substr(digits);
  if (!extension.empty()) {
    if (!trimmed(extension).starts_with(';') || !is_field_value(extension))
      return bad("bad chunk size " + quoted(text));
    extensions_ += extension.size();
    if (extensions_ > kChunkExtensions) return bad("too many chunk extensions");
  }
  left_ = size;
  state_ = size == 0 ? State::kTrailers : State::kChunk;
  return Taken{feed + 1, {}};
}

Result<BodyReader::Taken> BodyReader::take_trailers(std::string_view data) {
  PL_TRY(const auto length, trailers_end_.find(data));
  if (!length) return Taken{};
  PL_TRY(trailers_, parse_fields(data.substr(0, *length)));
  state_ = State::kDone;
  return Taken{*length, {}};
}

Result<> BodyReader::end() {
  if (state_ == State::kToTheEnd) state_ = State::kDone;
  if (!done()) return fail(Code::kEof, "the connection ended before the message did");
  return {};
}

}  // namespace portolan::protocols::http
