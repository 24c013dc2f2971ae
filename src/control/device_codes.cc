#include "control/device_codes.h"

#include <algorithm>
#include <array>

#include "base/id.h"
#include "control/caller.h"

namespace portolan::control {
namespace {

// Without vowels, so that no code is a word, and without Y, which some take for one.
constexpr std::string_view kLetters = "BCDFGHJKLMNPQRSTVWXZ";
constexpr std::size_t kHalf = 4;
constexpr std::chrono::milliseconds kEarly = std::chrono::milliseconds(500);  // clocks and networks are not exact
constexpr std::string_view kAll = "all";

// Each letter equally likely: a byte beyond the last whole multiple of twenty is thrown again.
char random_letter() {
  for (;;) {
    std::array<std::byte, 1> random{};
    fill_random(random);
    const auto number = std::to_integer<unsigned>(random[0]);
    if (number < 256 / kLetters.size() * kLetters.size()) return kLetters[number % kLetters.size()];
  }
}

std::string make_user_code() {
  std::string code;
  for (std::size_t i = 0; i < 2 * kHalf; ++i) {
    if (i == kHalf) code += '-';
    code += random_letter();
  }
  return code;
}

// As people type it, in the form that we show; empty if it cannot be one.
std::string normalize(std::string_view typed) {
  std::string code;
  for (const char c : typed) {
    if (c == '-' || c == ' ') continue;
    const char upper = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    if (!kLetters.contains(upper) || code.size() > 2 * kHalf) return "";
    if (code.size() == kHalf) code += '-';
    code += upper;
  }
  return code.size() == 2 * kHalf + 1 ? code : "";
}

std::unexpected<Error> expired() {
  return fail(Code::kInvalid, "the code has ended or was used; begin again: portolan login", "expired_token");
}

std::unexpected<Error> not_known() { return fail(Code::kNotFound, "this code is not known, was used, or has ended"); }

std::unexpected<Error> too_many() {
  return fail(Code::kLimit, "too many wrong codes; wait ten minutes, and begin again: portolan login");
}

}  // namespace

DeviceCodes::DeviceCodes(const Clock& clock, DeviceCodeLimits limits)
    : clock_(clock),
      limits_(limits),
      guesses_(clock, limits.guesses, limits.guess_lock),
      guesses_by_address_(clock, limits.guesses_per_address, limits.guess_lock) {}

void DeviceCodes::drop_ended() {
  std::erase_if(entries_, [now = clock_.boot()](const auto& entry) { return entry.second.ends <= now; });
}

DeviceCodes::Entry* DeviceCodes::find_entry(const std::string& user_code) {
  for (auto& [hash, entry] : entries_)
    if (entry.what.user_code == user_code && !entry.denied && !entry.approved_by) return &entry;
  return nullptr;
}

Result<DeviceCodes::Made> DeviceCodes::make(SignIns::Installation installation, std::string address) {
  drop_ended();
  const auto from_there =
      std::ranges::count_if(entries_, [&](const auto& entry) { return entry.second.what.address == address; });
  if (entries_.size() >= limits_.pending || static_cast<std::size_t>(from_there) >= limits_.pending_per_address)
    return fail(Code::kLimit, "too many sign-ins wait for their approval; try again in a few minutes");
  Made made{Secret("pdc1." + make_token()), make_user_code()};
  while (
      std::ranges::any_of(entries_, [&](const auto& entry) { return entry.second.what.user_code == made.user_code; }))
    made.user_code = make_user_code();
  entries_.emplace(token_hash(made.device_code.reveal()),
                   Entry{{made.user_code, std::move(installation), std::move(address), clock_.wall()},
                         clock_.boot() + limits_.life,
                         clock_.boot(),
                         limits_.interval});
  return made;
}

Result<DeviceCodes::Pending> DeviceCodes::find(const std::string& typed, const std::string& from) {
  if (!guesses_by_address_.begin(from)) return too_many();
  if (!guesses_.begin(std::string(kAll))) {
    guesses_by_address_.withdraw(from);
    return too_many();
  }
  drop_ended();
  const Entry* entry = find_entry(normalize(typed));
  if (!entry) return not_known();
  guesses_by_address_.withdraw(from);
  guesses_.withdraw(std::string(kAll));
  return entry->what;
}

Result<> DeviceCodes::approve(const std::string& user_code, directory::Account by) {
  drop_ended();
  Entry* entry = find_entry(user_code);
  if (!entry) return not_known();
  entry->approved_by = std::move(by);
  return {};
}

void DeviceCodes::deny(const std::string& user_code) {
  if (Entry* entry = find_entry(user_code)) entry->denied = true;
}

Result<DeviceCodes::Approved> DeviceCodes::take(const Secret& device_code) {
  drop_ended();
  const auto found = entries_.find(token_hash(device_code.reveal()));
  if (found == entries_.end()) return expired();
  Entry& entry = found->second;
  if (entry.denied) {
    entries_.erase(found);
    return fail(Code::kInvalid, "the sign-in was denied in the browser", "access_denied");
  }
  const BootTime now = clock_.boot();
  const bool early = now - entry.asked_last + kEarly < entry.interval;
  entry.asked_last = now;
  // Where there is an answer, it is given.
  if (early && !entry.approved_by) {
    entry.interval += limits_.slow_down;
    return fail(Code::kInvalid, "asked too soon; ask less often", "slow_down");
  }
  if (!entry.approved_by) return fail(Code::kInvalid, "nobody has approved the sign-in yet", "authorization_pending");
  Approved approved{std::move(*entry.approved_by), std::move(entry.what.installation)};
  entries_.erase(found);
  return approved;
}

}  // namespace portolan::control
