// Pipe: a reliable byte stream between a client and an egress node that outlives the links under it
// (docs/wire-pipe.md). The mux stands on it and sees a pause while it has no link.
//
// The parts: pipe_frames (what is on the wire), pipe_buffer (what is not acknowledged), pipe_core (the machine),
// pipe_end (who may attach); here they get streams, timers and somebody who waits.
#pragma once
#include <functional>
#include <memory>
#include <optional>

#include "net/loop.h"
#include "net/ready_slot.h"
#include "net/stream.h"
#include "tunnel/pipe_end.h"

namespace portolan::tunnel {

// Error::reason when a pipe was without a link for longer than the grace time; when the other end knows it no more.
inline constexpr std::string_view kPipeTimedOut = "reconnect_timeout";
inline constexpr std::string_view kPipeUnknown = "egress_restarted";

// Shared by the mux, which owns its top, and by who gives it links. One loop.
class Pipe : public std::enable_shared_from_this<Pipe> {
 public:
  enum class Role { kDialler, kAcceptor };
  Pipe(const net::Executor& executor, Role role, PipeId id, Bytes secret, PipeOptions options,
       std::shared_ptr<Budget> budget);
  ~Pipe();
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  // The stream that the mux stands on; once. Destroying it ends the pipe, and the peer is told. After its half-close
  // unsent() is 0 when the peer has acknowledged everything, over however many links: until then the pipe must not be
  // destroyed, or its last bytes are lost with a link that breaks. Who waits for that and does not read has read all
  // that they want: the rest is dropped.
  std::unique_ptr<net::Stream> top(std::string name);

  // ---- links ----
  // The dialler, on a new link: leaves the one that it has, and says what is to be sent as the attach.
  Attach propose(ByteView binding);
  // The acceptor's answer; then the link goes on as the pipe's, with `rest`, at most a block, which has arrived behind
  // it.
  Result<> confirm(const Attached& attached, ByteView binding, std::unique_ptr<net::Stream> link, Bytes rest);
  // The acceptor: the link becomes the pipe's, unless the attach is refused; then the link is still the caller's.
  std::expected<void, AttachRefusal> take(const Attach& attach, ByteView binding, std::unique_ptr<net::Stream>& link,
                                          Bytes rest);
  // Ends the pipe: who reads or writes it is given `why`.
  void end(Error why);

  // ---- who looks after it ----
  // Called from the loop whenever wants_link() may have become true, a link has come or gone, or the pipe has ended.
  void on_change(std::function<void()> changed) { changed_ = std::move(changed); }
  // No link, or one that is silent where it should not be, or is to be replaced.
  bool wants_link() const { return !over() && (!end_.core.attached() || end_.core.suspicious() || to_replace_); }
  bool attached() const { return !over() && end_.core.attached(); }
  bool over() const { return failure_.has_value() || abandoned_; }
  // Until the pipe ends for want of a link; none while it has one.
  std::optional<std::chrono::milliseconds> time_left() const;
  // The network has changed: silence is suspicious after `limit`.
  void probe(std::chrono::milliseconds limit);
  // The link that it has will end soon: another is wanted, and this one kept until then.
  void replace_link();
  // How old what is being read may be: it had to wait for a link.
  std::chrono::milliseconds lateness() const;
  const PipeId& id() const { return end_.id(); }
  std::uint64_t epoch() const { return end_.epoch(); }

 private:
  class Top;

  // For the Top.
  Result<net::Chunk> read();
  Result<std::size_t> write(ByteView bytes);
  Result<> finish();
  std::size_t unsent() const;
  void wait_readable(net::Stream::Ready ready);
  void wait_writable(net::Stream::Ready ready);
  void abandon();

  Result<net::Chunk> read_link(BootTime at);
  void use(std::unique_ptr<net::Stream> link, Bytes rest);
  void listen();
  void read_for_nobody();
  void discard();
  void flush_later();
  void flush();
  void lose(const Error& why);
  void drop_link();
  void serve_writer();
  void arm();
  void on_timer();
  void tell_change();
  bool can_write() const;

  const net::Executor executor_;
  const Role role_;
  const std::chrono::milliseconds grace_;
  PipeEnd end_;
  std::unique_ptr<net::Stream> link_;
  net::Buffer in_;  // of the link, not read yet
  net::Stream::Ready reader_;
  net::ReadySlot readable_, writable_;
  std::optional<Error> failure_;
  bool abandoned_ = false;
  bool looked_again_ = false, suspected_ = false, to_replace_ = false;
  bool flush_posted_ = false, waiting_below_ = false, listening_ = false, change_posted_ = false;
  std::function<void()> changed_;
  net::Timer timer_;
  BootTime timer_at_ = BootTime::max();
};

}  // namespace portolan::tunnel
