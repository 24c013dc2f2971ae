#include "client/choice.h"

#include <algorithm>
#include <compare>

#include "base/log.h"

namespace portolan::client {
namespace {

using std::chrono::microseconds;

// Another gateway is clearly better if it is so by both.
constexpr microseconds kBetterBy = std::chrono::milliseconds(2);
constexpr int kBetterPercent = 20;
constexpr std::chrono::milliseconds kDoubtful = std::chrono::seconds(15);
constexpr int kBetterTimes = 3;  // measurements of both, one after another

}  // namespace

struct Choice::Cost {
  enum class Known { kMeasured, kWay, kNone };
  Known known = Known::kWay;
  microseconds round_trip = microseconds::max();
  std::uint32_t hops = 1;
  auto operator<=>(const Cost&) const = default;

  bool clearly_better_than(const Cost& other) const {
    if (known != other.known) return known < other.known;
    return known == Known::kMeasured && other.round_trip - round_trip > kBetterBy &&
           round_trip * 100 < other.round_trip * (100 - kBetterPercent);
  }
};

void Choice::know(const std::optional<std::vector<api::AgentEgress>>& egresses) {
  ways_.clear();
  if (!egresses) return;
  for (const api::AgentEgress& egress : *egresses)
    if (egress.ways && !egress.ways->empty()) ways_[egress.id] = *egress.ways;
}

// Where nothing is known of ways, the gateway's own round trip is all that there is.
Choice::Cost Choice::cost(const std::string& egress, const MeasuredGateway& gateway) const {
  const auto own = [&](std::chrono::microseconds further, std::uint32_t hops) {
    if (!gateway.round_trip) return Cost{Cost::Known::kWay, microseconds::max(), hops};
    return Cost{Cost::Known::kMeasured, *gateway.round_trip + further, hops};
  };
  const auto ways = ways_.find(egress);
  if (ways == ways_.end()) return own(microseconds(0), 1);
  const auto way = std::ranges::find(ways->second, gateway.id, &api::EgressWay::gateway);
  if (way == ways->second.end()) return {Cost::Known::kNone, gateway.round_trip.value_or(microseconds::max()), 1};
  if (!way->round_trip_us) return {Cost::Known::kWay, gateway.round_trip.value_or(microseconds::max()), way->hops};
  // A number beyond an hour is none.
  constexpr std::uint64_t kLongest = 3'600'000'000;
  return own(microseconds(std::min(*way->round_trip_us, kLongest)), way->hops);
}

void Choice::look(const std::vector<MeasuredGateway>& gateways) {
  for (auto& [egress, first] : firsts_) {
    const auto kept = std::ranges::find(gateways, first.gateway, &MeasuredGateway::id);
    if (kept == gateways.end()) continue;
    const auto by_cost = [&](const MeasuredGateway& gateway) { return cost(egress, gateway); };
    const auto best = std::ranges::min_element(gateways, {}, by_cost);
    if (!by_cost(*best).clearly_better_than(by_cost(*kept))) {
      first.challenger.clear();
      first.times = 0;
      continue;
    }
    const std::uint64_t measured = std::min(best->measurements, kept->measurements);
    if (first.challenger != best->id) {
      first.challenger = best->id;
      first.times = 1;
    } else if (measured > first.seen) {
      ++first.times;
    } else {
      continue;
    }
    first.seen = measured;
    if (first.times < kBetterTimes) continue;
    log::info("another gateway is better from now on",
              {{"egress", egress}, {"gateway", best->id}, {"was", first.gateway}});
    first = First{best->id};
  }
}

void Choice::doubt(const std::string& gateway) { doubtful_[gateway] = clock_.boot() + kDoubtful; }

std::vector<std::string> Choice::order(const std::string& egress, const std::vector<MeasuredGateway>& gateways) {
  std::vector<std::pair<Cost, std::string>> sorted;
  for (const MeasuredGateway& gateway : gateways) sorted.emplace_back(cost(egress, gateway), gateway.id);
  std::ranges::sort(sorted);
  std::vector<std::string> order;
  for (auto& [cost, id] : sorted) order.push_back(std::move(id));
  if (order.empty()) return order;
  First& first = firsts_[egress];
  const auto kept = std::ranges::find(order, first.gateway);
  // One that is away, or leads nowhere by now, is no choice any more, at once.
  const bool stays = kept != order.end() &&
                     (sorted[static_cast<std::size_t>(kept - order.begin())].first.known != Cost::Known::kNone ||
                      sorted.front().first.known == Cost::Known::kNone);
  if (stays)
    std::rotate(order.begin(), kept, std::next(kept));
  else
    first = First{order.front()};
  std::erase_if(doubtful_, [&](const auto& doubtful) { return clock_.boot() >= doubtful.second; });
  std::vector<std::string> last;
  std::erase_if(order, [&](const std::string& id) {
    const bool doubtful = doubtful_.contains(id);
    if (doubtful) last.push_back(id);
    return doubtful;
  });
  order.insert(order.end(), last.begin(), last.end());
  return order;
}

}  // namespace portolan::client
