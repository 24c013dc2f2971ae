// The places of a list's objects in some order, kept while the directory stays as it is: pages are asked for one after
// the other, and so are the same lists by many people.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "directory/decision.h"

namespace portolan::control {

// Place in the order. The id makes it unique.
inline std::string place_of(std::string key, std::string_view id) {
  key += '\n';
  key += id;
  return key;
}
inline std::string_view id_of_place(std::string_view place) { return place.substr(place.rfind('\n') + 1); }

// Of one list. One loop.
class Places {
 public:
  // In ascending order. `make` gives all of them, in any order, when they are not known.
  template <class Make>
  const std::vector<std::string>& by(const std::string& member, const directory::Snapshot& snapshot, Make make) {
    if (epoch_ != snapshot.epoch || revision_ != snapshot.revision) known_.clear();
    epoch_ = snapshot.epoch;
    revision_ = snapshot.revision;
    for (const auto& [name, places] : known_)
      if (name == member) return places;
    if (known_.size() == kOrders) known_.erase(known_.begin());
    auto& [name, places] = known_.emplace_back(member, make());
    std::ranges::sort(places);
    return places;
  }

 private:
  static constexpr std::size_t kOrders = 2;  // that people ask for at the same time
  std::string epoch_;
  std::uint64_t revision_ = 0;
  std::vector<std::pair<std::string, std::vector<std::string>>> known_;
};

}  // namespace portolan::control
