// The machine behind Mux and its streams: one nghttp2 session over one stream below. Internal to mux*.cc.
//
// Everything runs on one loop, in turns. A turn begins with a callback of the stream below or with a posted flush:
// bytes go through nghttp2, whose callbacks only note what happened; then dispatch() calls those who wait, when nothing
// of ours is on the stack, so they may do anything, destroying the mux included. What is written collects in the outbox
// and goes down once a turn.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include <nghttp2/nghttp2.h>

#include "base/clock.h"
#include "net/loop.h"
#include "tunnel/lanes.h"
#include "tunnel/mux.h"
#include "tunnel/mux_state.h"
#include "tunnel/reset_pace.h"
#include "tunnel/toll.h"

namespace portolan::tunnel {

// Bytes of bulk that may wait in the outbox before writers have to; and of the others.
inline constexpr std::size_t kBatch = 256 * 1024;
inline constexpr std::size_t kFirstLane = 64 * 1024;
// What a stream may write and still want little; and the least for which it is called while others stand in line.
inline constexpr std::size_t kLittle = 16 * 1024;
inline constexpr std::size_t kPiece = 4 * 1024;
// What a stream may write when it is its turn and others wait.
inline constexpr std::size_t kShare = 32 * 1024;

class MuxCore : public std::enable_shared_from_this<MuxCore> {
 public:
  MuxCore(std::unique_ptr<net::Stream> below, Mux::Role role, MuxOptions options, Mux::OnIncoming on_incoming,
          Mux::OnEnd on_end);
  MuxCore(const MuxCore&) = delete;
  MuxCore& operator=(const MuxCore&) = delete;
  ~MuxCore();
  void start();

  // ---- for the Mux (mux_core.cc) ----
  Result<StreamPtr> open(const OpenRequest& request);
  void drain();
  bool draining() const { return drain_heard_; }
  void on_draining(std::function<void()> heard);
  void close(Error why);
  void abandon();                             // the Mux has been destroyed
  void ask(std::chrono::milliseconds limit);  // Mux::probe()
  std::shared_ptr<PingWait> ping();
  void forget(const PingWait& ping) { pings_.erase(ping.id); }
  bool ended() const { return phase_ != Phase::kOpen; }
  const Error& reason() const { return reason_; }
  std::size_t open_streams() const { return streams_.size(); }
  std::size_t buffered() const { return buffered_; }
  const net::Executor& executor() const { return executor_; }
  const std::string& name() const { return name_; }

  // ---- for streams and requests (mux_streams.cc) ----
  Result<net::Chunk> read(StreamState& s);
  Result<std::size_t> write(StreamState& s, ByteView bytes);
  Result<> shutdown_send(StreamState& s);
  std::size_t unsent(const StreamState& s) const;
  void wait_readable(const StreamPtr& s, net::Stream::Ready ready);
  void wait_writable(const StreamPtr& s, net::Stream::Ready ready);
  void reset(StreamState& s, Error why, std::uint32_t code);  // RST_STREAM, if there is still something to reset
  void release(StreamState& s);                               // the handle is being destroyed
  void accept(StreamState& s, const net::http::Headers& answer);
  void refuse(StreamState& s, const Error& why);

 private:
  enum class Phase { kOpen, kClosing, kEnded };
  enum class Blocked { kNo, kByLink, kByStream };
  struct Callbacks;  // nghttp2's, in mux_session.cc

  // mux_session.cc
  void make_session();
  nghttp2_data_provider source_of(StreamState& s);
  // Frames everything that nghttp2 has to say into the outbox.
  void pump_out();
  void append_frame(ByteView frame);
  void take_in(ByteView bytes);
  Error error_from_reset(std::uint32_t code) const;

  // mux_core.cc
  enum class Turn { kRead, kFlush };
  void turn(Turn kind);
  void read_below();
  void write_down();
  void settle();
  void schedule_flush();
  void arm_reading();
  void probe();
  enum class Tell { kPeer, kNobody };
  // Streams fail now; the link ends when the goodbye has gone, at the latest after `limit`; 0: when below has failed.
  void begin_end(Error why, Tell tell, std::chrono::milliseconds limit);
  void limit_goodbye(std::chrono::milliseconds limit);
  void end_now(Error why);
  void finish_end();
  void fail_streams();

  // mux_dispatch.cc
  void schedule_dispatch();
  void dispatch();
  void serve_ready();
  void serve_requests();
  void serve_writers();
  void serve_finishing();
  void tell_draining();
  void tell_end();
  void enqueue(const StreamPtr& s);
  void park(const StreamPtr& s);
  void serve_writer(const StreamPtr& s);
  void use_promise(StreamState& s, std::size_t written);
  bool readable(const StreamState& s) const;
  bool writable(const StreamState& s) const;
  Blocked blocked(const StreamState& s) const;
  bool link_has_room() const;
  bool may_overtake(const StreamState& s) const;
  // Whether the stream wants little: `n` bytes more may go in the first lane.
  bool light(const StreamState& s, std::size_t n) const;
  std::size_t writable_bytes(StreamState& s, std::size_t wanted);
  std::size_t written_lately(const StreamState& s) const;
  bool must_queue(const StreamState& s) const;
  bool may_hold(const Budget* shared, std::size_t more) const;
  bool count_queue();
  bool keep_header(StreamState& s, std::size_t size) const;
  void note_taken(const StreamState& s, std::size_t n);
  std::uint32_t credit_for(StreamState& s);
  void close_state(StreamState& s);
  void charge(Toll::For what);
  bool hold_reset(StreamState& s, std::uint32_t code);
  void pace_resets();
  BootTime now() const { return options_.clock->boot(); }
  void drop_inbox(StreamState& s);
  void set_failure(StreamState& s, Error why);
  std::optional<Error> judge(const HeaderBlock& block) const;

  const Mux::Role role_;
  const MuxOptions options_;
  const net::Executor executor_;
  const std::string name_;
  std::unique_ptr<net::Stream> below_;
  nghttp2_session* session_ = nullptr;
  Lanes outbox_;
  std::unordered_map<std::int32_t, StreamPtr> streams_;  // those that nghttp2 has open
  std::size_t buffered_ = 0;
  std::size_t queued_ = 0;  // of the outbox, charged to MuxOptions::shared
  Windows windows_;

  StreamPtr just_closed_;  // by nghttp2, which has yet to give the frame that does it

  // What callbacks noted, for after nghttp2 has returned.
  std::vector<StreamPtr> ready_;        // may have something for who waits on them
  std::vector<StreamPtr> requests_;     // CONNECTs to be judged and handed out
  std::vector<StreamPtr> over_budget_;  // to be reset
  std::optional<Error> fault_;          // ends the link
  bool fault_is_ours_ = false;          // the peer is to be told (else it told us, or nghttp2 has told it)
  std::string library_words_;           // nghttp2's last explanation
  bool settings_heard_ = false;         // every stream's window may be another
  Toll toll_;

  std::deque<StreamPtr> writers_;  // wait for room in the outbox or the connection's window; served in turn
  bool contended_ = false;         // more than one stream wants to write
  std::size_t promised_ = 0;       // of the outbox' room, in this round
  std::uint64_t promise_round_ = 1;
  std::vector<StreamPtr> finishing_;  // wait until all their bytes have been handed down
  std::map<std::uint64_t, std::shared_ptr<PingWait>> pings_;
  std::uint64_t next_ping_ = 1;

  Phase phase_ = Phase::kOpen;
  Error reason_;
  bool drain_sent_ = false, drain_heard_ = false;
  bool lingering_ = false;  // closing, without a limit
  bool abandoned_ = false;
  bool in_turn_ = false, flush_posted_ = false, dispatch_posted_ = false, write_armed_ = false;
  BootTime last_heard_{};
  std::optional<BootTime> probed_at_;
  BootTime probe_due_{};  // the answer to it
  ResetPace pace_;
  std::deque<StreamPtr> held_;  // given up before their answer; may not be reset yet
  net::Timer pace_timer_;
  net::Timer timer_;  // the probe; when closing, the limit of the goodbye
  Mux::OnIncoming on_incoming_;
  std::function<void()> on_draining_;
  Mux::OnEnd on_end_;
};

}  // namespace portolan::tunnel
