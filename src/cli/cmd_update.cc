// portolan update: the newest release that this client may have, in the place of this program.
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "base/file.h"
#include "base/version.h"
#include "cli/command.h"
#include "cli/exit.h"
#include "cli/run.h"
#include "cli/update_source.h"
#include "client/home.h"
#include "update/updater.h"

namespace portolan::cli {
namespace {

struct Options {
  explicit Options(CLI::App& app) : settings(app) {}
  Settings settings;
  UpdateSourceOptions source;
  std::string to;
  bool check = false;
  bool now = false;
  bool retry = false;
  bool rollback = false;
};

struct Updated {
  std::string program;                     // its file
  std::string installed;                   // now
  std::optional<std::string> before = {};  // what was replaced
  std::string verdict;  // current, available, updated, waits, failed_before, pinned_away, rolled_back
  std::optional<std::string> available = {};  // what the verdict is about
  bool required = false;                      // what was installed is older than the minimum
  std::optional<std::string> notes = {};
};
BOOST_DESCRIBE_STRUCT(Updated, (), (program, installed, before, verdict, available, required, notes))

// One line on a terminal, written over and over; nothing in a pipe.
class ProgressLine {
 public:
  ProgressLine(const Output& out, std::string version)
      : version_(std::move(version)), shown_(!out.json && !out.quiet && isatty(STDERR_FILENO) == 1) {}
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine() {
    if (last_ >= 0) fmt::print(stderr, "\n");
  }
  void show(std::uint64_t have, std::uint64_t of) {
    const int percent = static_cast<int>(have * 100 / std::max<std::uint64_t>(of, 1));
    if (!shown_ || percent == last_) return;
    last_ = percent;
    constexpr double kMegabyte = 1e6;
    fmt::print(stderr, "\rDownloading {}: {:3} % of {:.1f} MB", version_, percent, static_cast<double>(of) / kMegabyte);
    std::fflush(stderr);
  }

 private:
  const std::string version_;
  const bool shown_;
  int last_ = -1;
};

std::string word(update::Verdict verdict) {
  switch (verdict) {
    case update::Verdict::kCurrent: return "current";
    case update::Verdict::kUpdate: return "available";
    case update::Verdict::kWaits: return "waits";
    case update::Verdict::kFailedBefore: return "failed_before";
    case update::Verdict::kPinnedAway: return "pinned_away";
  }
  return "";
}

std::string in_words(const Updated& done) {
  const std::string available = done.available.value_or("");
  const std::string notes = done.notes ? "\n  What is new: " + one_line(*done.notes) : "";
  if (done.verdict == "updated")
    return fmt::format(
        "Portolan {} has replaced {} ({}).{}\n  What runs goes on with the old one until it is started "
        "again. Back: portolan update --rollback",
        done.installed, done.before.value_or(""), done.program, notes);
  if (done.verdict == "rolled_back")
    return fmt::format("Portolan {} is back in the place of {}, which is not taken again by itself.", done.installed,
                       done.before.value_or(""));
  if (done.verdict == "available")
    return fmt::format("Portolan {} is there; {} is installed. Take it: portolan update{}", available, done.installed,
                       notes);
  if (done.verdict == "waits")
    return fmt::format(
        "Portolan {} is being given out little by little, and it is not this client's turn yet. Take it "
        "all the same: portolan update --now",
        available);
  if (done.verdict == "failed_before")
    return fmt::format(
        "Portolan {} is there, but it did not start here, or was left by going back. Try again: portolan "
        "update --retry",
        available);
  if (done.verdict == "pinned_away") return "The version that was asked for is not to be had from here, or is older.";
  if (done.required)
    return fmt::format("Portolan {} is older than the minimum, and nothing newer is to be had.", done.installed);
  return fmt::format("Portolan {} is the newest.", done.installed);
}

Result<update::UpdaterOptions> updater_options(const Options& options, const client::Home& home) {
  PL_CHECK(make_folder(home.folder(), Privacy::kPrivate));  // perhaps before any sign-in
  PL_TRY(auto place, update::this_place());
  PL_TRY(auto version, update::Version::parse(program_version()));
  PL_TRY(auto anchor, update_anchor(options.source));
  update::UpdaterOptions out{.anchor = std::move(anchor),
                             .channel = options.source.channel,
                             .state_folder = home.folder() / "update",
                             .place = std::move(place),
                             .version = std::move(version)};
  out.rollout = options.now ? update::Rollout::kIgnore : update::Rollout::kWait;
  out.retry_failed = options.retry;
  if (!options.to.empty()) {
    auto pin = update::Version::parse(options.to);
    if (!pin) return wrong_usage("--to: " + std::move(pin).error().message);
    out.policy.pin = std::move(*pin);
  }
  return out;
}

net::Task<Result<Updated>> update_now(const Output& out, const Options& options, const client::Home& home) {
  // An operator gives both out, so what vouches for the control plane may vouch for the downloads.
  std::optional<ControlKnown> control;
  if (const auto signed_in = home.remembered()) control = ControlKnown{signed_in->control, signed_in->server_ca};
  CO_TRY(auto source_options, update_source(options.source, control));
  CO_TRY(auto with, updater_options(options, home));
  const std::string program = with.place.program.string();
  CO_TRY(const auto source, update::Source::make(std::move(source_options)));
  CO_TRY(const auto updater, update::Updater::open(std::move(with), *source, Clock::real()));
  CO_TRY(const auto found, co_await updater->check());
  Updated done{program, std::string(program_version()), {}, word(found.verdict)};
  if (found.version) done.available = found.version->text();
  done.required = found.required;
  done.notes = found.notes;
  if (options.check || found.verdict != update::Verdict::kUpdate) co_return done;
  {
    ProgressLine line(out, *done.available);
    CO_CHECK(co_await updater->fetch(found, [&line](std::uint64_t have, std::uint64_t of) { line.show(have, of); }));
  }
  CO_CHECK(updater->install(found, update::Updater::After::kNothing));
  done.before = done.installed;
  done.installed = *done.available;
  done.verdict = "updated";
  co_return done;
}

// Without the network, and whoever has made what is there.
Result<Updated> go_back(const Options& options, const client::Home& home) {
  PL_TRY(auto place, update::this_place());
  PL_TRY(auto version, update::Version::parse(program_version()));
  const std::string before = version.text();
  const std::string program = place.program.string();
  update::Source nowhere(
      []() -> net::Task<Result<std::unique_ptr<net::Stream>>> {
        co_return fail(Code::kInternal, "going back needs no network");
      },
      "nowhere", "");
  update::UpdaterOptions with{.anchor = {},
                              .channel = options.source.channel,
                              .state_folder = home.folder() / "update",
                              .place = std::move(place),
                              .version = std::move(version)};
  PL_TRY(const auto updater, update::Updater::open(std::move(with), nowhere, Clock::real()));
  PL_TRY(const auto back, updater->go_back());
  return Updated{program, back, before, "rolled_back"};
}

Result<> run(Context& context, Options& options) {
  PL_CHECK(options.settings.load());
  if (options.settings.asked_to_print()) {
    options.settings.print(context.out);
    return {};
  }
  if (options.rollback && (options.check || options.now || options.retry || !options.to.empty()))
    return wrong_usage("--rollback goes back to the version before and takes no other option");
  PL_TRY(const auto home, client::Home::from_environment());
  auto done = options.rollback ? go_back(options, home) : run_on_loop(update_now(context.out, options, home));
  if (!done) return std::unexpected(as_failure(std::move(done).error()));
  if (context.out.json) {
    context.out.object(*done);
    return {};
  }
  context.out.note(in_words(*done));
  return {};
}

}  // namespace

void add_update(CLI::App& root, Context& context) {
  CLI::App& app =
      add_command(root, context, "update", "take the newest release in the place of this program",
                  "portolan update --check\n"
                  "  portolan update --from https://downloads.example --root-key /etc/portolan/release-root.pem");
  auto options = std::make_shared<Options>(app);
  Settings& settings = options->settings;
  app.add_flag("--check", options->check, "say what there is, and change nothing");
  app.add_flag("--rollback", options->rollback, "go back to the version before");
  app.add_option("--to", options->to, "this version and no other; never an older one");
  app.add_flag("--now", options->now,
               "do not wait for this client's turn while a release is given out little by little");
  app.add_flag("--retry", options->retry, "also a version that did not start here, or was left by going back");
  add_update_source_options(settings, options->source);
  on_chosen(app, context, options, run);
}

}  // namespace portolan::cli
