#include "protocols/postgres/forwarding.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace portolan::protocols::postgres {
namespace {

constexpr std::size_t kDatabasesLimit = 100;
// NAMEDATALEN - 1: PostgreSQL cuts an application's name there.
constexpr std::size_t kApplicationNameLimit = 63;
// By convention, of a connection that opens none: the server looks at no name then.
constexpr std::string_view kNoDatabase = "replication";

std::string_view setting(const Settings& settings, const std::string& name) {
  const auto it = settings.find(name);
  return it == settings.end() ? std::string_view() : std::string_view(it->second);
}

Result<> check_choice(const Settings& settings, const std::string& name, std::array<std::string_view, 2> known) {
  const std::string_view value = setting(settings, name);
  if (value.empty() || std::ranges::find(known, value) != known.end()) return {};
  return fail(Code::kInvalid, fmt::format("setting {}: unknown value {}; known are {}", quoted(name), quoted(value),
                                          fmt::join(known, ", ")));
}

std::string_view trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

struct Mapped {
  std::string_view asked;   // by the client
  std::string_view opened;  // the server's name
};

// "app=app_prod, reports": a name alone is the server's own.
Result<std::vector<Mapped>> parse_databases(std::string_view text) {
  std::vector<Mapped> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    const std::string_view entry = trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t equals = entry.find('=');
    const std::string_view asked = trim(entry.substr(0, equals));
    const std::string_view opened = equals == std::string_view::npos ? asked : trim(entry.substr(equals + 1));
    if (asked.empty() || opened.empty())
      return fail(Code::kInvalid,
                  "setting \"databases\": written as NAME or NAME=NAME-AT-THE-SERVER, with commas between");
    if (std::ranges::find(out, asked, &Mapped::asked) != out.end())
      return fail(Code::kInvalid, "setting \"databases\": " + quoted(asked) + " is there twice");
    if (out.size() == kDatabasesLimit)
      return fail(Code::kLimit, fmt::format("setting \"databases\": at most {}", kDatabasesLimit));
    out.push_back({asked, opened});
  }
  return out;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_variable(std::string_view a, std::string_view b) { return std::ranges::equal(a, b, {}, lower, lower); }

// One of an extension's, "portolan.user": none of the server's own has a dot in its name, so this can change nothing
// about how the server works.
bool is_custom_variable(std::string_view name) {
  const auto letter = [](char c) { return (lower(c) >= 'a' && lower(c) <= 'z') || c == '_'; };
  bool begins = true;
  for (const char c : name) {
    if (begins && !letter(c)) return false;
    if (!letter(c) && !(c >= '0' && c <= '9') && c != '$' && c != '.') return false;
    begins = c == '.';
  }
  return !begins && name.contains('.') && name.size() <= 63;
}

// Whether start-up options may set the variable, by "-c name=…" or "--name=…", where a backslash can stand before any
// letter and "-" for "_". It need not be sure: such options are refused.
bool options_mention(std::string_view options, std::string_view variable) {
  std::string plain;
  for (const char c : options)
    if (c != '\\') plain.push_back(c == '-' ? '_' : lower(c));
  std::string wanted(variable);
  std::ranges::transform(wanted, wanted.begin(), lower);
  return plain.contains(wanted);
}

enum class Replication { kNone, kPhysical, kDatabase };

Result<Replication> wished_replication(const Startup& startup) {
  constexpr std::array<std::string_view, 5> kNo = {"", "false", "off", "no", "0"};
  constexpr std::array<std::string_view, 4> kYes = {"true", "on", "yes", "1"};
  const std::string_view wish = startup.find("replication");
  if (std::ranges::find(kNo, wish) != kNo.end()) return Replication::kNone;
  if (std::ranges::find(kYes, wish) != kYes.end()) return Replication::kPhysical;
  if (wish == "database") return Replication::kDatabase;
  return fail(Code::kInvalid, "start-up packet: replication is " + quoted(wish) + ", not true, false or database",
              "sqlstate_22023");
}

Result<Replication> allowed_replication(const Startup& startup, const Settings& settings) {
  PL_TRY(const Replication wished, wished_replication(startup));
  if (wished != Replication::kNone && setting(settings, "replication") != "allow")
    return fail(Code::kDenied,
                "this resource allows no replication connections; its setting \"replication\" can allow them",
                "sqlstate_0A000");
  return wished;
}

// Their own name and who they are; of the two the first is cut, if the server would cut.
std::string named_with_person(std::string_view application, std::string_view person) {
  std::string who = application.empty() ? std::string(person) : fmt::format(" ({})", person);
  who.resize(std::min(who.size(), kApplicationNameLimit));
  return std::string(application.substr(0, kApplicationNameLimit - who.size())) + who;
}

}  // namespace

Result<> check_forwarding(const Settings& settings) {
  PL_CHECK(check_choice(settings, "replication", {"refuse", "allow"}));
  PL_CHECK(check_choice(settings, "application_name", {"client", "append"}));
  PL_CHECK(parse_databases(setting(settings, "databases")));
  if (!setting(settings, "databases").empty() && !setting(settings, "database").empty())
    return fail(Code::kInvalid, "give one of the settings \"database\" and \"databases\"");
  const std::string_view variable = setting(settings, "identity_variable");
  if (!variable.empty() && !is_custom_variable(variable))
    return fail(Code::kInvalid, "setting \"identity_variable\": " + quoted(variable) +
                                    " is no name with a dot in it, like portolan.user");
  return {};
}

std::string default_database(const Settings& settings) {
  const auto mapped = parse_databases(setting(settings, "databases"));
  if (mapped && !mapped->empty()) return std::string(mapped->front().opened);
  return std::string(setting(settings, "database"));
}

Result<std::string> choose_database(const Startup& startup, const Granted& granted) {
  PL_TRY(const Replication replication, allowed_replication(startup, granted.settings));
  if (replication == Replication::kPhysical) return std::string(kNoDatabase);
  const std::string_view wish = startup.find("database");
  PL_TRY(const auto mapped, parse_databases(setting(granted.settings, "databases")));
  for (const Mapped& each : mapped)
    if (wish == each.asked) return std::string(each.opened);
  const std::string usual = default_database(granted.settings);
  if (usual.empty()) return std::string(wish);
  // The client's own user name is what clients ask for when the person named no database.
  if (wish.empty() || wish == startup.find("user") || wish == granted.name) return usual;
  if (mapped.empty() && wish == usual) return usual;
  std::string known;
  for (const Mapped& each : mapped) known += (known.empty() ? "" : ", ") + quoted(each.asked);
  if (mapped.empty()) known = quoted(usual);
  return fail(
      Code::kDenied,
      fmt::format("resource {} opens only the database{} {}, not {}; connect to {}", quoted(granted.name),
                  mapped.size() > 1 ? "s" : "", known, quoted(wish), mapped.size() > 1 ? "one of these" : "that one"),
      "sqlstate_3D000");
}

Result<Parameters> forwarded_parameters(const Startup& startup, const Granted& granted) {
  PL_TRY(const Replication replication, allowed_replication(startup, granted.settings));
  const std::string_view variable = setting(granted.settings, "identity_variable");
  const bool names_person = setting(granted.settings, "application_name") == "append";
  if (!variable.empty() && options_mention(startup.find("options"), variable))
    return fail(Code::kDenied,
                fmt::format("start-up packet: its options must not set {}, in which this resource tells the server who "
                            "connects",
                            quoted(variable)),
                "sqlstate_42501");
  Parameters out;
  if (replication != Replication::kNone)
    out.emplace_back("replication", replication == Replication::kDatabase ? "database" : "true");
  for (const auto& [name, value] : startup.parameters) {
    const bool ours = name == "user" || name == "database" || name == "replication" || name.starts_with("_pq_.");
    const bool replaced = (names_person && same_variable(name, "application_name")) ||
                          (!variable.empty() && same_variable(name, variable));
    if (!ours && !replaced) out.emplace_back(name, value);
  }
  if (names_person)
    out.emplace_back("application_name", named_with_person(startup.find("application_name"), granted.email));
  // Last, since of two values the server takes the later one; and after the options, which it reads before all of
  // these.
  if (!variable.empty()) out.emplace_back(variable, granted.email);
  return out;
}

}  // namespace portolan::protocols::postgres
