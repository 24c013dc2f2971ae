#include <fmt/format.h>

#include "base/file.h"
#include "cli/admin.h"
#include "cli/exit.h"

namespace portolan::cli {
namespace {

Kind<api::NodeStatusView> node_kind() {
  return {"admin nodes",
          "node",
          "/v1/nodes",
          "node",
          {{"NAME"}, {"KIND"}, {"STATE"}, {"ADDRESS"}, {"SESSIONS", Align::kRight}, {"VERSION"}, {"LAST SEEN"}, {"ID"}},
          [](const api::NodeStatusView& n) -> std::vector<std::string> {
            return {n.name, n.kind, n.state, n.address, std::to_string(n.sessions), n.version, local_time(n.last_seen),
                    n.id};
          },
          {"name", "kind", "state"}};
}

Kind<api::JoinTokenView> token_kind() {
  return {"admin nodes token",
          "join token",
          "/v1/join-tokens",
          "token",
          {{"ID"}, {"KIND"}, {"NAME"}, {"CREATED"}, {"ENDS"}, {"USED BY"}},
          [](const api::JoinTokenView& t) -> std::vector<std::string> {
            return {t.id, t.kind, t.name, local_time(t.created), local_time(t.ends), t.used_by};
          },
          {"kind"}};
}

struct Options {
  std::string kind;
  std::string name;
  std::string life;
  std::string out;
};

struct WrittenToken {
  std::string id;
  std::string kind;
  WallTime ends{};
  std::string file;
};
BOOST_DESCRIBE_STRUCT(WrittenToken, (), (id, kind, ends, file))

Result<> create_token(Context& context, Options& options) {
  api::JoinTokenCreate request{options.kind, std::nullopt, std::nullopt};
  if (!options.name.empty()) request.name = options.name;
  if (!options.life.empty()) request.life = options.life;
  PL_TRY(const auto made, call_post<api::JoinTokenMade>("/v1/join-tokens", std::move(request)));
  if (options.out.empty()) {
    if (context.out.json) {
      context.out.object(made);
    } else {
      context.out.line(made.token.reveal());
    }
    context.out.note(fmt::format("It makes one {} until {} and is shown only now.", made.kind, local_time(made.ends)));
    return {};
  }
  PL_CHECK(write_file(options.out, made.token.reveal() + "\n", Privacy::kPrivate));
  if (context.out.json) context.out.object(WrittenToken{made.id, made.kind, made.ends, options.out});
  context.out.note(
      fmt::format("The token is in {}; it makes one {} until {}.", options.out, made.kind, local_time(made.ends)));
  return {};
}

}  // namespace

void add_admin_nodes(CLI::App& admin, Context& context) {
  CLI::App& group = add_group(admin, "nodes", "gateways and relays, and the tokens that make them");
  add_list(group, context, node_kind());
  add_show(group, context, node_kind());
  add_delete(group, context, node_kind(), "revoke a node for good; what it carries ends");

  CLI::App& tokens = add_group(group, "token", "single-use tokens with which new nodes join");
  CLI::App& creating = add_command(tokens, context, "create", "a token for one node",
                                   "portolan admin nodes token create --kind relay --for 1h --out ./token");
  auto options = std::make_shared<Options>();
  creating.add_option("--kind", options->kind, "gateway or relay")->required();
  creating.add_option("--name", options->name, "the node's name; else the node chooses");
  creating.add_option("--for", options->life, "how long it can be used, at most 7d; 1h if it is not given");
  creating.add_option("--out", options->out, "write it to this file, mode 0600, instead of showing it");
  on_chosen(creating, context, options, create_token);
  add_list(tokens, context, token_kind());
  add_delete(tokens, context, token_kind(), "a token that shall not be used any more");
}

}  // namespace portolan::cli
