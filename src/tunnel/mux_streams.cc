// What one stream of a mux can do: read, write, half-close, reset; and how a CONNECT is answered.
#include <algorithm>

#include "base/log.h"
#include "tunnel/fields.h"
#include "tunnel/mux_core.h"
#include "tunnel/refusal.h"

namespace portolan::tunnel {
namespace {

// What is remembered of a stream that writes much.
constexpr std::size_t kRemembered = 4 * kLittle;
// Of one link, whose headers are taken whatever other links hold.
constexpr std::size_t kAssuredStreams = 16;

}  // namespace

Result<net::Chunk> MuxCore::read(StreamState& s) {
  if (s.answered && !s.inbox.empty()) {
    net::Buffer buffer = s.inbox.take();
    note_taken(s, buffer.size());
    if (s.closed || s.receive_ended) return net::Chunk{net::Chunk::Kind::kData, std::move(buffer)};
    if (const std::uint32_t credit = credit_for(s)) {
      nghttp2_submit_window_update(session_, NGHTTP2_FLAG_NONE, s.id, static_cast<std::int32_t>(credit));
      schedule_flush();
    }
    return net::Chunk{net::Chunk::Kind::kData, std::move(buffer)};
  }
  if (s.answered && s.receive_ended) return net::Chunk{net::Chunk::Kind::kEnd, {}};
  if (s.failure) return std::unexpected(*s.failure);
  return net::Chunk{net::Chunk::Kind::kWait, {}};
}

Result<std::size_t> MuxCore::write(StreamState& s, ByteView bytes) {
  if (s.failure) return std::unexpected(*s.failure);
  if (s.send_ended) return fail(Code::kInvalid, "write after the half-close");
  const std::size_t n = std::min(bytes.size(), writable_bytes(s, bytes.size()));
  if (n == 0) return std::size_t{0};
  s.offered = bytes.first(n);
  nghttp2_session_resume_data(session_, s.id);
  pump_out();
  const std::size_t accepted = n - std::exchange(s.offered, {}).size();
  if (accepted > 0) s.marks[static_cast<std::size_t>(s.lane)] = outbox_.appended(s.lane);
  s.recent = std::min(written_lately(s) + accepted, kRemembered);
  s.recent_at = outbox_.flushed();
  if (contended_ && s.lane == Lane::kBulk) s.turn_used += accepted;
  use_promise(s, accepted);
  schedule_flush();
  return accepted;
}

// Of `wanted` bytes, for which it chooses the lane.
std::size_t MuxCore::writable_bytes(StreamState& s, std::size_t wanted) {
  const auto window = std::min(nghttp2_session_get_remote_window_size(session_),
                               nghttp2_session_get_stream_remote_window_size(session_, s.id));
  std::size_t room = kBatch - std::min(kBatch, outbox_.pending(Lane::kBulk));
  if (contended_) room = std::min(room, kShare - std::min(kShare, s.turn_used));
  s.lane = Lane::kBulk;
  if (light(s, wanted) || (room == 0 && light(s, kPiece))) {
    s.lane = Lane::kFirst;
    room = std::min(kLittle - written_lately(s), kFirstLane - outbox_.pending(Lane::kFirst));
  }
  return std::min({wanted, room, static_cast<std::size_t>(std::max(window, 0))});
}

// A stream wants little if it has lately written less than half of its fair share of what went down, but for a little.
bool MuxCore::light(const StreamState& s, std::size_t n) const {
  return s.marks[1] <= outbox_.flushed(Lane::kBulk) && outbox_.pending(Lane::kFirst) + n <= kFirstLane &&
         written_lately(s) + n <= kLittle;
}

std::size_t MuxCore::written_lately(const StreamState& s) const {
  const std::uint64_t forgotten = (outbox_.flushed() - s.recent_at) / (2 * (writers_.size() + 1));
  return s.recent - static_cast<std::size_t>(std::min<std::uint64_t>(s.recent, forgotten));
}

Result<> MuxCore::shutdown_send(StreamState& s) {
  if (s.failure && !(s.end_framed && unsent(s) == 0)) return std::unexpected(*s.failure);
  if (s.send_ended) return {};
  s.send_ended = true;
  use_promise(s, kShare);
  nghttp2_session_resume_data(session_, s.id);
  pump_out();  // if the window is empty, nghttp2 keeps the end back until the peer gives credit
  schedule_flush();
  return {};
}

std::size_t MuxCore::unsent(const StreamState& s) const {
  std::uint64_t framed = 0;
  for (const Lane lane : {Lane::kFirst, Lane::kBulk}) {
    const std::uint64_t mark = s.marks[static_cast<std::size_t>(lane)];
    framed += mark - std::min(mark, outbox_.flushed(lane));
  }
  return static_cast<std::size_t>(framed) + (s.send_ended && !s.end_framed ? 1 : 0);
}

void MuxCore::set_failure(StreamState& s, Error why) {
  if (!s.failure) s.failure = std::make_unique<Error>(std::move(why));
}

// Whether so much more may be held for the peer, in a budget that others share. What the link is assured of it may hold
// in any case.
bool MuxCore::may_hold(const Budget* shared, std::size_t more) const {
  return shared == nullptr || buffered_ + queued_ + more <= options_.assured || more <= shared->left();
}

// Charged until the stream is gone, as who answers a request keeps its headers meanwhile.
bool MuxCore::keep_header(StreamState& s, std::size_t size) const {
  if (!s.budget) return true;
  if (streams_.size() > kAssuredStreams && size > s.budget->left()) return false;
  s.header_bytes += size;
  s.budget->take(size);
  return true;
}

// What its peer is to be given. By how much its window is larger than at first is noted in the budget that it is
// charged to, so that the windows of all links together stay within what may be held.
std::uint32_t MuxCore::credit_for(StreamState& s) {
  Windows::Room room{options_.budget - std::min(options_.budget, buffered_), SIZE_MAX};
  if (s.budget) room = {std::min(room.left, s.budget->left()), s.budget->left_to_promise()};
  const std::uint32_t before = s.window.size;
  const std::uint32_t credit = windows_.credit(s.window, s.inbox.size(), room);
  if (s.budget) s.budget->promise(s.window.size, before);
  return credit;
}

// nghttp2 knows it no more.
void MuxCore::close_state(StreamState& s) {
  s.closed = true;
  const std::uint32_t before = s.window.size;
  windows_.close(s.window);
  if (s.budget) s.budget->promise(s.window.size, before);
}

void MuxCore::note_taken(const StreamState& s, std::size_t n) {
  buffered_ -= n;
  if (s.budget) s.budget->give_back(n);
}

void MuxCore::drop_inbox(StreamState& s) {
  note_taken(s, s.inbox.size());
  s.inbox.clear();
}

void MuxCore::reset(StreamState& s, Error why, std::uint32_t code) {
  set_failure(s, std::move(why));
  drop_inbox(s);
  s.receive_ended = false;
  if (s.closed || s.held) return;
  s.reset_here = true;
  if (hold_reset(s, code)) return schedule_flush();
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, s.id, code);
  schedule_flush();
}

void MuxCore::release(StreamState& s) {
  s.on_readable = nullptr;
  s.on_writable = nullptr;
  use_promise(s, kShare);
  s.answer_event.reset();
  reset(s, Error{Code::kCancelled, "the stream was closed", {}, Hop::kUnknown}, NGHTTP2_CANCEL);
}

void MuxCore::accept(StreamState& s, const net::http::Headers& answer) {
  if (s.failure || s.closed) return;
  s.answered = true;
  const auto fit = check_headers(answer, options_.header_bytes);
  if (!fit)
    log::error("the answer to a stream was sent without its headers", {{"link", name_}, {"error", fit.error()}});
  Fields fields(":status", "200");
  if (fit) fields.add(answer);
  const nghttp2_data_provider source = source_of(s);
  nghttp2_submit_response(session_, s.id, fields.data(), fields.size(), &source);
  schedule_flush();
}

void MuxCore::refuse(StreamState& s, const Error& why) {
  drop_inbox(s);
  if (s.failure || s.closed) return;
  set_failure(s, why);
  s.reset_here = true;
  const Refusal refusal = to_refusal(why);
  const std::string status = std::to_string(refusal.status);
  Fields fields(":status", status);
  fields.add(refusal.headers);
  nghttp2_submit_response(session_, s.id, fields.data(), fields.size(), nullptr);
  // The answer must be framed before the reset, or nghttp2 drops it; the reset stops an opener that is still writing
  // (RFC 9113 §8.1).
  pump_out();
  if (!s.closed) nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, s.id, NGHTTP2_NO_ERROR);
  schedule_flush();
}

}  // namespace portolan::tunnel
