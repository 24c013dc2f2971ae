// What the mux keeps for each stream, each request that arrives, each ping. Internal to mux*.cc.
#pragma once
#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "net/event.h"
#include "net/stream.h"
#include "tunnel/inbox.h"
#include "tunnel/lanes.h"
#include "tunnel/mux.h"
#include "tunnel/windows.h"

namespace portolan::tunnel {

// A HEADERS frame as it arrives; gone when it has been judged.
struct HeaderBlock {
  std::string method, authority, status;
  net::http::Headers headers;
  std::size_t size = 0;
  bool too_large = false;  // or there was no room for it
  bool foreign = false;    // something that a CONNECT of ours does not bear
  bool excessive = false;  // larger than any of ours
};

// A stream: owned by the core until nghttp2 has closed it, and by its handle (MuxStream or Incoming).
struct StreamState {
  StreamState() = default;
  StreamState(const StreamState&) = delete;
  StreamState& operator=(const StreamState&) = delete;
  ~StreamState() {
    if (budget) budget->give_back(inbox.size() + header_bytes);
  }

  std::int32_t id = 0;
  std::shared_ptr<Budget> budget;  // that the inbox and the headers are charged to; may be none
  std::size_t header_bytes = 0;    // of the peer's request or answer
  Inbox inbox;
  ByteView offered;                      // what try_write() was given, while it runs
  Lane lane = Lane::kFirst;              // of what is being written
  std::array<std::uint64_t, 2> marks{};  // where in each lane of the outbox this stream's last byte ends
  std::size_t recent = 0;                // has been written lately: see MuxCore::light()
  std::uint64_t recent_at = 0;
  Window window;
  std::size_t turn_used = 0;  // of kShare, while others wait for the link
  std::size_t promise = 0;    // room set aside for it
  std::uint64_t promise_round = 0;
  bool answered = false;  // the opener has its 2xx, or the acceptor has accepted
  bool receive_ended = false;
  bool send_ended = false;  // shutdown_send() was called
  bool end_framed = false;  // and its END_STREAM is in the outbox
  bool closed = false;      // nghttp2 knows it no more
  bool reset_here = false;
  bool over_budget = false;
  bool held = false;    // its reset waits: see ResetPace
  bool queued = false;  // in ready_
  bool parked = false;  // in writers_
  std::unique_ptr<Error> failure;
  std::unique_ptr<HeaderBlock> block;
  net::http::Headers answer;
  std::unique_ptr<net::Event> answer_event;
  net::Stream::Ready on_readable, on_writable;
};
using StreamPtr = std::shared_ptr<StreamState>;

struct PingWait {
  PingWait(const net::Executor& executor, std::uint64_t number) : event(executor), id(number) {}
  net::Event event;
  std::uint64_t id;
  BootTime sent;
  std::optional<std::chrono::microseconds> round_trip;
};

}  // namespace portolan::tunnel
