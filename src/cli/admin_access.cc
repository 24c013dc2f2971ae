#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/admin.h"

namespace portolan::cli {
namespace {

struct Options {
  std::string account;
  std::string resource;
};

Result<> explain(Context& context, Options& options) {
  PL_TRY(const auto view, call_get<api::ExplainView>("/v1/access/explain",
                                                     {{"account", options.account}, {"resource", options.resource}}));
  if (context.out.json) {
    context.out.object(view);
    return {};
  }
  std::string when;
  if (view.valid_until) when = ", until " + local_time(*view.valid_until);
  if (view.code == "grant_not_begun") when = " yet";
  if (view.code == "grant_ended") when = " any more";
  context.out.line(fmt::format("{} {} use {}{}", fit_for_terminal(options.account), view.allowed ? "may" : "may not",
                               fit_for_terminal(options.resource), when));
  for (const std::string& reason : view.reasons) context.out.line("  because " + fit_for_terminal(reason));
  if (view.allowed)
    context.out.line(view.egress.empty()
                         ? "  but no node can reach it yet"
                         : fit_for_terminal(fmt::format("by way of: {}", fmt::join(view.egress, ", "))));
  return {};
}

}  // namespace

void add_admin_access(CLI::App& admin, Context& context) {
  CLI::App& group = add_group(admin, "access", "why somebody may or may not use something");
  CLI::App& app =
      add_command(group, context, "explain", "the decision about an account and a resource, with its reasons",
                  "portolan admin access explain ann@example.com billing");
  auto options = std::make_shared<Options>();
  app.add_option("account", options->account, "e-mail address or id")->required();
  app.add_option("resource", options->resource, "name or id")->required();
  on_chosen(app, context, options, explain);
}

}  // namespace portolan::cli
