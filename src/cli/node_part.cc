#include "cli/node_part.h"

#include "base/log.h"
#include "cli/exit.h"

namespace portolan::cli {
namespace {

constexpr std::chrono::milliseconds kLook = std::chrono::seconds(1);  // whether the restart may begin

}  // namespace

net::Task<Result<std::unique_ptr<Part>>> NodePart::start(net::Loop& loop, node::NodeOptions options,
                                                         std::optional<Maintenance> maintenance) {
  CO_TRY(auto node, co_await node::Node::start(loop, std::move(options)));
  co_return std::make_unique<NodePart>(loop, std::move(node), std::move(maintenance));
}

NodePart::NodePart(net::Loop& loop, std::unique_ptr<node::Node> node, std::optional<Maintenance> maintenance)
    : node_(std::move(node)), maintenance_(std::move(maintenance)), asked_now_(loop.executor()) {
  if (maintenance_)
    hangup_.emplace(loop.executor(), [this] {
      asked_ = true;
      asked_now_.set();
    });
}

net::Task<Result<>> NodePart::ended() {
  if (!maintenance_) co_return co_await Part::ended();
  while (!asked_) {
    const auto waited = co_await asked_now_.wait(std::chrono::hours(24));
    if (!waited && waited.error().code == Code::kCancelled) co_return Result<>{};
  }
  const Clock& clock = Clock::real();
  const auto window = maintenance_->window ? maintenance_->window->next(clock.wall()) : std::nullopt;
  log::info("a restart was asked for", {{"not_before", window ? to_rfc3339(*window) : "now"},
                                        {"require_idle", maintenance_->require_idle ? "yes" : "no"}});
  while (!maintenance_->may_begin(clock.wall(), node_->idle()))
    if (const auto slept = co_await net::sleep_for(kLook); !slept) co_return Result<>{};
  co_return restart_due();
}

}  // namespace portolan::cli
