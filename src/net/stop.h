// Why something that runs must end, told to all who listen: a session to its driver, a node to its sessions. One
// thread.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>

#include "base/result.h"

namespace portolan::net {

class StopSignal {
 public:
  // A listener, forgotten when this is destroyed.
  class Listener {
   public:
    Listener() = default;
    Listener(Listener&& other) noexcept;
    Listener& operator=(Listener&& other) noexcept;
    ~Listener() { reset(); }
    void reset();

   private:
    friend class StopSignal;
    StopSignal* signal_ = nullptr;
    std::uint64_t id_ = 0;
  };

  StopSignal() = default;
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  // The first call counts; listeners are called within it.
  void stop(Error reason);
  bool stopped() const { return reason_.has_value(); }
  const std::optional<Error>& reason() const { return reason_; }
  // Calls `listener` when it stops, or at once if it has.
  [[nodiscard]] Listener listen(std::move_only_function<void(const Error&)> listener);

 private:
  std::optional<Error> reason_;
  std::map<std::uint64_t, std::move_only_function<void(const Error&)>> listeners_;
  std::uint64_t next_ = 1;
};

}  // namespace portolan::net
