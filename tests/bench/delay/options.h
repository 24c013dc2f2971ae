// What a delay line does to the packets that pass, and the words for it on the command line and, while it runs, on
// standard input.
#pragma once
#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace portolan::delay {

enum class Cut : std::uint8_t { kNone, kOut, kBack, kBoth };  // "out": from the near side to the far one

struct Settings {
  std::chrono::nanoseconds delay{};   // each way
  std::chrono::nanoseconds jitter{};  // up to this much more, evenly spread; the order stays
  double loss = 0;                    // 0..1: the probability that a packet is dropped, each for itself
  double reorder = 0;                 // 0..1: the probability that a packet does not wait, so that it overtakes others
  double bits_per_second = 0;         // 0: no limit
  std::size_t queue = 4 << 20;  // bytes that may wait for their turn where there is a rate; what is more is dropped
  std::size_t black_hole = 0;   // packets longer than this vanish and nobody is told; 0: none
  Cut cut = Cut::kNone;         // which way nothing passes

  // What is done to single packets can be done only if the kernel does not hand over 64 KiB as one of them.
  bool single_packets() const {
    return loss > 0 || reorder > 0 || jitter.count() > 0 || bits_per_second > 0 || black_hole > 0;
  }
};

struct Options {
  Settings settings = {};
  std::string near = {};  // a namespace of `ip netns`, or the path of one
  std::string far = {};
  std::string device = "delay0";  // its name in both
  unsigned mtu = 1500;
  unsigned long long seed = 1;  // of what is random
};

// Both give what is wrong, in words, or nothing. Only `change` is for a line that runs: of Settings, not of devices.
std::string parse(std::span<const std::string_view> words, Options& out);
std::string change(std::span<const std::string_view> words, Settings& out);

}  // namespace portolan::delay
