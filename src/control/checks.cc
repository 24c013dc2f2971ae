#include "control/checks.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/id.h"
#include "base/words.h"
#include "directory/egress.h"
#include "protocols/features.h"

namespace portolan::control {
namespace {

constexpr std::size_t kReasonLimit = 512;
constexpr std::size_t kCodeLimit = 64;
constexpr std::size_t kRemovedKept = 4096;
constexpr std::size_t kProtocolsLimit = 64;
constexpr std::size_t kFeaturesLimit = 1024;
constexpr std::size_t kSoon = 64;  // so many new ones are checked at once; more are spread
constexpr double kBurst = 20;
constexpr std::string_view kNotUnderstood = "not_understood";
constexpr std::chrono::milliseconds kAway = std::chrono::minutes(1);  // a node that has not asked has no share
constexpr std::chrono::milliseconds kComeAgain = std::chrono::seconds(10);
constexpr std::chrono::milliseconds kNotSooner = std::chrono::seconds(1);

std::uint32_t random_number() {
  std::array<std::byte, 4> random{};
  fill_random(random);
  std::uint32_t number = 0;
  std::memcpy(&number, random.data(), sizeof number);
  return number;
}

// Somewhere in [0, whole): what began together does not go on together.
std::chrono::milliseconds part_of(std::chrono::milliseconds whole) {
  if (whole.count() <= 0) return std::chrono::milliseconds(0);
  return std::chrono::milliseconds(random_number() %
                                   static_cast<std::uint32_t>(std::min<std::int64_t>(whole.count(), 1 << 30)));
}

std::string code_of(const std::string& code, bool healthy) {
  if (healthy) return "ok";
  const bool proper =
      !code.empty() && code.size() <= kCodeLimit && code != "ok" && std::ranges::all_of(code, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
      });
  return proper ? code : "failed";
}

}  // namespace

bool Allowance::take(BootTime now) {
  if (last_ != BootTime{}) left_ = std::min(burst_, left_ + rate_ * std::chrono::duration<double>(now - last_).count());
  last_ = now;
  if (left_ < 1) return false;
  left_ -= 1;
  return true;
}

Checks::Checks(const Clock& clock, CheckRules rules, Credential credential)
    : clock_(clock), rules_(rules), credential_(std::move(credential)), asked_(rules.asked_rate, kBurst) {}

Checks::Worker& Checks::worker(const std::string& node) {
  return workers_.try_emplace(node, Worker{{}, {}, 0, Allowance(rules_.rate, kBurst), {}, {}}).first->second;
}

// ---- the directory ----

Checks::Stamp Checks::stamp_of(const directory::Snapshot& snapshot) {
  Stamp stamp{snapshot.resources.size(), snapshot.nodes.size(), snapshot.peering_groups.size()};
  for (const auto& [id, resource] : snapshot.resources) stamp.last = std::max(stamp.last, resource.revision);
  for (const auto& [id, node] : snapshot.nodes) stamp.last = std::max(stamp.last, node.revision);
  for (const auto& [id, group] : snapshot.peering_groups) stamp.last = std::max(stamp.last, group.revision);
  return stamp;
}

void Checks::follow(const LookupPtr& lookup) {
  if (lookup_ && &lookup_->snapshot() == &lookup->snapshot()) return;
  const auto& snapshot = lookup->snapshot();
  const bool other_history = !lookup_ || lookup_->snapshot().epoch != snapshot.epoch;
  lookup_ = lookup;
  // Most changes are people signing in.
  const Stamp before = std::exchange(stamp_, stamp_of(snapshot));
  if (before == stamp_ && !other_history) return;
  ++generation_;
  directory::EgressSets sets(snapshot);
  std::size_t fresh = 0;
  std::map<std::string, Known> targets;
  for (const auto& [id, resource] : snapshot.resources) {
    auto known = targets_.extract(id);
    const bool untouched =
        known && resource.revision != 0 && known.mapped().revision == resource.revision && !other_history;
    bool is_new_target = false;
    if (untouched) {
      targets.insert(targets.end(), std::move(known));
    } else {
      Target target{resource.type,           resource.host, resource.username, resource.sealed_password,
                    resource.sealed_tls_key, resource.port, resource.settings};
      is_new_target = !known || !(known.mapped().target == target);
      targets.emplace_hint(targets.end(), id, Known{std::move(target), resource.revision});
    }
    for (const auto* node : sets.of(resource)) note_pair(id, node->id, is_new_target, fresh);
  }
  targets_ = std::move(targets);
  std::vector<Key> gone;
  for (const auto& [key, plan] : plans_)
    if (plan.generation != generation_) gone.push_back(key);
  for (const auto& key : gone) remove(key);
  std::erase_if(workers_, [&](const auto& entry) { return !snapshot.nodes.contains(entry.first); });
}

void Checks::note_pair(const std::string& resource, const std::string& node, bool is_new_target, std::size_t& fresh) {
  const Key key{resource, node};
  const auto [at, is_new] = plans_.try_emplace(key);
  Plan& plan = at->second;
  plan.generation = generation_;
  if (!is_new && !is_new_target) return;
  State& state = states_[key];
  const std::uint64_t given = state.given;
  state = State{};
  state.given = given;
  state.since = clock_.wall();
  if (!plan.task.empty()) {  // its answer would be about what was there before
    tasks_.erase(plan.task);
    --worker(node).out;
    plan.task.clear();
  }
  plan.failures = 0;
  plan.contrary = 0;
  changed(key, plan);
  settled_.insert(resource);
  const bool soon = ++fresh <= kSoon;
  const auto never = BootTime::max();
  schedule(key, plan,
           rules_.interval.count() == 0 && !plan.asked ? never
           : soon                                      ? clock_.boot()
                                                       : clock_.boot() + part_of(rules_.interval));
}

void Checks::schedule(const Key& key, Plan& plan, BootTime due) {
  Worker& at = worker(key.second);
  at.due.erase({plan.due, key.first});
  plan.due = due;
  if (due != BootTime::max()) at.due.emplace(due, key.first);
}

void Checks::remove(const Key& key) {
  const auto found = plans_.find(key);
  Worker& at = worker(key.second);
  at.due.erase({found->second.due, key.first});
  if (!found->second.task.empty()) {
    tasks_.erase(found->second.task);
    --at.out;
  }
  order_.erase(found->second.sequence);
  plans_.erase(found);
  states_.erase(key);
  settled_.insert(key.first);
  removed_.emplace_back(++sequence_, key);
  if (removed_.size() <= kRemovedKept) return;
  removed_forgotten_ = removed_.front().first;
  removed_.pop_front();
}

// ---- handing out ----

void Checks::node_can(const std::string& node, const std::vector<std::string>& protocols,
                      const std::vector<std::string>& understands) {
  Worker& at = worker(node);
  at.seen = clock_.boot();
  std::set<std::string> can;
  for (const auto& protocol : protocols)
    if (can.size() < kProtocolsLimit && protocol.size() <= kCodeLimit) can.insert(protocol);
  std::vector<std::string> has;
  for (const auto& feature : understands)
    if (has.size() < kFeaturesLimit && feature.size() <= kCodeLimit) has.push_back(feature);
  if (at.protocols == can && at.understands == has) return;
  at.protocols = std::move(can);
  at.understands = std::move(has);
  // Of another release than before: what was beyond it is looked at again.
  for (auto& [key, plan] : plans_) {
    if (key.second != node || !plan.task.empty()) continue;
    const std::string& code = states_[key].code;
    if (code == kNotUnderstood || code == "not_supported") schedule(key, plan, clock_.boot());
  }
}

bool Checks::can_check(const std::string& node) const {
  const auto found = workers_.find(node);
  return found != workers_.end() && !found->second.protocols.empty();
}

std::vector<api::CheckTask> Checks::take(const std::string& node) {
  sweep();
  const BootTime now = clock_.boot();
  Worker& at = worker(node);
  const auto sharing = std::ranges::count_if(
      workers_, [&](const auto& entry) { return !entry.second.protocols.empty() && now - entry.second.seen < kAway; });
  at.allowance.set_rate(rules_.rate / static_cast<double>(std::max<std::ptrdiff_t>(sharing, 1)));
  std::vector<api::CheckTask> tasks;
  while (at.out < rules_.at_once && !at.due.empty() && at.due.begin()->first <= now && lookup_) {
    const Key key{at.due.begin()->second, node};
    Plan& plan = plans_.find(key)->second;
    const auto resource = lookup_->snapshot().resources.find(key.first);
    // Asked once more, though the book says so: a credential goes to nobody else.
    if (resource == lookup_->snapshot().resources.end() ||
        !directory::may_be_egress(lookup_->snapshot(), node, key.first)) {
      remove(key);
      continue;
    }
    if (!at.protocols.contains(resource->second.type)) {
      plan.asked = false;
      apply(key, Health::kUnknown, "not_supported",
            "the node's version cannot check resources of type " + resource->second.type, 0);
      continue;
    }
    if (!understood(key, plan, at, resource->second)) continue;
    if (!plan.asked && !at.allowance.take(now)) break;
    auto task = make_task(key, resource->second);
    if (!task) {
      plan.asked = false;
      apply(key, Health::kUnhealthy, "credential_unreadable",
            "the credential kept for it cannot be read: " + task.error().message, 0);
      continue;
    }
    tasks.push_back(std::move(*task));
  }
  return tasks;
}

// A node that lacks what the resource needs gets no lease for it: nobody can use the resource through it.
bool Checks::understood(const Key& key, Plan& plan, const Worker& at, const directory::Resource& resource) {
  const auto missing =
      protocols::features_missing(protocols::features_needed(resource.type, resource.settings), at.understands);
  if (missing.empty()) return true;
  plan.asked = false;
  apply(key, Health::kUnhealthy, std::string(kNotUnderstood),
        "the node's release does not know " + protocols::features_in_words(missing) + ", which the resource needs", 0);
  return false;
}

Result<api::CheckTask> Checks::make_task(const Key& key, const directory::Resource& resource) {
  PL_TRY(auto credential, credential_(resource));
  Plan& plan = plans_.find(key)->second;
  api::CheckTask task;
  task.id = make_id("ck");
  task.nonce = Secret(make_token(16));
  task.resource = resource.id;
  task.name = resource.name;
  task.type = resource.type;
  task.host = resource.host;
  task.port = resource.port;
  task.settings = resource.settings;
  task.username = resource.username;
  task.password = std::move(credential.password);
  task.tls_key = std::move(credential.tls_key);
  task.must_understand = protocols::features_needed(resource.type, resource.settings);
  task.deadline_ms = static_cast<std::uint64_t>(rules_.deadline.count());
  task.life_ms = static_cast<std::uint64_t>(rules_.life.count());
  // Twice the deadline: its answer may wait for others' and for its way.
  tasks_.emplace(task.id, Task{key, task.nonce, clock_.boot() + rules_.life + 2 * rules_.deadline});
  plan.task = task.id;
  ++worker(key.second).out;
  ++states_[key].given;
  schedule(key, plan, BootTime::max());
  return task;
}

std::chrono::milliseconds Checks::next(const std::string& node) const {
  const auto found = workers_.find(node);
  if (found == workers_.end() || found->second.due.empty() || found->second.out >= rules_.at_once) return kComeAgain;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(found->second.due.begin()->first - clock_.boot());
  return std::clamp(left, kNotSooner, kComeAgain);
}

// ---- answers ----

bool Checks::answer(const std::string& node, const api::CheckResult& result) {
  sweep();
  const auto found = tasks_.find(result.id);
  if (found == tasks_.end() || found->second.key.second != node ||
      !equal_in_constant_time(as_bytes(found->second.nonce.reveal()), as_bytes(result.nonce.reveal()))) {
    ++refused_;
    return false;
  }
  const Key key = found->second.key;
  tasks_.erase(found);
  --worker(node).out;
  Plan& plan = plans_.find(key)->second;
  plan.task.clear();
  plan.asked = false;
  const bool left = !result.healthy && result.code == kNotUnderstood;
  apply(key,
        result.healthy ? Health::kHealthy
        : left         ? Health::kUnknown
                       : Health::kUnhealthy,
        code_of(result.code, result.healthy), result.healthy ? std::string() : plain_words(result.reason, kReasonLimit),
        std::min<std::uint64_t>(result.duration_ms, 24ULL * 3600 * 1000));
  return true;
}

// That a session was let in decides at once. That it was not may be its own fault (a database that is not there), so
// the check decides; with the session it makes two results in a row.
bool Checks::seen(const std::string& node, const api::ResourceSeen& seen) {
  const Key key{seen.resource, node};
  const auto found = plans_.find(key);
  if (found == plans_.end()) return false;
  Plan& plan = found->second;
  State& state = states_[key];
  if (seen.healthy) {
    if (state.shown == Health::kHealthy && state.settled == Health::kHealthy) return false;
    plan.contrary = rules_.settled_after;
    apply(key, Health::kHealthy, "ok", "", state.duration_ms);
    return true;
  }
  const BootTime now = clock_.boot();
  const bool soon_enough = plan.hinted == BootTime{} || now - plan.hinted >= rules_.again;
  if (state.shown == Health::kUnhealthy || rules_.interval.count() == 0 || !plan.task.empty() || !soon_enough)
    return false;
  plan.hinted = now;
  if (state.settled == Health::kHealthy) plan.contrary = std::max(plan.contrary, 1U);
  schedule(key, plan, now);
  return false;
}

void Checks::sweep() {
  const BootTime now = clock_.boot();
  std::vector<std::string> over;
  for (const auto& [id, task] : tasks_)
    if (task.ends <= now) over.push_back(id);
  for (const auto& id : over) {
    const Key key = tasks_.find(id)->second.key;
    tasks_.erase(id);
    --worker(key.second).out;
    Plan& plan = plans_.find(key)->second;
    plan.task.clear();
    plan.asked = false;
    apply(key, Health::kUnknown, "node_silent", "the node was given the check and has not answered", 0);
  }
}

void Checks::apply(const Key& key, Health health, std::string code, std::string reason, std::uint64_t duration_ms) {
  State& state = states_[key];
  Plan& plan = plans_.find(key)->second;
  const bool other_health = state.shown != health;
  const bool other_words = state.code != code || state.reason != reason;
  if (other_health) state.since = clock_.wall();
  state.shown = health;
  state.code = std::move(code);
  state.reason = std::move(reason);
  if (health != Health::kUnknown) {
    state.checked = clock_.wall();
    state.duration_ms = duration_ms;
  }
  plan.failures = health == Health::kUnhealthy ? plan.failures + 1 : 0;
  if (health != Health::kUnknown) settle(key, plan, state, health);
  // Who asks for a check waits for it, whatever sessions tell meanwhile.
  if (!plan.asked)
    schedule(key, plan, rules_.interval.count() > 0 ? clock_.boot() + pause(plan, state) : BootTime::max());
  if (other_health || other_words) changed(key, plan);
}

// The first result decides at once; later, as many in a row as the rules say.
void Checks::settle(const Key& key, Plan& plan, State& state, Health health) {
  if (state.settled == health) {
    plan.contrary = 0;
    if (std::exchange(state.settled_reason, state.reason) != state.reason) settled_.insert(key.first);
    return;
  }
  if (state.settled != Health::kUnknown && ++plan.contrary < rules_.settled_after) return;
  state.settled = health;
  state.settled_reason = state.reason;
  plan.contrary = 0;
  settled_.insert(key.first);
}

std::chrono::milliseconds Checks::pause(const Plan& plan, const State& state) const {
  if (plan.contrary > 0) return std::min(rules_.again, rules_.interval);
  auto whole = rules_.interval;
  const auto doubled = [](std::chrono::milliseconds from, unsigned times) {
    return from * (1 << std::min(times, 10U));
  };
  if (state.code == "bad_credential") {
    const auto longest = std::max(rules_.longest_refused, rules_.interval);
    whole = std::min(doubled(rules_.interval, plan.failures > 2 ? plan.failures - 2 : 0), longest);
  } else if (plan.failures > 0) {
    // Who waits until the deadline takes the place of others.
    const auto longest = state.code == "timeout" ? std::max(rules_.longest, rules_.interval) : rules_.interval;
    whole = std::min(doubled(rules_.again, plan.failures - 1), longest);
  }
  return whole - whole / 10 + part_of(whole / 5);
}

void Checks::changed(const Key& key, Plan& plan) {
  order_.erase(plan.sequence);
  plan.sequence = ++sequence_;
  order_.emplace(plan.sequence, key);
}

// ---- asking and watching ----

Result<> Checks::ask(const std::string& resource, const std::vector<std::string>& nodes) {
  const bool all_out = std::ranges::all_of(nodes, [&](const auto& node) {
    const auto found = plans_.find(Key{resource, node});
    return found == plans_.end() || found->second.asked || !found->second.task.empty();
  });
  if (!all_out && !asked_.take(clock_.boot()))
    return fail(Code::kLimit, "too many checks are asked for; try again in a moment");
  for (const auto& node : nodes) {
    const auto found = plans_.find(Key{resource, node});
    if (found == plans_.end() || found->second.asked) continue;
    found->second.asked = true;
    // One that is under way is as good.
    if (found->second.task.empty()) schedule(found->first, found->second, BootTime{});
  }
  return {};
}

bool Checks::is_asked(const Key& key) const {
  const auto found = plans_.find(key);
  return found != plans_.end() && found->second.asked;
}

const Checks::State* Checks::find(const Key& key) const {
  const auto found = states_.find(key);
  return found == states_.end() ? nullptr : &found->second;
}

Result<std::vector<Checks::Changed>> Checks::changed_since(std::uint64_t after) const {
  if (after < removed_forgotten_) return fail(Code::kLimit, "too much has changed: list anew");
  std::vector<Changed> out;
  for (auto at = std::ranges::upper_bound(removed_, after, {}, [](const auto& each) { return each.first; });
       at != removed_.end(); ++at)
    out.push_back({at->second, true});
  for (auto at = order_.upper_bound(after); at != order_.end(); ++at) out.push_back({at->second, false});
  return out;
}

void Checks::node_changed(const std::string& node) {
  for (auto& [key, plan] : plans_) {
    if (key.second != node) continue;
    changed(key, plan);
    settled_.insert(key.first);
  }
}

}  // namespace portolan::control
