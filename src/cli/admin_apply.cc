// portolan admin apply: the directory as a file describes it. The control plane decides what is to be done and does it;
// here the file is read and the difference is shown.
#include <algorithm>

#include <fmt/format.h>

#include "cli/admin.h"
#include "cli/apply_file.h"
#include "cli/secrets.h"

namespace portolan::cli {
namespace {

// A directory as large as can be takes its time, and its answer names every object.
constexpr api::ControlLimits kLimits = {.call = std::chrono::minutes(10), .answer_bytes = 128 * 1024 * 1024};

struct Options {
  std::string file;
  bool dry_run = false;
  bool prune = false;
  bool yes = false;
  bool trust = false;
};

Result<api::ApplyAnswer> ask(const api::ApplyRequest& request) {
  return run_on_loop<api::ApplyAnswer>([&request](net::Loop&) -> net::Task<Result<api::ApplyAnswer>> {
    CO_TRY(const auto home, client::Home::from_environment());
    CO_TRY(const auto control, signed_in_control(home, kLimits));
    auto answer = co_await control->post<api::ApplyAnswer>("/v1/apply", request);
    if (!answer && answer.error().code == Code::kNotFound)
      co_return fail(Code::kNotFound, "this control plane is of an older version and has no apply; update it first");
    co_return answer;
  });
}

std::string painted(std::string_view line, char mark, Paint paint) {
  if (paint == Paint::kPlain) return std::string(line);
  const int color = mark == '+' ? 32 : mark == '-' ? 31 : 33;
  return fmt::format("\x1b[{}m{}\x1b[0m", color, line);
}

std::string line_of(const api::ApplyChange& change, bool whole, Paint paint) {
  const char mark = change.action == "create" ? '+' : change.action == "delete" ? '-' : '~';
  std::string line = fmt::format("{} {} {}", mark, change.kind, change.name);
  if (change.target) line += " → " + *change.target;
  std::string members;
  if (mark == '~' || whole)
    for (const auto& member : change.members)
      members += fmt::format("{}{}: {} → {}", members.empty() ? "" : ", ", member.member,
                             member.before.value_or("none"), member.after.value_or("none"));
  return painted(fit_for_terminal(line), mark, paint) + (members.empty() ? "" : "  " + fit_for_terminal(members));
}

void print_changes(const Context& context, const api::ApplyAnswer& answer) {
  for (const auto& change : answer.changes) context.out.line(line_of(change, context.out.verbose, context.out.paint()));
}

void print_totals(const Context& context, const api::ApplyAnswer& answer) {
  const auto& totals = answer.totals;
  context.out.note(fmt::format("{} created, {} updated, {} removed, {} unchanged.{}", totals.created, totals.updated,
                               totals.deleted, totals.unchanged,
                               answer.dry_run ? " This was a dry run: nothing was changed." : ""));
}

// Several errors come as one: each gets a line of its own.
Error told(const Context& context, Error error) {
  const auto first = error.message.find(kErrorMark);
  if (first == std::string::npos) return error;
  std::string summary = error.message.substr(0, first) + "; nothing was changed";
  std::string_view rest = std::string_view(error.message).substr(first);
  if (context.out.json || context.out.quiet) summary += rest;
  while (!rest.empty()) {
    rest.remove_prefix(kErrorMark.size());
    const auto end = std::min(rest.find(kErrorMark), rest.size());
    context.out.note(fit_for_terminal(rest.substr(0, end)));
    rest.remove_prefix(end);
  }
  error.message = std::move(summary);
  return error;
}

// Whether the control plane may have done it all the same: it has not said why it did not.
bool may_be_done(const Error& error) {
  return error.reason.empty() && (error.code == Code::kUnavailable || error.code == Code::kProtocol ||
                                  error.code == Code::kIo || error.code == Code::kEof || error.code == Code::kTimeout);
}

// With the place in the file that each is about.
Error explained(const Context& context, const ApplyFile& file, Error error) {
  if (may_be_done(error)) {
    error.message = file.placed(error.message) +
                    "; all of it was done or nothing: apply it again, which changes nothing that is there already";
    return error;
  }
  const auto first = error.message.find(kErrorMark);
  if (first == std::string::npos) {
    error.message = file.placed(error.message) + "; nothing was changed";
    return error;
  }
  std::string all = file.name + ": " + error.message.substr(0, first) + " in it";
  std::string_view rest = std::string_view(error.message).substr(first);
  while (!rest.empty()) {
    rest.remove_prefix(kErrorMark.size());
    const auto end = std::min(rest.find(kErrorMark), rest.size());
    all += std::string(kErrorMark) + file.placed(rest.substr(0, end));
    rest.remove_prefix(end);
  }
  error.message = std::move(all);
  return told(context, std::move(error));
}

// Shows what is about to be done, and asks if anything is to be removed. False if it shall not be done.
Result<bool> confirm(const Context& context, ApplyFile& file) {
  file.request.dry_run = true;
  auto answer = ask(file.request);
  if (!answer) return std::unexpected(explained(context, file, std::move(answer).error()));
  file.request.dry_run.reset();
  file.request.plan = answer->plan;  // what was shown is what is done
  if (answer->totals.deleted == 0) return true;
  print_changes(context, *answer);
  const auto said = cli::ask(fmt::format("Remove {} objects? [y/N] ", answer->totals.deleted));
  if (!said)
    return wrong_usage(
        "--prune would remove something and there is no terminal to ask on; look at it with --dry-run, then give "
        "--yes");
  return *said == "y" || *said == "yes";
}

Result<> run(Context& context, Options& options) {
  if (options.prune && context.out.json && !options.yes && !options.dry_run)
    return wrong_usage("--prune with --json asks nothing: give --yes, or --dry-run");
  auto read = read_apply_file(options.file, options.trust ? Trust::kAll : Trust::kBeside);
  if (!read) return std::unexpected(told(context, std::move(read).error()));
  ApplyFile file = std::move(*read);
  if (options.prune) file.request.prune = true;
  const bool asks = options.prune && !options.yes && !options.dry_run;
  if (asks) {
    PL_TRY(const bool wanted, confirm(context, file));
    if (!wanted) {
      context.out.note("Nothing was changed.");
      return {};
    }
  }
  if (options.dry_run) file.request.dry_run = true;
  auto answer = ask(file.request);
  if (!answer) return std::unexpected(explained(context, file, std::move(answer).error()));
  if (context.out.json) {
    context.out.object(*answer);
    return {};
  }
  if (!asks || answer->totals.deleted == 0) print_changes(context, *answer);
  print_totals(context, *answer);
  return {};
}

}  // namespace

void add_admin_apply(CLI::App& admin, Context& context) {
  CLI::App& app = add_command(admin, context, "apply",
                              "make accounts, roles, grants and resources as a file describes them: all or nothing",
                              "portolan admin apply team.yaml --dry-run\n\n"
                              "team.yaml:\n"
                              "  accounts:\n"
                              "    - email: ann@example.com\n"
                              "      name: Ann\n"
                              "      roles: [engineers]\n"
                              "  roles:\n"
                              "    - name: engineers\n"
                              "      grants:\n"
                              "        - resource: billing\n"
                              "          until: 2026-12-31T00:00:00Z\n"
                              "  resources:\n"
                              "    - name: billing\n"
                              "      url: postgres://app@db.internal:5432/billing\n"
                              "      password_file: ./db.password\n"
                              "      tags: {env: prod}");
  auto options = std::make_shared<Options>();
  app.add_option("file", options->file, "YAML or JSON; - for standard input")->required();
  app.add_flag("--dry-run", options->dry_run, "show what would be done, and do nothing");
  app.add_flag("--prune", options->prune,
               "remove accounts, roles and resources that are not in the file, of those kinds that it has; asks first");
  app.add_flag("--yes", options->yes, "do not ask");
  app.add_flag("--trust", options->trust,
               "the file may read any file and variable of yours: only for files that you have written or read "
               "yourself; without it, files of its own folder and variables PORTOLAN_PASSWORD_...");
  on_chosen(app, context, options, run);
}

}  // namespace portolan::cli
