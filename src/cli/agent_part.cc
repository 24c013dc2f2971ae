#include "cli/agent_part.h"

namespace portolan::cli {

net::Task<Result<std::unique_ptr<Part>>> AgentPart::start(net::Loop& loop, client::AgentOptions options) {
  CO_TRY(auto agent, co_await client::Agent::start(loop, std::move(options)));
  co_return std::make_unique<AgentPart>(std::move(agent));
}

net::Task<Result<>> AgentPart::ended() {
  co_await agent_->stop_requested();
  co_return Result<>{};
}

}  // namespace portolan::cli
