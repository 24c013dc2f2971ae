// Lanes: the frames of a mux on their way to the stream below. There are two: in the first are frames of streams that
// want little, and those that carry no stream's bytes; in the other those of bulk. The first goes first: a key stroke
// waits for the rest of the frame that is going down, not for the bulk that stands in line before it.
//
// Frames of one lane keep their order. A frame of the first lane may overtake any of the other; one of the other never
// overtakes what was in the first lane before it. Who appends sees to it that a frame whose stream has frames waiting
// in the other lane goes there too.
#pragma once
#include <array>
#include <cstdint>
#include <deque>

#include "net/outbox.h"

namespace portolan::tunnel {

enum class Lane : std::uint8_t { kFirst, kBulk };

class Lanes {
 public:
  // A whole frame.
  void append(Lane lane, ByteView head, ByteView payload = {});
  bool empty() const { return first().bytes.empty() && bulk().bytes.empty(); }
  // The next bytes to go; only if there are any. Good until the next append().
  ByteView front() const;
  // `n` bytes of front() have gone.
  void consume(std::size_t n);

  std::size_t pending(Lane lane) const { return side(lane).bytes.pending(); }
  std::size_t pending() const { return pending(Lane::kFirst) + pending(Lane::kBulk); }
  // Bytes since the beginning: whether what was appended at some time has gone.
  std::uint64_t appended(Lane lane) const { return side(lane).bytes.appended(); }
  std::uint64_t flushed(Lane lane) const { return side(lane).bytes.flushed(); }
  std::uint64_t flushed() const { return flushed(Lane::kFirst) + flushed(Lane::kBulk); }

 private:
  // One large frame or several small ones, which nothing may come between.
  struct Unit {
    std::uint64_t end;    // in the lane's bytes
    std::uint64_t after;  // of the bulk: how much of the first lane stood before it
  };
  struct Side {
    net::Outbox bytes;
    std::deque<Unit> units;   // of which bytes wait
    std::uint64_t start = 0;  // of the first unit
    bool begun() const { return bytes.flushed() > start; }
  };
  Side& side(Lane lane) { return sides_[static_cast<std::size_t>(lane)]; }
  const Side& side(Lane lane) const { return sides_[static_cast<std::size_t>(lane)]; }
  const Side& first() const { return side(Lane::kFirst); }
  const Side& bulk() const { return side(Lane::kBulk); }
  Lane next() const;

  std::array<Side, 2> sides_;
  std::size_t overtaken_ = 0;  // bytes of the first lane that have gone before the same frame of bulk
};

}  // namespace portolan::tunnel
