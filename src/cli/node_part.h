// A gateway or relay as a part.
#pragma once
#include "cli/part.h"
#include "node/node.h"

namespace portolan::cli {

class NodePart : public Part {
 public:
  static net::Task<Result<std::unique_ptr<Part>>> start(net::Loop& loop, node::NodeOptions options);
  explicit NodePart(std::unique_ptr<node::Node> node) : node_(std::move(node)) {}
  net::Task<> stop() override { return node_->stop(); }
  const node::Node& node() const { return *node_; }

 private:
  std::unique_ptr<node::Node> node_;
};

}  // namespace portolan::cli
