#include "tunnel/pipe_core.h"

#include <algorithm>
#include <bit>
#include <span>

namespace portolan::tunnel {
namespace {

// After the last byte that was written before the link: so long those who look at it may take.
constexpr std::chrono::seconds kLateTime{1};

void put_head(Bytes& out, PipeFrame type, std::size_t length) {
  const std::array<std::byte, kPipeHead> head = encode_pipe_head(type, length);
  out.insert(out.end(), head.begin(), head.end());
}

void put(Bytes& out, PipeFrame type, std::uint64_t number) {
  put_head(out, type, sizeof number);
  const std::uint64_t swapped = std::byteswap(number);
  const ByteView bytes = std::as_bytes(std::span(&swapped, 1));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

}  // namespace

// ---- above ----

std::size_t PipeCore::room() const {
  if (finished_) return 0;
  const std::size_t held = buffer_.size();
  const std::size_t in_window = window_ - std::min(window_, held);
  const std::size_t in_backlog = options_.backlog - std::min(options_.backlog, unsent());
  const std::size_t in_budget = std::max(budget_->left(), options_.assured - std::min(options_.assured, held));
  return std::min({in_window, in_backlog, in_budget});
}

std::size_t PipeCore::write(ByteView bytes) {
  if (buffer_.size() + bytes.size() > window_) grow_window();
  const std::size_t n = std::min(bytes.size(), room());
  if (n > 0) buffer_.append(bytes.first(n));
  return n;
}

// Only a link that takes everything is held up by the window.
void PipeCore::grow_window() {
  if (attached_ && unsent() < options_.backlog && buffer_.size() >= window_ / 2)
    window_ = std::min(window_ * 2, options_.largest_window);
}

// ---- links ----

bool PipeCore::possible(std::uint64_t peer_received, std::uint64_t peer_written) const {
  return peer_received >= acked_ && peer_received <= highest_ && peer_written >= received_;
}

void PipeCore::attach(std::uint64_t peer_received, std::uint64_t peer_written, Bytes first, BootTime now) {
  attached_ = true;
  acked_ = sent_ = peer_received;
  buffer_.drop(std::min(peer_received, buffer_.end()));
  control_ = std::move(first);
  control_taken_ = 0;
  inline_from_ = control_.size();
  told_ = received_;
  ack_by_.reset();
  late_upto_ = peer_written;
  late_by_ = now - last_heard_;
  late_until_ = now + kLateTime;
  if (last_heard_ == BootTime{}) late_by_ = {};
  last_heard_ = progress_at_ = now;
}

void PipeCore::freeze(BootTime now) {
  if (!std::exchange(attached_, false)) return;
  detached_since_ = now;
  control_.clear();
  control_taken_ = 0;
  data_left_ = 0;
  end_in_control_ = false;
  part_size_ = 0;
  payload_left_ = 0;
  pong_.reset();
  asked_.reset();
  sample_.reset();
  ack_by_.reset();
  ping_ = suspicious_ = dead_ = stalled_ = false;
}

// ---- to the link ----

bool PipeCore::ack_is_due(BootTime now) const {
  return received_ - told_ >= options_.ack_every || (ack_by_ && now >= *ack_by_);
}

// Frames that fit before the next DATA frame, its head, and all of it if it is small. The memory stays, for the next.
void PipeCore::put_control(BootTime now) {
  control_.clear();
  control_taken_ = 0;
  if (gone_) {
    if (!std::exchange(gone_said_, true)) put_head(control_, PipeFrame::kGone, 0);
    inline_from_ = control_.size();
    return;
  }
  const std::uint64_t unsent_data = buffer_.end() - std::min(sent_, buffer_.end());
  const bool end = finished_ && unsent_data == 0 && sent_ < written();
  const bool speaks = unsent_data > 0 || end || pong_ || ping_;
  if (received_ > told_ && (speaks || ack_is_due(now))) {
    put(control_, PipeFrame::kAck, received_);
    told_ = received_;
    ack_by_.reset();
  }
  if (pong_) put(control_, PipeFrame::kPong, *std::exchange(pong_, std::nullopt));
  if (std::exchange(ping_, false))
    put(control_, PipeFrame::kPing, static_cast<std::uint64_t>(now.time_since_epoch().count()));
  if (unsent_data > 0) {
    data_left_ = static_cast<std::size_t>(std::min<std::uint64_t>(unsent_data, kLongestPipeData));
    put_head(control_, PipeFrame::kData, data_left_);
  } else if (end) {
    put(control_, PipeFrame::kEnd, buffer_.end());
    end_in_control_ = true;
  }
  inline_from_ = control_.size();
  if (data_left_ > options_.in_one_piece) return;
  for (std::uint64_t at = sent_; data_left_ > 0;) {
    const ByteView part = buffer_.at(at, data_left_);
    control_.insert(control_.end(), part.begin(), part.end());
    data_left_ -= part.size();
    at += part.size();
  }
}

ByteView PipeCore::output(BootTime now) {
  if (!attached_) return {};
  if (control_taken_ == control_.size() && data_left_ == 0) put_control(now);
  if (control_taken_ < control_.size()) return ByteView(control_).subspan(control_taken_);
  if (data_left_ > 0) return buffer_.at(sent_, data_left_);
  return {};
}

void PipeCore::taken(std::size_t n, BootTime now) {
  if (n == 0) return;
  if (acked_ == sent_) progress_at_ = now;
  if (control_taken_ < control_.size()) {
    const std::size_t before = std::max(control_taken_, inline_from_);
    control_taken_ += n;
    sent_ += std::max(control_taken_, inline_from_) - before;
    if (control_taken_ == control_.size() && std::exchange(end_in_control_, false)) ++sent_;
  } else {
    sent_ += n;
    data_left_ -= n;
  }
  highest_ = std::max(highest_, sent_);
  if (!sample_ && sent_ > acked_) sample_ = Sample{sent_, now};
}

// ---- from the link ----

void PipeCore::note_received(std::size_t n, BootTime now) {
  if (received_ < late_upto_ && received_ + n >= late_upto_) late_until_ = now + kLateTime;
  received_ += n;
  if (!ack_by_) ack_by_ = now + options_.ack_within;
}

Result<PipeCore::Input> PipeCore::take(ByteView bytes, BootTime now) {
  Input input;
  while (input.skip < bytes.size()) {
    if (payload_left_ > 0) {
      input.payload = std::min(payload_left_, bytes.size() - input.skip);
      payload_left_ -= input.payload;
      note_received(input.payload, now);
      return input;
    }
    const std::size_t known = std::min(part_size_, kPipeHead);
    std::size_t wanted = kPipeHead;
    if (known == kPipeHead) {
      PL_TRY(const PipeHead head, decode_pipe_head(ByteView(part_).first(kPipeHead)));
      wanted += head.length;
    }
    const std::size_t n = std::min(wanted - part_size_, bytes.size() - input.skip);
    std::ranges::copy(bytes.subspan(input.skip, n), part_.begin() + static_cast<std::ptrdiff_t>(part_size_));
    part_size_ += n;
    input.skip += n;
    if (part_size_ >= kPipeHead) PL_CHECK(take_control(now));
  }
  return input;
}

// A head is there, and perhaps all of its frame.
Result<> PipeCore::take_control(BootTime now) {
  PL_TRY(const PipeHead head, decode_pipe_head(ByteView(part_).first(kPipeHead)));
  if (head.length > kLongestPipeControl && head.type != PipeFrame::kData)
    return fail(Code::kProtocol, "an attach on a link that is attached");
  if (head.type != PipeFrame::kData && part_size_ < kPipeHead + head.length) return {};
  part_size_ = 0;
  ByteReader body(ByteView(part_).subspan(kPipeHead, kLongestPipeControl));
  if (peer_end_ != Peer::kOpen && (head.type == PipeFrame::kData || head.type == PipeFrame::kEnd))
    return fail(Code::kProtocol, "bytes behind the end of a pipe");
  switch (head.type) {
    case PipeFrame::kData: payload_left_ = head.length; return {};
    case PipeFrame::kAck: return take_ack(body.u64(), now);
    case PipeFrame::kEnd:
      if (body.u64() != received_) return fail(Code::kProtocol, "a pipe's end elsewhere than where it is");
      peer_end_ = Peer::kEnded;
      note_received(1, now);
      return {};
    case PipeFrame::kPing: pong_ = body.u64(); return {};
    case PipeFrame::kPong: asked_.reset(); return {};
    case PipeFrame::kGone:
      left_ = true;
      if (peer_end_ == Peer::kOpen) peer_end_ = Peer::kGone;
      return {};
    default: return fail(Code::kProtocol, "an attach on a link that is attached");
  }
}

Result<> PipeCore::take_ack(std::uint64_t upto, BootTime now) {
  if (upto < acked_ || upto > sent_)
    return fail(Code::kProtocol, "an acknowledgement of what was not sent, or was acknowledged before");
  if (upto > acked_) progress_at_ = now;
  acked_ = upto;
  buffer_.drop(std::min(upto, buffer_.end()));
  if (sample_ && upto >= sample_->upto) {
    const auto measured = now - sample_->sent;
    round_trip_ = round_trip_ ? (*round_trip_ * 7 + measured) / 8 : measured;
    sample_.reset();
  }
  return {};
}

// ---- time ----

std::chrono::nanoseconds PipeCore::suspicion() const {
  if (asked_ && ask_limit_.count() > 0) return ask_limit_;
  return std::max<std::chrono::nanoseconds>(options_.suspicion, round_trip_.value_or(std::chrono::nanoseconds(0)) * 4);
}

BootTime PipeCore::answer_expected_since() const { return std::max(last_heard_, asked_ ? *asked_ : progress_at_); }

BootTime PipeCore::next_time() const {
  if (!attached_) return BootTime::max();
  BootTime next = asked_ ? BootTime::max() : last_heard_ + options_.probe_after;
  // While the link takes nothing, an acknowledgement has to wait, too.
  const bool busy = control_taken_ < control_.size() || data_left_ > 0;
  if (ack_by_ && !busy) next = std::min(next, *ack_by_);
  if (owed()) {
    const BootTime since = answer_expected_since();
    next = std::min(next, since + (suspicious_ ? options_.silence_limit : suspicion()));
    if (acked_ < sent_) next = std::min(next, progress_at_ + options_.stall_limit);
  }
  return next;
}

void PipeCore::on_time(BootTime now) {
  if (!attached_) return;
  if (!asked_ && now >= last_heard_ + options_.probe_after) ask({}, now);
  const auto silence = now - answer_expected_since();
  suspicious_ = owed() && silence >= suspicion();
  dead_ = owed() && silence >= options_.silence_limit;
  stalled_ = acked_ < sent_ && now - progress_at_ >= options_.stall_limit;
}

void PipeCore::ask(std::chrono::milliseconds limit, BootTime now) {
  if (!attached_) return;
  ping_ = true;
  ask_limit_ = limit;
  asked_ = now;
}

std::chrono::milliseconds PipeCore::lateness(BootTime now) const {
  if (received_ >= late_upto_ && now > late_until_) return std::chrono::milliseconds(0);
  return std::chrono::duration_cast<std::chrono::milliseconds>(late_by_);
}

}  // namespace portolan::tunnel
