#include "node/placement.h"

#include "crypto/identity.h"
#include "directory/placement.h"

namespace portolan::node {

Result<Placement> placement_of(const std::string& kind, bool listens) {
  using enum tunnel::Purpose;
  Placement made;
  if (kind == "gateway") {
    made = {.listens = true, .port = {kUser, kReverse, kNode, kInner}, .forwards = true, .meshes = true};
  } else if (kind == "relay" || kind == directory::kBridgedWorker) {
    made = {.dials = true};
  } else if (kind == directory::kWorker) {
    made = {.listens = true, .port = {kInner}};
  } else if (kind == directory::kBridgeWorker) {
    made = {.listens = true, .port = {kUser, kReverse}, .forwards = true};
  } else {
    return fail(Code::kInvalid, "this node has joined as a " + quoted(kind) + ", which this version does not know");
  }
  if (made.listens == listens) return made;
  return fail(Code::kInvalid, "this node has joined as a " + kind +
                                  (listens ? ", which listens on nothing: leave --listen out" : ": give it --listen"));
}

Result<> check_web(const std::string& kind, const NodeOptions& options) {
  if (options.web && kind != "gateway")
    return fail(Code::kInvalid, "this node has joined as a " + kind +
                                    ", and only gateways take links over WebSocket: leave --web-listen out");
  if (options.web_links && kind != "relay")
    return fail(Code::kInvalid, "this node has joined as a " + kind +
                                    ", and only relays dial gateways over WebSocket: leave --web-links out");
  return {};
}

Result<> check_neighbour(const Identity& identity, const crypto::Certificate& leaf) {
  const auto uris = leaf.uris();
  PL_TRY(const auto names, crypto::parse_node_names(uris));
  const std::string cluster = names.cluster ? names.cluster->cluster : "";
  if (cluster == identity.cluster) return {};
  return fail(Code::kDenied,
              cluster.empty() ? "this is a worker of a cluster, and that node is none"
                              : "that node is a worker of another cluster",
              "wrong_cluster");
}

}  // namespace portolan::node
