// What the streams of one channel move: how busy it is, so that new streams can go by another.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "tunnel/mux.h"

namespace portolan::client {

// One loop. Outlived by its clock.
class Meter {
 public:
  // What "lately" means: this long at least, and less than twice as long.
  static constexpr std::chrono::milliseconds kSpan = std::chrono::seconds(1);

  explicit Meter(const Clock& clock) : clock_(clock), idle_since_(clock.boot()) {}
  void moved(std::size_t bytes);
  // Bytes in both directions: the most of a span among the last two.
  std::uint64_t lately() const;
  void began() { ++streams_; }
  void ended();
  std::size_t streams() const { return streams_; }
  // How long no stream has been there; 0 while there is one.
  std::chrono::nanoseconds idle() const;

 private:
  const Clock& clock_;
  BootTime span_began_{};
  std::uint64_t here_ = 0, before_ = 0;  // in this span, and in the one before it
  std::size_t streams_ = 0;
  BootTime idle_since_;
};

// The same stream, counted as long as it is there.
std::unique_ptr<tunnel::MuxStream> metered(std::unique_ptr<tunnel::MuxStream> stream, std::shared_ptr<Meter> meter);

}  // namespace portolan::client
