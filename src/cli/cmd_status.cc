// portolan status: what this client is connected to, and how; and, when the agent is away, what is known without it.
#include <fmt/format.h>

#include "cli/agent_api.h"
#include "cli/command.h"
#include "cli/control_api.h"
#include "cli/local_tables.h"
#include "cli/run.h"

namespace portolan::cli {
namespace {

struct Options {
  bool watch = false;
};

net::Task<Result<api::AgentStatus>> ask_agent(const client::Home& home) {
  AgentApi agent(home);
  auto status = co_await agent.status();
  co_return status;
}

// In the same form as the agent's answer, from the files that login has left.
api::AgentStatus status_from_home(const client::Home& home) {
  api::AgentStatus status;
  status.version = PORTOLAN_VERSION;
  status.control_state = "unknown";
  status.control_reason = "the agent is not running";
  const auto remembered = home.remembered();
  if (!remembered) return status;
  status.control = remembered->control;
  status.organization = remembered->organization;
  status.email = remembered->email;
  status.signed_in = !remembered->account.empty();
  if (status.signed_in) status.sign_in_ends = remembered->sign_in_ends;
  return status;
}

constexpr std::size_t kRecent = 5;  // changes below the redrawn status

// On a terminal the status is redrawn where it stands, without a flicker; elsewhere each change is a line.
class WatchView {
 public:
  explicit WatchView(const Output& out) : out_(out), redraws_(out.paint_can_move()) {}

  void show(const api::StatusEvent& event) {
    if (out_.json) return out_.object(event);
    const auto changes = event.changes.value_or(std::vector<api::LocalChange>{});
    std::vector<std::string> lines;
    for (const auto& change : changes) lines.push_back(local_time(event.time) + "  " + change_text(change));
    if (!redraws_) {
      if (event.kind == "status" && event.status) out_.text(status_text(out_, *event.status));
      for (const auto& line : lines) out_.line(line);
      return;
    }
    recent_.insert(recent_.end(), lines.begin(), lines.end());
    if (recent_.size() > kRecent) recent_.erase(recent_.begin(), recent_.end() - kRecent);
    if (event.status) redraw(status_text(out_, *event.status));
  }

 private:
  void redraw(std::string text) {
    if (!recent_.empty()) text += "\n";
    for (const auto& line : recent_) text += line + "\n";
    std::string screen = first_ ? "\x1b[2J\x1b[H" : "\x1b[H";
    first_ = false;
    for (const char c : text) screen += c == '\n' ? std::string("\x1b[K\n") : std::string(1, c);
    out_.text(screen + "\x1b[J");
  }

  const Output& out_;
  const bool redraws_;
  bool first_ = true;
  std::vector<std::string> recent_;
};

net::Task<Result<void>> watch_agent(const client::Home& home, WatchView& view) {
  AgentApi agent(home);
  auto ended = co_await agent.watch_status([&view](const api::StatusEvent& event) { view.show(event); });
  co_return ended;
}

Result<> run(Context& context, Options& options) {
  PL_TRY(const auto home, client::Home::from_environment());
  if (options.watch) {
    WatchView view(context.out);
    return run_on_loop(watch_agent(home, view));
  }
  auto status = run_on_loop(ask_agent(home));
  if (status) {
    print_status(context.out, *status);
    return {};
  }
  if (is_agent_away(status.error())) print_status(context.out, status_from_home(home));
  return std::unexpected(std::move(status).error());
}

}  // namespace

void add_status(CLI::App& root, Context& context) {
  CLI::App& app =
      add_command(root, context, "status", "what this client is connected to, and how", "portolan status --json");
  auto options = std::make_shared<Options>();
  app.add_flag(
      "-w,--watch", options->watch,
      "goes on with what changes, until it is interrupted; with --json all of it first, then one change a line");
  on_chosen(app, context, options, run);
}

}  // namespace portolan::cli
