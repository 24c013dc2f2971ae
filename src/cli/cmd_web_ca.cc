// portolan web-ca: the person's own certificate authority for the forward proxy. Made, shown and removed here; what
// trusts it is for the person to say, so nothing here touches a trust store (docs/guide/web-forward-proxy.md).
#include <algorithm>
#include <cctype>
#include <iterator>

#include <fmt/format.h>

#include "cli/agent_api.h"
#include "cli/command.h"
#include "cli/control_api.h"
#include "cli/exit.h"
#include "cli/run.h"
#include "cli/table.h"
#include "client/web/local_ca.h"

namespace portolan::cli {
namespace {

using client::web::LocalCa;

struct Options {
  std::vector<std::string> hosts;
};

struct Shown {
  std::string certificate;  // file
  std::string sha256;
  std::string state;  // "valid", "ended"
  WallTime not_after{};
  std::vector<std::string> hosts;
  std::vector<std::string> missing;  // hosts of web resources that it is not for
};
BOOST_DESCRIBE_STRUCT(Shown, (), (certificate, sha256, state, not_after, hosts, missing))

struct Removed {
  std::string certificate;
  std::optional<std::string> sha256 = {};  // absent: it could not be read
};
BOOST_DESCRIBE_STRUCT(Removed, (), (certificate, sha256))

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return fit_for_terminal(text);
}

// In single quotes where a shell would take it for more than one word.
std::string shell_word(const std::string& text) {
  const bool plain = std::ranges::all_of(
      text, [](unsigned char c) { return std::isalnum(c) != 0 || c == '/' || c == '.' || c == '-' || c == '_'; });
  if (plain && !text.empty()) return text;
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// Those of today's hosts that are not among its own; none where nobody is signed in.
std::vector<std::string> missing_in(const client::Home& home, const LocalCa& ca) {
  std::vector<std::string> missing;
  const auto hosts = client::web::hosts_with_https(home);
  if (hosts) std::ranges::copy_if(*hosts, std::back_inserter(missing), [&](const auto& h) { return !ca.covers(h); });
  return missing;
}

Shown shown(const client::Home& home, const LocalCa& ca) {
  return {.certificate = LocalCa::certificate_file(home).string(),
          .sha256 = ca.root().fingerprint(),
          .state = ca.ended() ? "ended" : "valid",
          .not_after = ca.root().not_after(),
          .hosts = ca.hosts(),
          .missing = missing_in(home, ca)};
}

std::string facts(const Shown& ca) {
  std::string text = fmt::format("Certificate: {}\nSHA-256:     {}\nValid until: {}{}\nOnly for:    {}\n",
                                 fit_for_terminal(ca.certificate), ca.sha256, local_time(ca.not_after),
                                 ca.state == "ended" ? ": it has ended" : "", joined(ca.hosts));
  if (!ca.missing.empty()) text += fmt::format("Not for:     {}\n", joined(ca.missing));
  if (!ca.missing.empty() || ca.state == "ended")
    text += "To have it for what there is now: portolan web-ca remove; portolan web-ca create\n";
  return text;
}

net::Task<Result<api::AgentStatus>> status_of(client::Home home) {
  AgentApi agent(home);
  co_return co_await agent.status();
}

// The running agent may have it elsewhere than usual.
std::string web_proxy(const client::Home& home) {
  const auto status = run_on_loop(status_of(home));
  return status && status->web_proxy ? status->web_proxy->address : "127.0.0.1:65230";
}

std::string how_to_trust(const std::string& file, const std::string& proxy) {
  const std::string word = fit_for_terminal(shell_word(file));
  return fmt::format(
      "Nothing trusts it until you say so, for example:\n"
      "  Chromium  certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n portolan-web -i {0}   (of libnss3-tools)\n"
      "            or chrome://certificate-manager: Custom, Installed by you, Trusted Certificates, Import\n"
      "  Firefox   Settings, Privacy & Security, View Certificates, Authorities, Import; for web sites only\n"
      "  curl      curl --cacert {0} --proxy http://{1} https://HOST/\n"
      "  all       sudo cp {0} /usr/local/share/ca-certificates/portolan-web.crt && sudo update-ca-certificates\n"
      "The proxy file for browsers is at http://localhost:{2}/proxy.pac",
      word, proxy, proxy.substr(proxy.rfind(':') + 1));
}

constexpr std::string_view kHowToForget =
    "What trusts it still has its certificate; to take it out:\n"
    "  Chromium  certutil -d sql:$HOME/.pki/nssdb -D -n portolan-web\n"
    "  Firefox   Settings, Privacy & Security, View Certificates, Authorities, Delete or Distrust\n"
    "  all       sudo rm /usr/local/share/ca-certificates/portolan-web.crt && sudo update-ca-certificates --fresh";

void tell(Context& context, const client::Home& home, const LocalCa& ca) {
  const Shown now = shown(home, ca);
  if (context.out.json) return context.out.object(now);
  context.out.text(facts(now));
  context.out.note(how_to_trust(now.certificate, web_proxy(home)));
}

// All of today's, or those that were named, each of which must be one of today's.
Result<std::vector<std::string>> chosen_hosts(const client::Home& home, const std::vector<std::string>& wanted) {
  PL_TRY(auto hosts, client::web::hosts_with_https(home));
  if (hosts.empty())
    return fail(Code::kNotFound,
                "none of the web resources that you may use is an https application, as far as the agent has heard; "
                "see: portolan ls http");
  if (wanted.empty()) return hosts;
  for (const std::string& host : wanted)
    if (std::ranges::find(hosts, host) == hosts.end())
      return wrong_usage(quoted(host, 253) +
                         " is not a host of an https application that you may use; there are: " + joined(hosts));
  return wanted;
}

Result<> create(Context& context, Options& options) {
  PL_TRY(const auto home, client::Home::from_environment());
  PL_TRY(const auto hosts, chosen_hosts(home, options.hosts));
  auto made = LocalCa::create(home, hosts);
  if (!made && made.error().code == Code::kLimit)
    return std::unexpected(std::move(made).error().within("choose the hosts that you need with --host"));
  if (!made) return std::unexpected(std::move(made).error());
  tell(context, home, *made);
  return {};
}

Result<> show(Context& context, Options&) {
  PL_TRY(const auto home, client::Home::from_environment());
  PL_TRY(const auto ca, LocalCa::load(home));
  if (!ca)
    return fail(Code::kNotFound,
                "there is no certificate authority for web applications; to make one: portolan web-ca create");
  tell(context, home, *ca);
  return {};
}

Result<> remove(Context& context, Options&) {
  PL_TRY(const auto home, client::Home::from_environment());
  Removed removed{LocalCa::certificate_file(home).string()};
  // What cannot be read is removed all the same.
  if (const auto ca = LocalCa::load(home); ca && *ca) removed.sha256 = (*ca)->root().fingerprint();
  PL_CHECK(LocalCa::remove(home));
  if (context.out.json) context.out.object(removed);
  context.out.note("The certificate authority for web applications is removed, and its key with it.\n" +
                   std::string(kHowToForget));
  return {};
}

}  // namespace

void add_web_ca(CLI::App& root, Context& context) {
  CLI::App& group = add_group(root, "web-ca",
                              "a certificate authority of your own, for web applications that must be asked by their "
                              "real https name");
  auto options = std::make_shared<Options>();
  CLI::App& making =
      add_command(group, context, "create",
                  "make one, for the https hosts of your web resources and no others; nothing trusts it yet",
                  "portolan web-ca create --host wiki.corp.example");
  making.add_option("--host", options->hosts, "only for this host; may be given again")->allow_extra_args(false);
  on_chosen(making, context, options, create);
  CLI::App& showing = add_command(
      group, context, "show", "what it is for, until when, and how browsers come to trust it", "portolan web-ca show");
  on_chosen(showing, context, options, show);
  CLI::App& removing = add_command(group, context, "remove", "forget it and its key", "portolan web-ca remove");
  on_chosen(removing, context, options, remove);
}

}  // namespace portolan::cli
