// join: the one copying loop, through which every session's bytes go in their copying phase. A callback machine: while
// neither side has anything to say it holds no buffer and no coroutine frame but the one that awaits it. Each direction
// reads only when the other side accepts, so that a reader that stops makes its writer stop.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include "net/stop.h"
#include "net/stream.h"

namespace portolan::net {

enum class Direction { kForward, kBackward };  // a to b, b to a

// Sees every byte before it is passed on. An error ends the join with it, and the bytes do not pass.
class Inspector {
 public:
  virtual ~Inspector() = default;
  virtual Result<> inspect(Direction, ByteView) { return {}; }
  // Asked when bytes have been inspected and before they are passed on: whether they have to wait. Then `may_pass` is
  // called, once: it calls `then`, never within the call, when the bytes may pass, or with the error that ends the
  // join. `then` may outlive the join, which reads no further in this direction meanwhile.
  virtual bool must_wait(Direction) { return false; }
  virtual void may_pass(Direction, std::move_only_function<void(Result<>)>) {}
  // Told of what the other side has accepted, every byte once and in order.
  virtual void passed(Direction, ByteView) {}
  // Asked when the source of a direction has ended, before the other side is told: an error ends the join with it, in
  // place of the half-close.
  virtual Result<> at_end(Direction) { return {}; }
};

struct JoinOptions {
  Inspector* inspector = nullptr;
  StopSignal* stop = nullptr;                          // ends the join with its reason
  std::optional<std::chrono::milliseconds> idle = {};  // no byte either way for so long: Code::kTimeout
};

struct Joined {
  std::uint64_t forward = 0;  // bytes passed on
  std::uint64_t backward = 0;
  // No value: both directions came to their end. kind of error: what ended it first.
  Result<> outcome = {};
};

// Copies both ways until both have ended, one has failed, or it is stopped. An end becomes a half-close of the other
// side. Neither stream is destroyed: the caller may say goodbye on it. Cancelling the awaiting task ends the join.
Task<Joined> join(Stream& a, Stream& b, JoinOptions options);

}  // namespace portolan::net
