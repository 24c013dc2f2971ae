// Admission: accepted connections that have not said a word yet. They cost a descriptor and a few hundred bytes, no
// task and no buffer, so that thousands of silent connections harm nobody: one that stays silent is closed at the
// limit, and when too many wait the one that has been silent longest makes room. Limits do not punish an address that
// many share.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "net/loop.h"
#include "net/tcp.h"

namespace portolan::net {

struct AdmissionLimits {
  std::size_t waiting = 1024;
  std::chrono::milliseconds silence = std::chrono::seconds(10);
};

// Owned by what owns the listener; one loop.
class Admission {
 public:
  using OnSpoke = std::move_only_function<void(std::unique_ptr<TcpStream>)>;
  Admission(const Executor& executor, AdmissionLimits limits, OnSpoke on_spoke);

  // Passes the stream to `on_spoke`, later, once its first byte (or its end) can be read.
  void add(std::unique_ptr<TcpStream> stream);
  std::size_t waiting() const { return waiting_.size(); }

 private:
  struct Entry {
    std::unique_ptr<TcpStream> stream;
    std::chrono::steady_clock::time_point since;
  };
  void spoke(std::uint64_t id);
  void close_silent();
  void schedule();

  AdmissionLimits limits_;
  OnSpoke on_spoke_;
  std::map<std::uint64_t, Entry> waiting_;  // by age
  std::uint64_t next_ = 0;
  Timer timer_;
};

}  // namespace portolan::net
