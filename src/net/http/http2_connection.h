// Inside net/http/ only: one HTTP/2 connection of the server (RFC 9113), by nghttp2. A request becomes the same Call as
// over HTTP/1.1, an answer the same Response, a stream of pieces the same Sink.
//
// One coroutine, run(), drives everything in turns: it reads what has come, acts, frames what is to go, writes, and
// waits. nghttp2's callbacks only note what happened; nothing of a handler runs within them. Each request is answered
// by a task of its own, so that a slow handler keeps nobody waiting; it hands over its answer piece by piece and waits
// until each piece is framed, so that what a client does not read stays where it was made.
//
// What one connection may make us hold is bounded, whatever its client does:
//   heads      kHeads, and limits.header_bytes each; beyond it streams are refused (REFUSED_STREAM: the client may
//   repeat) bodies     each stream may send its first kFreeWindow bytes; a longer body waits for its turn to reserve
//   all that it
//              may have of kBodies (or, if it alone is larger, all of the room), and only then gets more window
//   handlers   options.concurrent_requests, also when the client has reset their streams meanwhile
//   answers    no handler starts while more than kAnswers bytes of whole answers wait for their readers
//   frames     nothing is read while kQueuedFrames wait to be written; what neither asks nor brings anything is counted
#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <nghttp2/nghttp2.h>

#include "base/clock.h"
#include "net/event.h"
#include "net/http/http2_head.h"
#include "net/http/serving.h"
#include "net/outbox.h"
#include "net/stop.h"

namespace portolan::net::http {

// A stream: owned by the connection until nghttp2 has closed it, and by the task that answers it.
struct Http2Stream {
  Http2Stream(const Executor& executor, std::int32_t number, const Limits& limits)
      : id(number), block(std::make_unique<FieldBlock>(limits)), progressed(executor), gone(executor) {}

  const std::int32_t id;
  std::unique_ptr<FieldBlock> block;  // the head as it arrives; none once it has been judged
  std::size_t head_bytes = 0;         // of the room for heads
  Request request;
  bool head_only = false;

  // ---- receiving ----
  bool head_ended = false;
  bool receive_ended = false;
  bool refused = false;    // the answer says why; what still comes is dropped
  bool too_large = false;  // the body has grown beyond its limit
  bool shed = false;       // there was no room for what came
  bool granted = false;    // all that its body may have is reserved
  bool held = false;       // waits in uploads_ for that
  std::string body;
  std::size_t limit = 0;             // of the body, once the head has been judged
  std::size_t needs = 0;             // what it has to reserve
  std::size_t reserved = 0;          // of the room for bodies
  std::size_t unreserved = 0;        // received without that
  std::size_t uncredited = 0;        // received, and not yet given back to the client's window
  std::size_t body_mark = 0;         // when so much has come, the time for the body begins again
  std::optional<BootTime> body_due;  // for the body; once answered, for the client to stop

  // ---- answering ----
  bool answering = false;  // has a task
  bool answered = false;   // its head has been submitted
  bool ends = false;       // behind what is offered
  bool end_framed = false;
  std::string_view offered;  // what put() was given, while it waits

  bool noted = false;   // in noted_
  bool closed = false;  // nghttp2 knows it no more
  Event progressed;     // some of what was offered is framed, or the stream is closed
  Event gone;           // it is closed
};
using Http2StreamPtr = std::shared_ptr<Http2Stream>;

// Owned by serve_connection(), which awaits run().
class Http2Connection {
 public:
  Http2Connection(std::unique_ptr<Stream> stream, Connection connection, const Router& router,
                  const ServerOptions& options);
  Http2Connection(const Http2Connection&) = delete;
  Http2Connection& operator=(const Http2Connection&) = delete;
  ~Http2Connection();

  // Serves until the connection ends; no handler runs any more when it returns.
  Task<> run();

  // ---- for the tasks that answer, and their sinks (http2_answer.cc) ----
  enum class Body { kFollows, kNone };
  enum class End { kHere, kLater };
  // Sends the head of an answer; false if the stream is closed.
  bool submit_head(Http2Stream& s, const FieldList& fields, Body body);
  // Offers bytes to be framed and waits until they are, each 64 KiB for at most the write time-out, after which the
  // stream is reset. Code::kEof when the client has gone.
  Task<Result<>> put(Http2Stream& s, std::string_view bytes, End end);
  void reset(Http2Stream& s, std::uint32_t code);

 private:
  enum class Phase { kOpen, kGoodbye /* what is to go still goes */, kBroken };
  struct Callbacks;  // nghttp2's, in http2_session.cc
  class Answering;   // counts a task, in http2_answer.cc

  // http2_session.cc
  void make_session();
  void take_in(ByteView bytes);
  void pump_out(std::size_t until);
  void count_early_reset();
  void count_idle_frame();

  // http2_connection.cc
  Task<> turns();
  Task<> say_goodbye();
  void read_some();
  void write_some();
  void check_time();
  void arm();
  Task<Result<>> wait_for_work();
  void wake();
  bool may_read() const;
  BootTime next_due() const;
  void end(std::string why, std::uint32_t code);  // after a GOAWAY with this code
  void drain();
  void close_streams();
  void note_busy();

  // http2_requests.cc
  void settle();
  void attend(const Http2StreamPtr& s);
  void judge(const Http2StreamPtr& s);
  Result<> prepare(Http2Stream& s, FieldBlock& block);
  void refuse(const Http2StreamPtr& s, const Error& why);
  void start(const Http2StreamPtr& s);
  void start_waiting();
  void grant_uploads();
  void grant(Http2Stream& s);
  void drop_body(Http2Stream& s);
  void release(Http2Stream& s);  // all that is kept of the request has gone
  void note(const Http2StreamPtr& s);

  // http2_answer.cc
  Task<> answer(Http2StreamPtr s);
  Task<> answer_refused(Http2StreamPtr s, Response response);
  Task<> respond(Http2Stream& s, const Asked& asked, Response response);
  Task<> stream(Http2Stream& s, const StreamHandler& handler, std::vector<std::string> arguments);
  Task<Result<>> put_piece(Http2Stream& s, std::string_view piece, End end);
  Task<Result<>> until_taken(Http2Stream& s);

  std::unique_ptr<Stream> stream_;
  const Executor executor_;
  const Connection connection_;
  const Router& router_;
  const ServerOptions& options_;
  nghttp2_session* session_ = nullptr;
  Outbox outbox_;
  Phase phase_ = Phase::kOpen;
  std::string ended_by_;              // for the log
  std::optional<std::string> fault_;  // what the client does too much of; noted by callbacks
  std::string library_words_;         // nghttp2's last explanation

  std::unordered_map<std::int32_t, Http2StreamPtr> streams_;  // those that nghttp2 has open
  std::vector<Http2StreamPtr> noted_;                         // something happened to them; settle() looks
  std::deque<Http2StreamPtr> uploads_;                        // wait for room for their bodies
  std::deque<Http2StreamPtr> waiting_;                        // whole, and wait for room for their answers
  std::size_t running_ = 0;                                   // tasks that answer
  std::size_t head_bytes_ = 0, reserved_ = 0, unreserved_ = 0, answer_bytes_ = 0;

  double early_resets_ = 0, idle_frames_ = 0;  // that are still tolerated
  BootTime early_resets_at_{}, idle_frames_at_{};

  std::optional<BootTime> block_began_;  // a head whose end has not come
  std::optional<BootTime> quiet_since_;
  BootTime write_due_{};
  std::uint64_t write_mark_ = 0;  // when so much has gone, the time for writing begins again
  bool writing_ = false;
  bool asked_ = false;    // a request has come
  bool drained_ = false;  // the client knows that no further request is taken
  std::optional<Busy> busy_;

  bool woken_ = false;
  Event work_;
  StopSignal::Listener stopping_;
  TaskGroup tasks_;
};

}  // namespace portolan::net::http
