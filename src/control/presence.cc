#include "control/presence.h"

#include <utility>

#include "api/assertion.h"
#include "base/words.h"
#include "directory/placement.h"

namespace portolan::control {
namespace {

constexpr std::chrono::milliseconds kReportsMissed = std::chrono::seconds(35);  // three, with their jitter
constexpr std::chrono::milliseconds kBlink = std::chrono::seconds(15);          // as long as a node goes on by itself
constexpr std::chrono::milliseconds kOwnAbsence = std::chrono::seconds(8);
constexpr std::uint64_t kDescriptorsLeft = 10;  // per cent
constexpr std::uint64_t kMuchBacklog = 256ULL * 1024 * 1024;
constexpr std::size_t kReasonLimit = 256;

std::string name_of(const Lookup& lookup, const std::string& id) {
  const auto* node = lookup.node(id);
  return node ? node->name : plain_words(id, 64);
}

// Words that do not change from one report to the next: what a watch has shown once it does not show again.
void add(std::string& words, const std::string& more) { words += (words.empty() ? "" : "; ") + more; }

}  // namespace

Presence::Seat::Seat(Presence& presence, std::string node) : presence_(presence), node_(std::move(node)) {
  presence_.seen(node_);
  auto& state = presence_.states_[node_];
  if (state.watches++ > 0) return;
  // A node that comes back at once, as with a new certificate, was never away: its sessions went on.
  const bool blinked = state.up_since && presence_.clock_.boot() - state.left < kBlink;
  state.since = blinked ? *state.up_since : presence_.clock_.wall();
  state.up_since = state.since;
  state.reported = presence_.clock_.boot();  // it has its time until the first report
  state.silent = false;
  if (!blinked) state.leaving = false;
  presence_.on_change_(node_);
}

// That its connection ends is no sign of it: one that is frozen is cut off here.
Presence::Seat::~Seat() {
  auto& state = presence_.states_[node_];
  if (--state.watches > 0) return;
  state.left = presence_.clock_.boot();
  state.since = presence_.clock_.wall();
  presence_.on_change_(node_);
}

void Presence::seen(const std::string& node) { states_[node].last_seen = clock_.wall(); }

void Presence::report(const std::string& node, api::NodeFacts facts) {
  State& state = states_[node];
  state.reported = clock_.boot();
  state.facts = std::move(facts);
  if (std::exchange(state.silent, false)) {
    state.since = state.up_since = clock_.wall();
    turned_.push_back(node);
    return;
  }
  // It came back at once, and was another process then.
  const WallTime begun = clock_.wall() - std::chrono::seconds(state.facts->uptime_s);
  if (state.since && state.watches > 0 && begun > *state.since + kBlink) state.since = state.up_since = begun;
}

void Presence::set_leaving(const std::string& node, bool leaving) {
  if (std::exchange(states_[node].leaving, leaving) != leaving) turned_.push_back(node);
}

bool Presence::serves(const std::string& node) const { return up(node) && !states_.find(node)->second.leaving; }

bool Presence::up(const std::string& node) const {
  const auto found = states_.find(node);
  return found != states_.end() && found->second.watches > 0 && !found->second.silent;
}

const Presence::State* Presence::find(const std::string& node) const {
  const auto found = states_.find(node);
  return found == states_.end() ? nullptr : &found->second;
}

Presence::State Presence::of(const std::string& node) const {
  const State* state = find(node);
  return state ? *state : State{};
}

std::string Presence::trouble_with_links(const State& state, const directory::Node& node, const Lookup& lookup) const {
  std::string words;
  std::size_t up = 0;
  for (const auto& link : state.facts->links) {
    if (link.state == "up") {
      ++up;
      continue;
    }
    add(words, "not linked to " + name_of(lookup, link.node) +
                   (link.address.empty() ? "" : " (" + plain_words(link.address, 64) + ")") +
                   (link.reason ? ": " + plain_words(*link.reason, kReasonLimit) : ""));
    if (words.size() > 2 * kReasonLimit) break;
  }
  if ((node.kind == "relay" || node.kind == directory::kBridgedWorker) && up == 0 && !state.facts->links.empty())
    words = "people cannot reach anything through it: " + words;
  return words;
}

std::string Presence::trouble(const directory::Node& node, const Lookup& lookup) const {
  if (node.revoked) return "it was revoked and has to join anew";
  const auto found = states_.find(node.id);
  if (found == states_.end() || !found->second.last_seen) return "it has not been seen since the control plane began";
  const State& state = found->second;
  if (state.watches == 0)
    return "it has no connection to the control plane since " + to_rfc3339(state.since.value_or(*state.last_seen)) +
           ": is it running, and can it reach this address?";
  if (!state.facts) return {};
  std::string words;
  if (state.silent)
    return "it has reported nothing for " + format_duration(kReportsMissed) +
           ", though its connection stands: is its machine frozen, or cut off?";
  const std::chrono::milliseconds offset(state.facts->clock_offset_ms);
  if (std::chrono::abs(offset) > api::kClockSlack)
    add(words, "its clock is " + format_duration(std::chrono::round<std::chrono::minutes>(std::chrono::abs(offset))) +
                   (offset.count() > 0 ? " ahead" : " behind") + ", and more than " +
                   format_duration(api::kClockSlack) + " keeps people out: set it by NTP");
  if (const std::string links = trouble_with_links(state, node, lookup); !links.empty()) add(words, links);
  if (state.leaving) add(words, "it was told to stop: it takes nothing new, and ends when what runs there has ended");
  const auto& load = state.facts->load;
  if (load.descriptor_limit > 0 &&
      load.descriptors > load.descriptor_limit - load.descriptor_limit * kDescriptorsLeft / 100)
    add(words, "it has nearly all of its " + std::to_string(load.descriptor_limit) +
                   " descriptors open: raise its limit (ulimit -n)");
  if (load.audit_backlog_bytes > kMuchBacklog)
    add(words,
        "more than " + std::to_string(kMuchBacklog / (1024 * 1024)) + " MiB of audit wait there to be handed over");
  return words;
}

Presence::Noted Presence::note_changes(const Lookup& lookup) {
  const BootTime now = clock_.boot();
  // After a sleep of this machine nobody is silent yet.
  const bool slept = noted_ && now - *noted_ > kOwnAbsence;
  noted_ = now;
  for (auto& [id, state] : states_) {
    if (slept) state.reported = now;
    if (state.silent || state.watches == 0 || !state.facts || now - state.reported <= kReportsMissed) continue;
    state.silent = true;
    state.since = clock_.wall();
    state.up_since.reset();
    turned_.push_back(id);
  }
  Noted noted{false, std::exchange(turned_, {})};
  for (const auto& [id, node] : lookup.snapshot().nodes) {
    const auto found = states_.find(id);
    if (found == states_.end()) continue;
    State& state = found->second;
    std::string shown =
        (up(id) ? "up" : "down") + std::string(node.revoked ? " revoked " : " ") + trouble(node, lookup);
    if (shown == state.trouble_shown) continue;
    state.trouble_shown = std::move(shown);
    state.sequence = ++sequence_;
    noted.any = true;
  }
  return noted;
}

}  // namespace portolan::control
