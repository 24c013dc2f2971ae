// Which objects the latest changes of the directory have touched, so that a watch of ten thousand objects looks at the
// one that has changed. Bounded: who asks for what is forgotten looks at all of them.
//
// append() is for the store's thread, since() for the loop.
#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "store/directory_store.h"

namespace portolan::control {

class Changes {
 public:
  using Step = std::shared_ptr<const std::vector<store::Touched>>;

  void append(std::uint64_t revision, std::vector<store::Touched> touched);
  // What the revisions behind `from`, up to `to`, have touched; nothing when not all of them are known.
  std::optional<std::vector<Step>> since(std::uint64_t from, std::uint64_t to) const;

 private:
  static constexpr std::size_t kTouchedLimit = 100'000;
  struct Entry {
    std::uint64_t revision;
    Step touched;
  };
  mutable std::mutex mutex_;
  std::deque<Entry> entries_;  // revisions without a gap
  std::size_t touched_ = 0;
};

}  // namespace portolan::control
