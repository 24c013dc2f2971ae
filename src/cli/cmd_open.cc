// portolan open NAME: a web resource in the person's browser, after connecting it if that is still to do.
#include <algorithm>

#include <fmt/format.h>
#include <boost/describe.hpp>

#include "cli/agent_api.h"
#include "cli/browser.h"
#include "cli/command.h"
#include "cli/exit.h"
#include "cli/run.h"

namespace portolan::cli {
namespace {

struct Options {
  std::string name;
  std::string label;
  bool print = false;
};

struct Opened {
  std::string name;
  std::string url;
  bool opened = false;  // in a browser
};
BOOST_DESCRIBE_STRUCT(Opened, (), (name, url, opened))

constexpr std::string_view kScheme = "http://";

Result<> check_label(const std::string& label) {
  const bool good = label.size() <= 63 && std::ranges::all_of(label, [](char c) {
                      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
                    });
  if (good) return {};
  return wrong_usage("label " + quoted(label) + ": labels are letters a-z, digits and \"-\"");
}

net::Task<Result<std::string>> connected_url(std::string name) {
  CO_TRY(const auto home, client::Home::from_environment());
  CO_CHECK(home.state());
  AgentApi agent(home);
  CO_TRY(const auto resources, co_await agent.connect({{name}, false}));
  if (resources.empty())
    co_return fail(Code::kNotFound, "there is no resource " + quoted(name) + " that you may use; see: portolan ls");
  const api::LocalResource& resource = resources.front();
  if (resource.state != "connected")
    co_return fail(Code::kConflict,
                   fmt::format("connect {}: {}", quoted(name), resource.reason.value_or(resource.state)));
  if (!resource.url)
    co_return fail(Code::kInvalid, fmt::format("resource {} is of type {}, which no browser opens; its address is {}",
                                               quoted(name), resource.type, resource.address));
  co_return *resource.url;
}

Result<> run(Context& context, Options& options) {
  PL_CHECK(check_label(options.label));
  PL_TRY(std::string url, run_on_loop(connected_url(options.name)));
  if (!options.label.empty() && url.starts_with(kScheme)) url.insert(kScheme.size(), options.label + ".");
  const bool opens = !options.print && has_browser();
  if (context.out.json)
    context.out.object(Opened{options.name, url, opens});
  else if (opens)
    context.out.note("Opening " + url);
  else
    context.out.line(url);
  if (opens) open_in_browser(url);
  return {};
}

}  // namespace

void add_open(CLI::App& root, Context& context) {
  CLI::App& app = add_command(root, context, "open", "a web resource in your browser; without one, its address",
                              "portolan open wiki");
  auto options = std::make_shared<Options>();
  app.add_option("name", options->name, "the resource")->required();
  app.add_option("label", options->label, "one of its further hosts, by its label: LABEL.NAME.localhost");
  app.add_flag("--print", options->print, "only print the address");
  on_chosen(app, context, options, run);
}

}  // namespace portolan::cli
