#include "cli/admin.h"
#include "cli/exit.h"
#include "cli/secrets.h"

namespace portolan::cli {
namespace {

Kind<api::AccountView> kind() {
  return {"admin accounts",
          "account",
          "/v1/accounts",
          "account",
          {{"E-MAIL"}, {"NAME"}, {"ADMIN"}, {"SUSPENDED"}, {"CREATED"}, {"ID"}},
          [](const api::AccountView& a) -> std::vector<std::string> {
            return {a.email, a.name, yes(a.admin), yes(a.suspended), local_time(a.created), a.id};
          },
          {"email", "name"}};
}

struct Options {
  std::string account;
  std::string name;
  bool admin = false;
  bool no_admin = false;
  bool suspend = false;
  bool resume = false;
  std::string password_file;
  bool ask_password = false;
};

Result<std::optional<Secret>> password(const Options& options) {
  if (!options.password_file.empty() && options.ask_password)
    return wrong_usage("give one of --password-file and --ask-password");
  if (options.ask_password) {
    PL_TRY(auto first, ask_secret("New password for " + options.account + ": "));
    PL_TRY(const auto second, ask_secret("The same again: "));
    if (first.reveal() != second.reveal()) return fail(Code::kInvalid, "the two passwords differ; nothing was changed");
    return std::optional(std::move(first));
  }
  if (options.password_file.empty()) return std::optional<Secret>();
  PL_TRY(auto secret, secret_from_file(options.password_file));
  return std::optional(std::move(secret));
}

Result<> create(Context& context, Options& options) {
  api::AccountCreate request{options.account, std::nullopt, std::nullopt, std::nullopt};
  if (!options.name.empty()) request.name = options.name;
  if (options.admin) request.admin = true;
  PL_TRY(request.password, password(options));
  PL_TRY(auto made, call_post<api::AccountView>("/v1/accounts", std::move(request)));
  return print_one(context, kind(), std::move(made));
}

Result<> update(Context& context, Options& options) {
  if ((options.admin && options.no_admin) || (options.suspend && options.resume))
    return wrong_usage("these options contradict each other");
  api::AccountUpdate request;
  if (!options.name.empty()) request.name = options.name;
  if (options.admin || options.no_admin) request.admin = options.admin;
  if (options.suspend || options.resume) request.suspended = options.suspend;
  PL_TRY(request.password, password(options));
  if (!request.name && !request.admin && !request.suspended && !request.password)
    return wrong_usage("nothing to change; see: portolan admin accounts update --help");
  PL_TRY(auto path, path_with("/v1/accounts", options.account));
  PL_TRY(auto changed, call_patch<api::AccountView>(std::move(path), std::move(request)));
  return print_one(context, kind(), std::move(changed));
}

}  // namespace

void add_admin_accounts(CLI::App& admin, Context& context) {
  CLI::App& group = add_group(admin, "accounts", "people and programs that may sign in");
  add_list(group, context, kind());
  add_show(group, context, kind());

  auto made = std::make_shared<Options>();
  CLI::App& creating = add_command(group, context, "create", "a new account",
                                   "portolan admin accounts create ann@example.com --name Ann --ask-password");
  creating.add_option("email", made->account, "its e-mail address")->required();
  creating.add_option("--name", made->name, "for people to read");
  creating.add_flag("--admin", made->admin, "may administer everything");
  creating.add_option("--password-file", made->password_file, "a file with its password, - for standard input");
  creating.add_flag("--ask-password", made->ask_password, "ask for the password on the terminal");
  on_chosen(creating, context, made, create);

  auto changed = std::make_shared<Options>();
  CLI::App& updating = add_command(group, context, "update", "change an account",
                                   "portolan admin accounts update ann@example.com --suspend");
  updating.add_option("account", changed->account, "its e-mail address or id")->required();
  updating.add_option("--name", changed->name, "for people to read");
  updating.add_flag("--admin", changed->admin, "may administer everything");
  updating.add_flag("--no-admin", changed->no_admin, "may not any more");
  updating.add_flag("--suspend", changed->suspend, "may do nothing until resumed; what it uses now ends");
  updating.add_flag("--resume", changed->resume, "may sign in again");
  updating.add_option("--password-file", changed->password_file, "a file with a new password, - for standard input");
  updating.add_flag("--ask-password", changed->ask_password, "ask for a new password on the terminal");
  on_chosen(updating, context, changed, update);

  add_delete(group, context, kind(), "remove an account; what it uses now ends");
}

}  // namespace portolan::cli
