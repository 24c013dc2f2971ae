// API tokens: with which scripts call the API, each with what it may and until when.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "api/token.h"
#include "base/file.h"
#include "cli/admin.h"

namespace portolan::cli {
namespace {

Kind<api::ApiTokenView> kind() {
  return {"admin tokens",
          "API token",
          "/v1/tokens",
          "token",
          {{"NAME"}, {"ACCOUNT"}, {"PROOF"}, {"ENDS"}, {"CREATED"}, {"ID"}, {"MAY"}},
          [](const api::ApiTokenView& t) -> std::vector<std::string> {
            return {t.name,
                    name_or(t.email, t.account),
                    t.proof,
                    local_time(t.ends),
                    local_time(t.created),
                    t.id,
                    fmt::format("{}", fmt::join(t.permissions, " "))};
          },
          {"account", "name"},
          {},
          nullptr,
          kById};
}

struct Options {
  std::string name;
  std::string account;
  std::vector<std::string> permissions;
  std::string life;
  std::string public_key_file;
  std::string out;
};

struct WrittenToken {
  std::string id;
  std::string account;
  std::string name;
  std::optional<WallTime> ends;
  std::string file;
};
BOOST_DESCRIBE_STRUCT(WrittenToken, (), (id, account, name, ends, file))

std::string until(const api::ApiTokenMade& made) {
  return made.ends ? "until " + local_time(*made.ends) : "until it is removed";
}

Result<> print_key(Context& context, const api::ApiTokenMade& made) {
  if (context.out.json) context.out.object(made);
  context.out.note(fmt::format("Requests that this key signs are taken {}; its id is {}.", until(made), made.id));
  return {};
}

Result<> write_token(Context& context, const api::ApiTokenMade& made, const std::string& file) {
  if (auto written = write_file(file, made.token->reveal() + "\n", Privacy::kPrivate); !written) {
    // Nobody has it, so it shall not be.
    PL_CHECK(call_delete("/v1/tokens/" + made.id));
    return std::unexpected(std::move(written).error().within("the token was removed again"));
  }
  if (context.out.json) context.out.object(WrittenToken{made.id, made.account, made.name, made.ends, file});
  context.out.note(fmt::format("The token is in {}; it is good {}.", file, until(made)));
  return {};
}

// Before anything is sent: who gives the wrong file of a pair would have given the private half away.
Result<> check_public_key(std::string_view text, const std::string& file) {
  if (text.contains("PRIVATE KEY"))
    return fail(Code::kInvalid, file +
                                    " holds a private key, which nobody else may have; nothing was sent. Give the "
                                    "public half, which this prints: openssl pkey -pubout -in " +
                                    file);
  if (!text.contains("-----BEGIN PUBLIC KEY-----"))
    return fail(Code::kInvalid, file + " holds no public key in PEM (-----BEGIN PUBLIC KEY-----); nothing was sent");
  return {};
}

Result<> create(Context& context, Options& options) {
  api::ApiTokenCreate request{.name = options.name};
  if (!options.account.empty()) request.account = options.account;
  if (!options.permissions.empty()) request.permissions = options.permissions;
  if (!options.life.empty()) request.life = options.life;
  if (!options.public_key_file.empty()) {
    if (!options.out.empty()) return wrong_usage("--out: with a key of your own there is no token to write");
    PL_TRY(auto key, read_file(options.public_key_file, 64 * 1024));
    PL_CHECK(check_public_key(key, options.public_key_file));
    request.public_key = std::move(key);
  }
  PL_TRY(const auto made, call_post<api::ApiTokenMade>("/v1/tokens", std::move(request)));
  if (!made.token) return print_key(context, made);
  if (!options.out.empty()) return write_token(context, made, options.out);
  if (context.out.json) {
    context.out.object(made);
  } else {
    context.out.line(made.token->reveal());
  }
  context.out.note(fmt::format("It is good {} and is shown only now.", until(made)));
  return {};
}

}  // namespace

void add_admin_tokens(CLI::App& admin, Context& context) {
  CLI::App& group = add_group(admin, "tokens", "with which scripts call the API");
  add_list(group, context, kind());
  add_show(group, context, kind());
  CLI::App& creating = add_command(group, context, "create", "a new API token",
                                   "portolan admin tokens create nightly --account ci@example.com --permission "
                                   "resources:read --ends 90d --out ./token");
  auto options = std::make_shared<Options>();
  creating.add_option("name", options->name, "for people to read")->required();
  creating.add_option("--account", options->account, "of this service account; else your own");
  creating
      .add_option(
          "--permission", options->permissions,
          "what it may, such as resources:read, of what its account may (admins' work needs an admin's account); all "
          "of that if none is given")
      ->allow_extra_args(false);
  creating.add_option("--ends", options->life, "how long it is good, like 90d; until it is removed if not given");
  creating.add_option("--public-key-file", options->public_key_file,
                      "no token: requests are signed with this Ed25519 key, whose public half is in FILE (PEM)");
  creating.add_option("--out", options->out, "write it to this file, mode 0600, instead of showing it");
  on_chosen(creating, context, options, create);
  add_delete(group, context, kind(), "a token that shall not be used any more");
}

}  // namespace portolan::cli
