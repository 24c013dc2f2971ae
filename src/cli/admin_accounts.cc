#include "cli/admin.h"
#include "cli/admin_details.h"
#include "cli/secrets.h"

namespace portolan::cli {
namespace {

Kind<api::AccountView> kind() {
  return {"admin accounts",
          "account",
          "/v1/accounts",
          "account",
          {{"E-MAIL"}, {"NAME"}, {"KIND"}, {"ADMIN"}, {"STATE"}, {"CREATED"}, {"ID"}},
          [](const api::AccountView& a) -> std::vector<std::string> {
            return {a.email, a.name, a.kind, yes(a.admin), account_state(a), local_time(a.created), a.id};
          },
          {"email", "name", {"kind", {"person", "service"}}},
          {},
          nullptr,
          "its e-mail address or id",
          false,
          print_account};
}

struct Options {
  std::string account;
  std::string name;
  bool admin = false;
  bool no_admin = false;
  bool suspend = false;
  bool reinstate = false;
  bool service = false;
  std::string password_file;
  bool ask_password = false;
  Revision revision;
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
  api::AccountCreate request{.email = options.account};
  if (!options.name.empty()) request.name = options.name;
  if (options.admin) request.admin = true;
  if (options.service) request.kind = "service";
  PL_TRY(request.password, password(options));
  PL_TRY(auto made, call_post<api::AccountView>("/v1/accounts", std::move(request)));
  return print_one(context, kind(), std::move(made));
}

Result<> change(Context& context, const Options& options, api::AccountUpdate request) {
  PL_TRY(auto path, path_with("/v1/accounts", options.account));
  PL_TRY(auto changed, call_patch<api::AccountView>(std::move(path), std::move(request), options.revision));
  return print_one(context, kind(), std::move(changed));
}

Result<> update(Context& context, Options& options) {
  if ((options.admin && options.no_admin) || (options.suspend && options.reinstate))
    return wrong_usage("these options contradict each other");
  api::AccountUpdate request;
  if (!options.name.empty()) request.name = options.name;
  if (options.admin || options.no_admin) request.admin = options.admin;
  if (options.suspend || options.reinstate) request.suspended = options.suspend;
  PL_TRY(request.password, password(options));
  if (!request.name && !request.admin && !request.suspended && !request.password)
    return wrong_usage("nothing to change; see: portolan admin accounts update --help");
  return change(context, options, std::move(request));
}

Result<> suspend(Context& context, Options& options) { return change(context, options, {.suspended = true}); }
Result<> reinstate(Context& context, Options& options) { return change(context, options, {.suspended = false}); }

Result<> unlock(Context& context, Options& options) {
  PL_TRY(const auto path, path_with("/v1/accounts", options.account));
  PL_CHECK(call_delete(path + "/lock"));
  PL_TRY(auto account, call_get<api::AccountView>(path));
  return print_one(context, kind(), std::move(account));
}

Result<> reset_password(Context& context, Options& options) {
  api::AccountUpdate request;
  PL_TRY(request.password, password(options));
  if (!request.password) return wrong_usage("where is the new password? give --ask-password or --password-file FILE");
  return change(context, options, std::move(request));
}

void add_password_options(CLI::App& app, Options& options) {
  app.add_option("--password-file", options.password_file, "a file with its new password, - for standard input");
  app.add_flag("--ask-password", options.ask_password, "ask for its new password on the terminal");
}

// A command about one account that exists.
CLI::App& add_change(CLI::App& group, Context& context, const std::string& name, const std::string& description,
                     const std::string& more, Result<> (*run)(Context&, Options&), std::shared_ptr<Options> options) {
  CLI::App& app =
      add_command(group, context, name, description, "portolan admin accounts " + name + " ann@example.com" + more);
  app.add_option("account", options->account, "its e-mail address or id")->required();
  add_if_revision(app, options->revision);
  on_chosen(app, context, std::move(options), run);
  return app;
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
  creating.add_flag("--service", made->service, "of a program: it has API tokens and no password");
  add_password_options(creating, *made);
  on_chosen(creating, context, made, create);

  auto changed = std::make_shared<Options>();
  CLI::App& updating =
      add_change(group, context, "update", "change an account", " --name 'Ann Smith'", update, changed);
  updating.add_option("--name", changed->name, "for people to read");
  updating.add_flag("--admin", changed->admin, "may administer everything");
  updating.add_flag("--no-admin", changed->no_admin, "may not any more");
  updating.add_flag("--suspend", changed->suspend, "may do nothing until reinstated; what it uses now ends");
  updating.add_flag("--reinstate,--resume", changed->reinstate, "may sign in again");
  add_password_options(updating, *changed);

  add_change(group, context, "suspend", "it may do nothing until reinstated; what it uses now ends", "", suspend,
             std::make_shared<Options>());
  add_change(group, context, "reinstate", "it may sign in again", "", reinstate, std::make_shared<Options>());
  auto unlocked = std::make_shared<Options>();
  CLI::App& unlocking =
      add_command(group, context, "unlock", "it may try its password again, after too many wrong ones",
                  "portolan admin accounts unlock ann@example.com");
  unlocking.add_option("account", unlocked->account, "its e-mail address or id")->required();
  on_chosen(unlocking, context, unlocked, unlock);
  auto reset = std::make_shared<Options>();
  CLI::App& resetting = add_change(group, context, "reset-password", "give it another password, which lifts a lock too",
                                   " --ask-password", reset_password, reset);
  add_password_options(resetting, *reset);

  add_delete(group, context, kind(), "remove an account; what it uses now ends");
}

}  // namespace portolan::cli
