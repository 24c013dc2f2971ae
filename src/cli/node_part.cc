#include "cli/node_part.h"

namespace portolan::cli {

net::Task<Result<std::unique_ptr<Part>>> NodePart::start(net::Loop& loop, node::NodeOptions options) {
  CO_TRY(auto node, co_await node::Node::start(loop, std::move(options)));
  co_return std::make_unique<NodePart>(std::move(node));
}

}  // namespace portolan::cli
