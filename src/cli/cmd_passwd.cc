// portolan passwd: one's own password.
#include <unistd.h>

#include "cli/calls.h"
#include "cli/command.h"
#include "cli/exit.h"
#include "cli/secrets.h"

namespace portolan::cli {
namespace {

struct Options {
  std::string old_file;
  std::string new_file;
  bool sign_out_others = false;
};

Result<Secret> secret_for(const std::string& file, const char* option, const std::string& question) {
  if (!file.empty()) return secret_from_file(file);
  auto answer = ask_secret(question);
  if (!answer && answer.error().code == Code::kNotFound)
    return wrong_usage(std::string("there is no terminal to ask on; give ") + option + " FILE");
  return answer;
}

Result<Secret> new_password(const Options& options) {
  PL_TRY(auto first, secret_for(options.new_file, "--new-password-file", "New password: "));
  if (!options.new_file.empty()) return first;
  PL_TRY(const auto second, ask_secret("New password again: "));
  if (first.reveal() != second.reveal()) return fail(Code::kInvalid, "the two new passwords are not the same");
  return first;
}

Result<> run(Context& context, Options& options) {
  if (options.old_file == "-" && options.new_file == "-")
    return wrong_usage("only one of the two passwords can come on standard input");
  PL_TRY(const auto home, client::Home::from_environment());
  PL_CHECK(home.state());  // before any question
  PL_TRY(auto old_one, secret_for(options.old_file, "--old-password-file", "Old password: "));
  PL_TRY(auto new_one, new_password(options));
  const std::string body =
      json::encode(api::PasswordChange{std::move(old_one), std::move(new_one), options.sign_out_others});
  PL_CHECK(ask_control<void>([&body](api::ControlClient& control) -> net::Task<Result<>> {
    CO_CHECK(co_await control.call("POST", "/v1/whoami/password", {}, body));
    co_return Result<>{};
  }));
  context.out.note(options.sign_out_others ? "The password is changed, and your other sign-ins have ended."
                                           : "The password is changed. Your other sign-ins go on; to end them: "
                                             "portolan passwd --sign-out-others");
  return {};
}

}  // namespace

void add_passwd(CLI::App& root, Context& context) {
  CLI::App& app = add_command(root, context, "passwd", "change your own password", "portolan passwd --sign-out-others");
  auto options = std::make_shared<Options>();
  app.add_option("--old-password-file", options->old_file, "a file with it, - for standard input; else a question");
  app.add_option("--new-password-file", options->new_file, "the same for the new one");
  app.add_flag("--sign-out-others", options->sign_out_others, "end your sign-ins on other devices");
  on_chosen(app, context, options, run);
}

}  // namespace portolan::cli
