// portolan admin keys: the certificate authorities, the identity keys and the sealing key, and how authorities are
// replaced.
#include <fmt/format.h>

#include "api/keys.h"
#include "cli/admin.h"

namespace portolan::cli {
namespace {

constexpr const char* kPath = "/v1/keys";

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// What happens next, in words.
std::string next_step(const api::KeyView& key) {
  if (key.state == "announced" && key.kid)
    return "signs from " + (key.activates ? local_time(*key.activates) : "now") + " on: applications have to know it";
  if (key.state == "announced") {
    std::string text = key.waiting_for.empty() ? "signs in a moment" : "waits for " + joined(key.waiting_for);
    if (key.activates) text += ", signs at the latest at " + local_time(*key.activates);
    return text;
  }
  if (key.state != "retiring") return "";
  std::string text = key.retires ? "trusted until " + local_time(*key.retires) : "still trusted";
  return key.used_by.empty() ? text + "; nobody who is known needs it" : text + "; needed by " + joined(key.used_by);
}

Kind<api::KeyView> key_kind() {
  return {"admin keys",
          "key",
          kPath,
          "key",
          {{"PURPOSE"}, {"STATE"}, {"SINCE"}, {"UNTIL"}, {"ID"}, {"SHA-256 OR KID"}, {"NEXT"}},
          [](const api::KeyView& key) -> std::vector<std::string> {
            return {key.purpose,
                    key.state,
                    local_time(key.since),
                    key.until ? local_time(*key.until) : "",
                    key.id,
                    key.kid.value_or(key.sha256),
                    next_step(key)};
          },
          {{"purpose", {"user", "node", "server", "identity", "sealing"}}, "state"},
          {},
          nullptr,
          "its purpose",
          true};
}

struct Options {
  std::string purpose;
  std::string overlap;
  std::string activate_after;
  bool now = false;
  bool force = false;
};

template <class Body>
Result<> act(Context& context, const Options& options, const std::string& step, Body body) {
  PL_TRY(auto path, path_with(kPath, options.purpose));
  PL_TRY(auto keys, call_post<api::Page<api::KeyView>>(path + "/" + step, std::move(body)));
  return print_list(context, key_kind(), std::move(keys.items));
}

Result<> rotate(Context& context, Options& options) {
  api::KeyRotate body;
  if (!options.overlap.empty()) body.overlap = options.overlap;
  if (!options.activate_after.empty()) body.activate_after = options.activate_after;
  if (options.now) body.now = true;
  return act(context, options, "rotate", std::move(body));
}

Result<> activate(Context& context, Options& options) { return act(context, options, "activate", api::KeyFinish{}); }

Result<> finish(Context& context, Options& options) {
  api::KeyFinish body;
  if (options.force) body.force = true;
  return act(context, options, "finish", body);
}

void take_purpose(CLI::App& app, Options& options) {
  app.add_option("purpose", options.purpose, "which authority: user, node, server or identity")
      ->required()
      ->check(one_of({"user", "node", "server", "identity"}));
}

}  // namespace

void add_admin_keys(CLI::App& admin, Context& context) {
  CLI::App& group = add_group(admin, "keys", "the certificate authorities, the identity keys and the sealing key");
  add_list(group, context, key_kind());

  CLI::App& rotating =
      add_command(group, context, "rotate",
                  "replace an authority, step by step: the new one is announced and trusted beside the old one; it\n"
                  "signs once every node and agent that is up knows it; everybody then renews; the old one stays\n"
                  "trusted for the overlap and is removed",
                  "portolan admin keys rotate node --overlap 30d");
  auto options = std::make_shared<Options>();
  take_purpose(rotating, *options);
  rotating.add_option("--overlap", options->overlap,
                      "how long the old one stays trusted once the new one signs; at least as long as its certificates "
                      "last; 30d if it is not given, for user as long as a sign-in, for identity as long as a token");
  rotating.add_option(
      "--activate-after", options->activate_after,
      "let the new one sign after this time even if not everybody knows it; for identity 1h if it is not "
      "given");
  rotating.add_flag("--now", options->now, "let it sign at once: who does not know it yet is cut off until they hear");
  on_chosen(rotating, context, options, rotate);

  CLI::App& activating = add_command(group, context, "activate", "let the announced authority sign now",
                                     "portolan admin keys activate node");
  auto activation = std::make_shared<Options>();
  take_purpose(activating, *activation);
  on_chosen(activating, context, activation, activate);

  CLI::App& finishing =
      add_command(group, context, "finish", "trust the old authority no more; refused while somebody still needs it",
                  "portolan admin keys finish node");
  auto end = std::make_shared<Options>();
  take_purpose(finishing, *end);
  finishing.add_flag("--force", end->force, "even then: they must join or sign in again (for a stolen key)");
  on_chosen(finishing, context, end, finish);
}

}  // namespace portolan::cli
