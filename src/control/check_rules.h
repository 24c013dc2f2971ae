// How often resources are checked, and how many at a time.
#pragma once
#include <chrono>
#include <cstddef>

namespace portolan::control {

struct CheckRules {
  std::chrono::milliseconds interval = std::chrono::seconds(60);  // of one (resource, node); 0: only when asked for
  std::chrono::milliseconds deadline = std::chrono::seconds(10);  // of one check
  std::chrono::milliseconds life = std::chrono::seconds(20);      // of a task, until it is begun
  std::chrono::milliseconds again = std::chrono::seconds(5);      // after a result unlike the ones before
  // What fails is tried again after `again`, and what goes on failing less and less often: up to `interval`; what takes
  // its whole deadline to fail up to this; and a credential that is refused is tried less often still, since servers
  // lock accounts.
  std::chrono::milliseconds longest = std::chrono::minutes(5);
  std::chrono::milliseconds longest_refused = std::chrono::minutes(15);
  std::size_t at_once = 8;     // given to one node
  double rate = 50;            // a second, over all nodes
  double asked_rate = 5;       // resources a second that admins may ask for
  unsigned settled_after = 2;  // results in a row that change what agents are told
};

}  // namespace portolan::control
