// Wrong passwords, and other guesses, by whom they are about: so many in a row lock it for a while.
#pragma once
#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace portolan::control {

// By e-mail address, whether or not there is such an account. In memory; bounded, the oldest make room. One loop.
class Attempts {
 public:
  Attempts(const Clock& clock, unsigned failures, std::chrono::milliseconds lock_time)
      : clock_(clock), failures_(failures), lock_time_(lock_time) {}
  // Counts the attempt as failed until succeeded() says otherwise, so that many at once do not pass together.
  // Code::kLimit while it is locked.
  Result<> begin(const std::string& email);
  // An attempt that has begun was wrong. True if that makes it sure that it is locked: once for each lock.
  bool failed(const std::string& email);
  // Lifts a lock, too.
  void succeeded(const std::string& email) { entries_.erase(email); }
  // The attempt was not made after all.
  void withdraw(const std::string& email);
  // So many wrong ones in a row lock.
  unsigned limit() const { return failures_; }
  // Until when it is locked, by the wall clock; nothing if it is not.
  std::optional<WallTime> locked_until(const std::string& email) const;

 private:
  struct Entry {
    unsigned failures = 0;
    unsigned proven = 0;  // of these, those that were wrong, not only under way
    BootTime last{};
  };
  static constexpr std::size_t kLimit = 20'000;
  void make_room();

  const Clock& clock_;
  const unsigned failures_;
  const std::chrono::milliseconds lock_time_;
  std::map<std::string, Entry> entries_;
};

}  // namespace portolan::control
