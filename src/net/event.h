// Event: something that tasks of one loop wait for, and that is set once or again and again.
#pragma once
#include <chrono>
#include <memory>

#include "net/task.h"

namespace portolan::net {

class Event {
 public:
  explicit Event(const Executor& executor);
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  // Fails those who wait with Code::kCancelled.
  ~Event();

  // Wakes all who wait now. Who waits later waits for the next set().
  void set();
  // Code::kTimeout after `limit`, kCancelled with the task. The event may be destroyed meanwhile.
  Task<Result<>> wait(std::chrono::milliseconds limit);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace portolan::net
