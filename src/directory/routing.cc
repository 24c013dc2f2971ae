#include "directory/routing.h"

#include <algorithm>
#include <limits>
#include <string_view>
#include <tuple>

namespace portolan::directory {
namespace {

using Index = std::size_t;
constexpr Index kNone = std::numeric_limits<Index>::max();
constexpr std::uint32_t kFar = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t kNoWay = std::numeric_limits<std::uint64_t>::max();

template <class Map, class Key>
const typename Map::mapped_type* find(const Map& map, const Key& key) {
  const auto found = map.find(key);
  return found == map.end() ? nullptr : &found->second;
}

// Of one gateway to the egress node at hand.
struct Reach {
  std::uint32_t hops = kFar;
  std::uint64_t cost = 0;  // microseconds of the way by the best next hop
  bool measured = true;
  std::vector<Index> by;  // gateways one link nearer, best first; none of one that has the link itself
};

class Planner {
 public:
  Planner(const Topology& topology, const RoutePlan& before, BootTime now)
      : topology_(topology), before_(before), now_(now) {
    for (const auto& [id, node] : topology.nodes)
      if (node.gateway) gateways_.push_back(id);
    // Looked up once: what follows asks for each pair once for every egress node.
    const Index count = gateways_.size();
    between_.resize(count * count);
    for (Index a = 0; a < count; ++a) {
      serves_.push_back(topology.nodes.find(gateways_[a])->second.serves);
      for (Index b = 0; b < count; ++b) between_[a * count + b] = edge(gateways_[a], gateways_[b]);
    }
  }

  RoutePlan run() {
    for (const auto& egress : topology_.egress) {
      if (!topology_.nodes.contains(egress)) continue;
      measure(egress);
      tell(egress);
      if (topology_.sought.contains(egress)) seek(egress);
    }
    settle_dials();
    std::vector<Costly> members;
    for (const auto& egress : topology_.egress)
      if (topology_.nodes.contains(egress)) members.push_back({egress, best_way(egress), name_of(egress)});
    plan_.order = order_steadily(std::move(members), before_.order);
    return std::move(plan_);
  }

 private:
  enum class State : unsigned char { kUnknown, kUp, kDown, kForbidden };
  struct Edge {
    State state = State::kUnknown;
    std::optional<std::uint64_t> round_trip_us;
    std::uint64_t cost() const { return round_trip_us.value_or(kUnmeasuredMicroseconds); }
  };

  const std::string& name_of(const std::string& id) const { return topology_.nodes.find(id)->second.name; }
  bool forbidden(const std::string& a, const std::string& b) const {
    return topology_.forbidden.contains({a, b}) || topology_.forbidden.contains({b, a});
  }
  Edge edge(const std::string& from, const std::string& to) const {
    if (from == to || forbidden(from, to)) return {State::kForbidden, {}};
    const auto* link = find(topology_.links, NodePair(from, to));
    if (!link) return {};
    return {link->up ? State::kUp : State::kDown, link->round_trip_us};
  }
  const Edge& between(Index from, Index to) const { return between_[from * gateways_.size() + to]; }

  // How each gateway reaches the egress, over links that are up.
  void measure(const std::string& egress) {
    reach_.assign(gateways_.size(), {});
    direct_.clear();
    egress_index_ = kNone;
    for (Index at = 0; at < gateways_.size(); ++at) {
      if (gateways_[at] == egress) {
        egress_index_ = at;
        reach_[at].hops = 0;
      }
      direct_.push_back(edge(gateways_[at], egress));
    }
    for (Index at = 0; at < gateways_.size(); ++at)
      if (at != egress_index_ && direct_[at].state == State::kUp)
        reach_[at] = {1, direct_[at].cost(), direct_[at].round_trip_us.has_value(), {}};
    for (std::uint32_t hops = 2; hops <= most_links(); ++hops)
      for (Index at = 0; at < gateways_.size(); ++at)
        if (reach_[at].hops == kFar) come_nearer(at, egress, hops);
  }

  std::uint32_t most_links() const { return egress_index_ == kNone ? kMostLinks : kMostLinks - 1; }

  // `at` is `hops` links away, if a gateway that serves is one link nearer and it has a link with that.
  void come_nearer(Index at, const std::string& egress, std::uint32_t hops) {
    std::vector<Costly> members;
    for (Index by = 0; by < gateways_.size(); ++by)
      if (serves_[by] && reach_[by].hops == hops - 1 && between(at, by).state == State::kUp)
        members.push_back({gateways_[by], between(at, by).cost() + reach_[by].cost, name_of(gateways_[by])});
    if (members.empty()) return;
    const auto* told = find(before_.next, gateways_[at]);
    const auto* order = told ? find(*told, egress) : nullptr;
    Reach& reach = reach_[at];
    for (const auto& id : order_steadily(std::move(members), order ? *order : std::vector<std::string>()))
      reach.by.push_back(index_of(id));
    const Index first = reach.by.front();
    reach.hops = hops;
    reach.cost = between(at, first).cost() + reach_[first].cost;
    reach.measured = between(at, first).round_trip_us && reach_[first].measured;
  }

  Index index_of(const std::string& id) const {
    return static_cast<Index>(std::ranges::lower_bound(gateways_, id) - gateways_.begin());
  }

  void tell(const std::string& egress) {
    auto& ways = plan_.ways[egress];
    const auto* before = find(before_.ways, egress);
    for (Index at = 0; at < gateways_.size(); ++at) {
      const Reach& reach = reach_[at];
      if (reach.hops == kFar) continue;
      if (!reach.by.empty()) {
        auto& next = plan_.next[gateways_[at]][egress];
        for (const Index by : reach.by) next.push_back(gateways_[by]);
      }
      if (!serves_[at]) continue;
      PlannedWay way{reach.measured ? std::optional(reach.cost) : std::nullopt, reach.hops};
      const auto* told = before ? find(*before, gateways_[at]) : nullptr;
      const bool alike = told && told->hops == way.hops && told->round_trip_us && way.round_trip_us &&
                         !is_clearly_better(*told->round_trip_us, *way.round_trip_us) &&
                         !is_clearly_better(*way.round_trip_us, *told->round_trip_us);
      ways[gateways_[at]] = alike ? *told : way;
    }
  }

  // Which gateways those without a link to the egress shall dial for it.
  void seek(const std::string& egress) {
    for (Index at = 0; at < gateways_.size(); ++at) {
      if (at == egress_index_ || reach_[at].hops == 1) continue;
      const std::string& id = gateways_[at];
      if (!topology_.nodes.find(id)->second.reported) {
        keep_dials_.insert(id);
        continue;
      }
      // A link with a gateway is made by who needs it; one with a relay is made by the relay, which may be about to.
      if (egress_index_ == kNone) {
        const auto* since = find(before_.lacked, NodePair(id, egress));
        const BootTime begun = since ? *since : now_;
        plan_.lacked[{id, egress}] = begun;
        if (now_ < begun + kLackLimit) {
          look_again(begun + kLackLimit);
          continue;
        }
      }
      choose_dials(at);
    }
  }

  // The nearest to the egress first, farther ones only where no nearer one can be dialled. Those that are down stay
  // among them, so that they are tried again.
  void choose_dials(Index at) {
    const auto* dialled = find(before_.dial, gateways_[at]);
    const auto rank = [&](Index to) {
      const bool kept = dialled && dialled->contains(gateways_[to]);
      return std::tuple(reach_[to].hops, !kept, between(at, to).cost() + reach_[to].cost, to);
    };
    std::vector<Index> candidates;
    for (Index to = 0; to < gateways_.size(); ++to) {
      const bool nearer =
          reach_[to].hops < most_links() && (reach_[at].hops == kFar || reach_[to].hops < reach_[at].hops);
      if (nearer && serves_[to] && between(at, to).state != State::kForbidden) candidates.push_back(to);
    }
    std::ranges::sort(candidates, {}, rank);
    std::size_t working = 0;
    std::uint32_t enough_at = kFar;  // hops of the candidates of which one works
    for (const Index to : candidates) {
      if (working >= kDialsPerEgress || reach_[to].hops > enough_at) break;
      plan_.dial[gateways_[at]].insert(gateways_[to]);
      if (between(at, to).state == State::kDown) continue;
      ++working;
      enough_at = reach_[to].hops;
    }
  }

  // What is not needed any more stays for a while, and what a gateway dials whose links are not known.
  void settle_dials() {
    for (const auto& [id, dialled] : before_.dial) {
      if (!topology_.nodes.contains(id)) continue;
      auto& dial = plan_.dial[id];
      for (const auto& to : dialled) {
        if (dial.contains(to) || !topology_.nodes.contains(to) || forbidden(id, to)) continue;
        if (keep_dials_.contains(id)) {
          dial.insert(to);
          continue;
        }
        const auto* since = find(before_.needless, NodePair(id, to));
        const BootTime begun = since ? *since : now_;
        if (now_ >= begun + kNeedlessLimit) continue;
        plan_.needless[{id, to}] = begun;
        look_again(begun + kNeedlessLimit);
        dial.insert(to);
      }
    }
    std::erase_if(plan_.dial, [](const auto& entry) { return entry.second.empty(); });
  }

  void look_again(BootTime at) { plan_.look_again = std::min(plan_.look_again.value_or(at), at); }

  std::uint64_t best_way(const std::string& egress) const {
    std::uint64_t best = kNoWay;
    for (const auto& [gateway, way] : plan_.ways.find(egress)->second)
      best = std::min(best, way.round_trip_us.value_or(kUnmeasuredMicroseconds * std::max(way.hops, 1U)));
    return best;
  }

  const Topology& topology_;
  const RoutePlan& before_;
  const BootTime now_;
  RoutePlan plan_;
  std::vector<std::string> gateways_;  // in order
  std::vector<bool> serves_;
  std::vector<Edge> between_;  // gateways
  std::set<std::string> keep_dials_;
  // Of the egress node at hand.
  Index egress_index_ = kNone;  // among the gateways
  std::vector<Edge> direct_;
  std::vector<Reach> reach_;
};

}  // namespace

bool is_clearly_better(std::uint64_t other, std::uint64_t mine) {
  if (other >= mine) return false;
  const std::uint64_t gain = mine - other;
  return gain > kBetterMicroseconds && gain > mine / 100 * kBetterPercent;
}

// Place by place: who was next stays, unless the best of those that are left is clearly better. So the first is never
// clearly worse than any behind it, and the same again changes nothing.
std::vector<std::string> order_steadily(std::vector<Costly> members, const std::vector<std::string>& before) {
  std::map<std::string_view, std::size_t> places;
  for (std::size_t i = 0; i < before.size(); ++i) places.emplace(before[i], i);
  std::ranges::sort(members, {}, [&](const Costly& each) {
    const auto* place = find(places, std::string_view(each.id));
    return std::tuple(place ? *place : before.size(), std::string_view(each.name), std::string_view(each.id));
  });
  std::vector<std::string> out;
  out.reserve(members.size());
  while (!members.empty()) {
    const auto best = std::ranges::min_element(members, {}, &Costly::cost);
    const auto taken = is_clearly_better(best->cost, members.front().cost) ? best : members.begin();
    out.push_back(std::move(taken->id));
    members.erase(taken);
  }
  return out;
}

RoutePlan plan_routes(const Topology& topology, const RoutePlan& before, BootTime now) {
  return Planner(topology, before, now).run();
}

}  // namespace portolan::directory
