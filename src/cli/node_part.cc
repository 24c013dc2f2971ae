#include "cli/node_part.h"

#include <utility>

#include "base/log.h"
#include "cli/exit.h"

namespace portolan::cli {
namespace {

constexpr std::chrono::milliseconds kLook = std::chrono::seconds(1);  // whether the restart may begin

}  // namespace

net::Task<Result<std::unique_ptr<Part>>> NodePart::start(net::Loop& loop, node::NodeOptions options,
                                                         std::optional<Maintenance> maintenance, NodeUpdates* updates) {
  CO_TRY(auto node, co_await node::Node::start(loop, std::move(options)));
  co_return std::make_unique<NodePart>(loop, std::move(node), std::move(maintenance), updates);
}

NodePart::NodePart(net::Loop& loop, std::unique_ptr<node::Node> node, std::optional<Maintenance> maintenance,
                   NodeUpdates* updates)
    : node_(std::move(node)),
      maintenance_(std::move(maintenance)),
      asked_now_(loop.executor()),
      updates_(updates),
      tasks_(loop.executor()) {
  if (maintenance_)
    hangup_.emplace(loop.executor(), [this] {
      asked_ = true;
      asked_now_.set();
    });
  if (!updates_) return;
  tasks_.spawn("confirm", updates_->confirm([this] { return node_->ready(); }));
  tasks_.spawn("updates", updates_->follow([this] { asked_now_.set(); }));
}

net::Task<> NodePart::stop() {
  tasks_.cancel();
  co_await tasks_.join();
  co_await node_->stop();
}

net::Task<Result<>> NodePart::ended() {
  if (!maintenance_) co_return co_await Part::ended();
  const Clock& clock = Clock::real();
  bool said = false;
  for (;;) {
    if (asked_ && !std::exchange(said, true)) {
      const auto window = maintenance_->window ? maintenance_->window->next(clock.wall()) : std::nullopt;
      log::info("a restart was asked for", {{"not_before", window ? to_rfc3339(*window) : "now"},
                                            {"require_idle", maintenance_->require_idle ? "yes" : "no"}});
    }
    if (asked_ && maintenance_->may_begin(clock.wall(), node_->idle())) co_return restart_due();
    if (updates_ && updates_->may_begin(clock.wall(), node_->idle())) co_return restart_due();
    const bool waits = asked_ || (updates_ && updates_->staged());
    const auto woken = co_await asked_now_.wait(waits ? kLook : std::chrono::hours(24));
    if (!woken && woken.error().code == Code::kCancelled) co_return Result<>{};
  }
}

}  // namespace portolan::cli
