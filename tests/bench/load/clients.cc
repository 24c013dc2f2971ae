#include "clients.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "sockets.h"

namespace portolan::load {
namespace {

using std::chrono::ceil;
using std::chrono::milliseconds;

struct Stream {
  Fd fd = {};
  Mode mode = Mode::kEcho;
  std::uint32_t events = EPOLLIN;  // what it waits for when it has spoken
  bool spoken = false;             // the first byte, which tells the mode, has been sent
  bool stopped = false;            // nobody reads it
  bool answered = false;           // the first byte has come back
  bool failed = false;
  Moment began = {};
  std::uint64_t delivered = 0;
  std::uint64_t at_begin = 0;
  char told[sizeof(std::uint64_t)] = {};  // of an upload: a total that has come in part
  std::size_t told_size = 0;
};

using Streams = std::vector<std::unique_ptr<Stream>>;

void give_up(Stream& stream) {
  stream.failed = true;
  stream.fd.close();
}

// As `send` of sockets.h.
long speak(Stream& stream) {
  const char first = static_cast<char>(stream.mode);
  const long count = send(stream.fd, {&first, 1});
  stream.spoken = count == 1;
  return count;
}

// Over loopback a connect is done at once; over a network it takes a round trip, and the first byte waits.
void open(Stream& stream, const Address& to, Poller& poller) {
  stream.fd = connect_to(to);
  stream.began = now();
  speak(stream);
  poller.add(stream.fd, stream.spoken ? stream.events : EPOLLOUT, &stream);
}

// Whether there is something to do with it; what is left of opening it, it does itself.
bool is_open(Stream& stream, Poller& poller) {
  if (!stream.fd || stream.spoken) return static_cast<bool>(stream.fd);
  if (speak(stream) < 0) give_up(stream);
  if (stream.spoken) poller.change(stream.fd, stream.events, &stream);
  return false;
}

Streams open_all(const Plan& plan, Mode mode, std::uint32_t events, Poller& poller) {
  Streams out;
  for (unsigned i = 0; i < plan.connections; ++i) {
    Stream& stream = *out.emplace_back(std::make_unique<Stream>());
    stream.stopped = i < plan.stopped;
    stream.mode = stream.stopped && mode == Mode::kDiscard ? Mode::kHold : mode;
    stream.events = stream.stopped && mode == Mode::kSource ? 0U : events;
    open(stream, plan.to, poller);
  }
  return out;
}

std::uint64_t failures_of(const Streams& streams) {
  return static_cast<std::uint64_t>(std::ranges::count_if(streams, [](const auto& one) { return one->failed; }));
}

// Calls `handle(stream, events)` for whatever is ready until `end`.
template <class Handle>
void turn_until(Poller& poller, Moment end, Handle handle) {
  for (Moment at = now(); at < end; at = now()) {
    for (const epoll_event& event : poller.wait(ceil<milliseconds>(end - at)))
      handle(*static_cast<Stream*>(event.data.ptr), event.events);
  }
}

void write_on(Stream& stream, const std::vector<char>& block) {
  constexpr unsigned kAtATime = 4;
  for (unsigned i = 0; i < kAtATime; ++i) {
    const long count = send(stream.fd, block);
    if (count < 0) return give_up(stream);
    if (static_cast<std::size_t>(count) < block.size()) return;
  }
}

// The server's running totals, of which the last one counts.
void read_totals(Stream& stream) {
  for (;;) {
    const long count = receive(stream.fd, std::span(stream.told).subspan(stream.told_size));
    if (count < 0) return give_up(stream);
    if (count == 0) return;
    stream.told_size += static_cast<std::size_t>(count);
    if (stream.told_size < sizeof stream.told) continue;
    std::memcpy(&stream.delivered, stream.told, sizeof stream.told);
    stream.told_size = 0;
  }
}

void read_on(Stream& stream, std::vector<char>& block) {
  const long count = receive(stream.fd, block);
  if (count < 0) return give_up(stream);
  stream.delivered += static_cast<std::uint64_t>(count);
}

template <class Handle>
Bulk bulk(const Plan& plan, Mode mode, std::uint32_t events, Handle handle) {
  Poller poller;
  const Streams streams = open_all(plan, mode, events, poller);
  const auto on = [&](Stream& stream, std::uint32_t ready) {
    if (is_open(stream, poller)) handle(stream, ready);
  };
  turn_until(poller, now() + plan.warm_up, on);
  for (const auto& one : streams) one->at_begin = one->delivered;
  const Moment began = now();
  turn_until(poller, began + plan.window, on);
  const std::chrono::duration<double> took = now() - began;
  double sum = 0;
  double least = 0;
  double most = 0;
  for (const auto& one : streams) {
    if (one->stopped) continue;
    const auto bytes = static_cast<double>(one->delivered - one->at_begin);
    least = sum == 0 ? bytes : std::min(least, bytes);
    most = std::max(most, bytes);
    sum += bytes;
  }
  return {sum / took.count() / (1 << 20), most == 0 ? 0 : least / most, failures_of(streams)};
}

class Latencies {
 public:
  void add(Moment from) { values_.push_back(std::chrono::duration<float, std::micro>(now() - from).count()); }
  void clear() { values_.clear(); }
  Rounds told(std::chrono::duration<double> took, std::uint64_t failures) {
    std::ranges::sort(values_);
    return {values_.size(), static_cast<double>(values_.size()) / took.count(), at(0.50), at(0.99), at(0.999),
            failures};
  }

 private:
  double at(double share) const {
    if (values_.empty()) return 0;
    const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(values_.size())));
    return values_[std::max<std::size_t>(rank, 1) - 1];
  }
  std::vector<float> values_;
};

// The byte that was sent has come back; false: not yet, or never.
bool came_back(Stream& stream) {
  char byte = 0;
  const long count = receive(stream.fd, {&byte, 1});
  if (count < 0) give_up(stream);
  return count > 0;
}

void send_again(Stream& stream) {
  const char byte = 'x';
  stream.began = now();
  if (send(stream.fd, {&byte, 1}) != 1) give_up(stream);
}

}  // namespace

Bulk upload(const Plan& plan) {
  const std::vector<char> block(kBlock, 'x');
  return bulk(plan, Mode::kDiscard, EPOLLIN | EPOLLOUT, [&](Stream& stream, std::uint32_t ready) {
    if ((ready & EPOLLIN) != 0) read_totals(stream);
    if (stream.fd && (ready & EPOLLOUT) != 0) write_on(stream, block);
  });
}

Bulk download(const Plan& plan) {
  std::vector<char> block(kBlock);
  return bulk(plan, Mode::kSource, EPOLLIN, [&](Stream& stream, std::uint32_t) { read_on(stream, block); });
}

Rounds ping_pong(const Plan& plan) {
  Poller poller;
  const Streams streams = open_all(plan, Mode::kEcho, EPOLLIN, poller);
  Latencies latencies;
  const auto on = [&](Stream& stream, std::uint32_t) {
    if (!is_open(stream, poller) || !came_back(stream)) return;
    latencies.add(stream.began);
    send_again(stream);
  };
  turn_until(poller, now() + plan.warm_up, on);
  latencies.clear();
  const Moment began = now();
  turn_until(poller, began + plan.window, on);
  return latencies.told(now() - began, failures_of(streams));
}

Rounds connects(const Plan& plan) {
  Poller poller;
  const Streams streams = open_all(plan, Mode::kEcho, EPOLLIN, poller);
  Latencies latencies;
  std::uint64_t failures = 0;
  const auto on = [&](Stream& stream, std::uint32_t) {
    if (is_open(stream, poller) && came_back(stream)) {
      latencies.add(stream.began);
    } else if (stream.failed) {
      ++failures;
    } else {
      return;
    }
    stream = Stream{};
    open(stream, plan.to, poller);
  };
  turn_until(poller, now() + plan.warm_up, on);
  latencies.clear();
  failures = 0;
  const Moment began = now();
  turn_until(poller, began + plan.window, on);
  return latencies.told(now() - began, failures);
}

void idle(const Plan& plan) {
  constexpr std::size_t kAtOnce = 16;
  Poller poller;
  Streams streams;
  std::size_t settled = 0;
  const auto open_next = [&] {
    if (streams.size() == plan.connections) return;
    streams.push_back(std::make_unique<Stream>());
    open(*streams.back(), plan.to, poller);
  };
  while (streams.size() < std::min<std::size_t>(kAtOnce, plan.connections)) open_next();
  const Moment end = now() + kPatience + plan.connections * kPatienceForOne;
  while (settled < plan.connections && now() < end) {
    for (const epoll_event& event : poller.wait(ceil<milliseconds>(end - now()))) {
      auto& stream = *static_cast<Stream*>(event.data.ptr);
      const bool came = is_open(stream, poller) && came_back(stream);
      if (stream.answered || (!came && !stream.failed)) continue;
      stream.answered = came;
      ++settled;
      open_next();
    }
  }
  const auto good = std::ranges::count_if(streams, [](const auto& one) { return one->answered && !one->failed; });
  std::printf("{\"open\": %ld, \"failures\": %ld}\n", good, static_cast<long>(plan.connections) - good);
  std::fflush(stdout);
  char byte = 0;
  while (read(STDIN_FILENO, &byte, 1) > 0) continue;
}

}  // namespace portolan::load
