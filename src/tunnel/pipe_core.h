// The machine of one end of a pipe (docs/wire-pipe.md), without streams, loops or clocks of its own, so that it can be
// cut at every byte in a test: bytes in, bytes out, and the time is told.
//
// Both ends count the bytes of the pipe's life. What the peer has not acknowledged is kept; when a link has died and
// the two have told each other over the next one how much they have, each goes on from there.
#pragma once
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/clock.h"
#include "tunnel/pipe_buffer.h"
#include "tunnel/pipe_frames.h"

namespace portolan::tunnel {

struct PipeOptions {
  std::size_t first_window = 512 * 1024;            // bytes that may be unacknowledged at first
  std::size_t largest_window = 16 * 1024 * 1024;    // it grows up to here where that is what holds up the writer
  std::size_t assured = 64 * 1024;                  // of it, whatever the other pipes of the process hold
  std::size_t backlog = 64 * 1024;                  // accepted and not yet taken by the link
  std::size_t in_one_piece = 4 * 1024;              // of a DATA frame, with its head: one record of TLS, not two
  std::size_t ack_every = 128 * 1024;               // received bytes that are acknowledged at once
  std::chrono::milliseconds ack_within{25};         // others; with what is sent anyhow, if that is sooner
  std::chrono::milliseconds suspicion{1'000};       // silence in spite of unacknowledged bytes; or 4 round trips
  std::chrono::milliseconds probe_after{15'000};    // silence before a ping
  std::chrono::milliseconds silence_limit{10'000};  // of one who owes us an answer: the link is dead
  std::chrono::milliseconds stall_limit{60'000};    // of one who talks but acknowledges nothing: the pipe is
  std::chrono::milliseconds grace{60'000};          // without a link
};

class PipeCore {
 public:
  PipeCore(PipeOptions options, std::shared_ptr<Budget> budget)
      : options_(options), buffer_(budget), budget_(std::move(budget)) {}

  // ---- above ----
  // Takes leading bytes as far as there is room, and gives their number.
  std::size_t write(ByteView bytes);
  std::size_t room() const;
  // Nothing will be written any more.
  void finish() { finished_ = true; }
  bool finished() const { return finished_; }
  // Accepted and not taken by the link that there is; the end counts as one.
  std::size_t unsent() const { return static_cast<std::size_t>(written() - sent_); }
  bool all_acknowledged() const { return acked_ == written(); }
  std::size_t unacknowledged() const { return static_cast<std::size_t>(written() - acked_); }

  // ---- links ----
  std::uint64_t received() const { return received_; }  // the end counts as one
  std::uint64_t written() const { return buffer_.end() + (finished_ ? 1 : 0); }
  // Whether a peer can have so much of ours, and have written so much.
  bool possible(std::uint64_t peer_received, std::uint64_t peer_written) const;
  // A new link, on which the peer has told that; `first` goes before all else.
  void attach(std::uint64_t peer_received, std::uint64_t peer_written, Bytes first, BootTime now);
  void freeze(BootTime now);
  bool attached() const { return attached_; }
  BootTime detached_since() const { return detached_since_; }

  // ---- to the link ----
  // What is to be written on the link next; empty: nothing. Good until the next call of anything here.
  ByteView output(BootTime now);
  // So much of it has been taken by the link.
  void taken(std::size_t n, BootTime now);
  // Whether output() has something that does not wait for what is written.
  bool must_speak(BootTime now) const { return attached_ && (pong_ || ping_ || gone_ || ack_is_due(now)); }
  // The peer is to be told that we have gone, and nothing else any more.
  void say_gone() { gone_ = true; }

  // ---- from the link ----
  // The link has given something.
  void heard(BootTime now) {
    last_heard_ = now;
    suspicious_ = false;
  }
  // Reads frames from the front: `skip` bytes are done with, the `payload` bytes behind them are the pipe's, and count
  // as received. Both 0: nothing is left. An error is the peer's breach: the pipe is over.
  struct Input {
    std::size_t skip = 0;
    std::size_t payload = 0;
  };
  Result<Input> take(ByteView bytes, BootTime now);
  bool ended() const { return peer_end_ == Peer::kEnded; }  // the peer's end has been received, and all before it
  bool gone() const { return peer_end_ == Peer::kGone; }    // it has no use for the pipe any more
  bool left() const { return left_; }                       // the same, and it may have said its end before

  // ---- time ----
  // When on_time() is to be called next at the latest.
  BootTime next_time() const;
  // What time has brought: an acknowledgement to be sent (output() has something), suspicion, silence.
  void on_time(BootTime now);
  // Asks for a sign of life; silence is suspicious after `limit`.
  void ask(std::chrono::milliseconds limit, BootTime now);
  // The peer owes us an answer for too long: another path is worth a try.
  bool suspicious() const { return attached_ && suspicious_; }
  // For so long that the link must be dead.
  bool dead() const { return attached_ && dead_; }
  // The peer talks, but takes nothing in.
  bool stalled() const { return attached_ && stalled_; }
  // How old what is being received may be: it was written before the link was, and had to wait for it.
  std::chrono::milliseconds lateness(BootTime now) const;
  std::optional<std::chrono::nanoseconds> round_trip() const { return round_trip_; }

 private:
  enum class Peer { kOpen, kEnded, kGone };
  bool owed() const { return acked_ < sent_ || asked_.has_value(); }
  std::chrono::nanoseconds suspicion() const;
  BootTime answer_expected_since() const;
  Result<> take_control(BootTime now);
  Result<> take_ack(std::uint64_t upto, BootTime now);
  void note_received(std::size_t n, BootTime now);
  void grow_window();
  void put_control(BootTime now);
  bool ack_is_due(BootTime now) const;

  const PipeOptions options_;
  PipeBuffer buffer_;
  const std::shared_ptr<Budget> budget_;
  std::size_t window_ = options_.first_window;
  bool attached_ = false;
  BootTime detached_since_{};

  // Sending. acked_ <= sent_ <= highest_ <= written().
  bool finished_ = false;
  bool gone_ = false, gone_said_ = false;
  std::uint64_t acked_ = 0;
  std::uint64_t sent_ = 0;     // taken by the link that there is
  std::uint64_t highest_ = 0;  // ever taken by a link
  Bytes control_;              // what goes next, from control_taken_ on; behind inline_from_ it is data
  std::size_t control_taken_ = 0;
  std::size_t inline_from_ = 0;
  std::size_t data_left_ =
      0;  // of a DATA frame whose head is in control_, or has gone, and that is not in there itself
  bool end_in_control_ = false;

  // Receiving.
  std::uint64_t received_ = 0;
  std::uint64_t told_ = 0;  // of it, acknowledged
  std::optional<BootTime> ack_by_;
  Peer peer_end_ = Peer::kOpen;
  bool left_ = false;
  std::array<std::byte, kPipeHead + kLongestPipeControl> part_{};  // of a frame that has not arrived whole
  std::size_t part_size_ = 0;
  std::size_t payload_left_ = 0;
  std::optional<std::uint64_t> pong_;

  // Time.
  BootTime last_heard_{};
  BootTime progress_at_{};         // the peer has acknowledged something, or there was nothing to acknowledge
  std::optional<BootTime> asked_;  // a ping has not been answered
  bool ping_ = false;              // to be sent
  std::chrono::nanoseconds ask_limit_{0};
  bool suspicious_ = false, dead_ = false, stalled_ = false;
  struct Sample {
    std::uint64_t upto;
    BootTime sent;
  };
  std::optional<Sample> sample_;
  std::optional<std::chrono::nanoseconds> round_trip_;
  std::uint64_t late_upto_ = 0;
  std::chrono::nanoseconds late_by_{0};
  BootTime late_until_{};
};

}  // namespace portolan::tunnel
