// The client's agent as a part.
#pragma once
#include "cli/part.h"
#include "client/agent.h"

namespace portolan::cli {

class AgentPart : public Part {
 public:
  static net::Task<Result<std::unique_ptr<Part>>> start(net::Loop& loop, client::AgentOptions options);
  explicit AgentPart(std::unique_ptr<client::Agent> agent) : agent_(std::move(agent)) {}
  net::Task<Result<>> ended() override;
  net::Task<> stop() override { return agent_->stop(); }

 private:
  std::unique_ptr<client::Agent> agent_;
};

}  // namespace portolan::cli
