// How much memory several holders may use together: all of a process, or those of one account, whose budget is a part
// of the process'. It is counted, not reserved: whoever wants more asks first whether it fits. A holder is assured of a
// little, which it takes whatever the others hold.
#pragma once
#include <algorithm>
#include <cstddef>
#include <memory>

namespace portolan::tunnel {

// Shared by its holders. One thread.
struct Budget {
  std::size_t limit = std::size_t{256} * 1024 * 1024;
  std::size_t used = 0;
  std::shared_ptr<Budget> whole = nullptr;  // that this one is a part of
  std::size_t promised = 0;                 // by which windows are larger than at first: may be filled, and be held

  void take(std::size_t n) {
    used += n;
    if (whole) whole->take(n);
  }
  void give_back(std::size_t n) {
    used -= n;
    if (whole) whole->give_back(n);
  }
  // What was `before` is `now`.
  void promise(std::size_t now, std::size_t before) {
    promised += now;
    promised -= before;
    if (whole) whole->promise(now, before);
  }
  // The other half is for what is held without a promise.
  std::size_t left_to_promise() const {
    const std::size_t here = limit / 2 - std::min(limit / 2, promised);
    return whole ? std::min(here, whole->left_to_promise()) : here;
  }
  std::size_t left() const {
    const std::size_t here = limit - std::min(limit, used);
    return whole ? std::min(here, whole->left()) : here;
  }
};

}  // namespace portolan::tunnel
