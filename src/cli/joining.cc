#include "cli/joining.h"

#include <fmt/format.h>

#include "api/clusters.h"

namespace portolan::cli {
namespace {

struct Options {
  JoiningKind kind;
  std::string id;
  bool with_nodes = false;
};

Result<> revoke(Context& context, Options& options) {
  PL_TRY(const auto path, path_with(options.kind.collection, options.id));
  api::RevokeJoining request;
  if (options.with_nodes) request.nodes = true;
  PL_TRY(const auto revoked, call_post<api::JoiningRevoked>(path + "/revoke", request));
  if (context.out.json) context.out.object(revoked);
  context.out.note(
      options.with_nodes
          ? fmt::format("Nobody joins by it any more; {} of its nodes were revoked.", revoked.nodes.size())
          : "Nobody joins by it any more. The nodes that came by it stay; --with-nodes revokes them, too.");
  return {};
}

}  // namespace

void add_revoke_joining(CLI::App& group, Context& context, JoiningKind kind) {
  CLI::App& app = add_command(group, context, "revoke", "nobody joins by this " + kind.noun + " any more",
                              kind.command + " ID --with-nodes");
  auto options = std::make_shared<Options>(Options{std::move(kind), {}});
  app.add_option(options->kind.key, options->id, kById)->required();
  app.add_flag("--with-nodes", options->with_nodes, "revoke the nodes that came by it, too; what they carry ends");
  on_chosen(app, context, options, revoke);
}

}  // namespace portolan::cli
