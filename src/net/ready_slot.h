// The place of one waiter of a Stream: keeps the rules of stream.h for implementations that find out about readiness in
// their own code rather than from the system: called from the loop, never within the registering call, never after
// destruction.
#pragma once
#include <functional>
#include <memory>

#include "net/stream.h"

namespace portolan::net {

class ReadySlot {
 public:
  enum class When { kLater, kTurnEnd };
  explicit ReadySlot(const Executor& executor, When when = When::kLater)
      : state_(std::make_shared<State>(executor, when)) {}
  ReadySlot(const ReadySlot&) = delete;
  ReadySlot& operator=(const ReadySlot&) = delete;
  ~ReadySlot() { cancel(); }

  void set(Stream::Ready ready);
  void cancel();
  bool waiting() const { return static_cast<bool>(state_->ready); }
  // Calls the waiter, if there is one, from the loop: as what is posted, or at the end of the turn (turn_end.h).
  void fire();

 private:
  struct State {
    State(const Executor& on, When called) : executor(on), when(called) {}
    const Executor executor;
    const When when;
    Stream::Ready ready;
    bool posted = false;     // a call for this waiter is on its way
    std::uint64_t turn = 0;  // tells this waiter from earlier ones
  };
  std::shared_ptr<State> state_;
};

}  // namespace portolan::net
