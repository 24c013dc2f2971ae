#include "cli/node_updates.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/id.h"
#include "base/log.h"
#include "update/trial.h"

namespace portolan::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLook = std::chrono::seconds(5);  // the wall clock may be set meanwhile
constexpr milliseconds kReadyLook = std::chrono::seconds(1);

milliseconds some_of(milliseconds most) {
  std::array<std::byte, 4> random{};
  fill_random(random);
  ByteReader reader(random);
  return milliseconds(reader.u32() % std::max<std::uint32_t>(1, static_cast<std::uint32_t>(most.count())));
}

}  // namespace

bool NodeUpdates::may_begin(WallTime now, bool idle) const {
  return staged_ && options_.window.matches(now) && (!options_.require_idle || idle);
}

net::Task<> NodeUpdates::confirm(std::function<bool()> serves) {
  while (!serves()) {
    const auto slept = co_await net::sleep_for(kReadyLook);
    if (!slept) co_return;
  }
  const auto passed = update::pass_trial(options_.updater.state_folder, options_.updater.version);
  if (!passed) log::warn("cannot note that this version works", {{"error", passed.error()}});
}

net::Task<> NodeUpdates::follow(std::function<void()> on_staged) {
  for (;;) {
    while (!options_.window.matches(Clock::real().wall())) {
      const auto slept = co_await net::sleep_for(kLook);
      if (!slept) co_return;
    }
    const auto spread = co_await net::sleep_for(some_of(options_.most_jitter));
    if (!spread) co_return;
    const auto found = co_await look();
    if (!found && found.error().code == Code::kCancelled) co_return;
    if (!found) log::warn("cannot look for an update", {{"error", found.error()}});
    if (found && *found) {
      log::info("an update is there", {{"version", staged_->version->text()}});
      on_staged();
      co_return;
    }
    const auto rested = co_await net::sleep_for(options_.between);
    if (!rested) co_return;
  }
}

net::Task<Result<bool>> NodeUpdates::look() {
  CO_TRY(const auto source, update::Source::make(options_.source));
  CO_TRY(const auto updater, update::Updater::open(options_.updater, *source, Clock::real()));
  CO_TRY(auto found, co_await updater->check());
  if (found.verdict == update::Verdict::kFailedBefore)
    log::warn("a version is there that did not start here", {{"version", found.version->text()}});
  if (found.verdict != update::Verdict::kUpdate) co_return false;
  CO_CHECK(co_await updater->fetch(found, {}));
  staged_ = std::move(found);
  co_return true;
}

void NodeUpdates::install() {
  if (!staged_) return;
  const auto done = [this]() -> Result<> {
    PL_TRY(const auto source, update::Source::make(options_.source));
    PL_TRY(const auto updater, update::Updater::open(options_.updater, *source, Clock::real()));
    return updater->install(*staged_, update::Updater::After::kTrial);
  }();
  const std::string version = staged_->version->text();
  staged_.reset();
  if (done) {
    log::info("updated", {{"from", options_.updater.version.text()}, {"to", version}});
  } else {
    log::error("the update failed; the program before goes on", {{"version", version}, {"error", done.error()}});
  }
}

}  // namespace portolan::cli
