#include "cli/complete.h"

#include <algorithm>
#include <set>
#include <utility>

#include "api/list.h"
#include "cli/agent_api.h"
#include "cli/calls.h"

namespace portolan::cli {
namespace {

constexpr std::chrono::milliseconds kAgentLimit = std::chrono::milliseconds(500);
constexpr std::chrono::milliseconds kControlLimit = std::chrono::seconds(1);

// "--password-file" of "--password-file=x".
std::string option_name(const std::string& word) { return word.substr(0, word.find('=')); }

const CLI::Option* find_option(const CLI::App& app, const std::string& word) {
  return app.get_option_no_throw(option_name(word));
}

const CLI::App* find_command(const CLI::App& app, const std::string& word) {
  const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
  const auto found = std::ranges::find(commands, word, [](const CLI::App* command) { return command->get_name(); });
  return found == commands.end() ? nullptr : *found;
}

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

// Where the words before the last have led.
struct Place {
  const CLI::App* app;
  std::string path;                       // "admin roles"
  const CLI::Option* value_of = nullptr;  // the last word is its value
  std::size_t arguments = 0;              // words that are no option, in this command
  std::set<const CLI::Option*> given = {};
};

Place walk(const CLI::App& root, const std::vector<std::string>& words) {
  Place place{&root, {}};
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    const std::string& word = words[i];
    // "--name=value" comes as three words from bash.
    if (place.value_of && word != "=") {
      place.value_of = nullptr;
    } else if (word.starts_with("-") && word.size() > 1) {
      const CLI::Option* option = find_option(*place.app, word);
      if (!option) continue;
      place.given.insert(option);
      if (takes_value(*option) && !word.contains('=')) place.value_of = option;
    } else if (const CLI::App* next = place.arguments == 0 ? find_command(*place.app, word) : nullptr) {
      place.app = next;
      place.path += (place.path.empty() ? "" : " ") + word;
      place.given.clear();
    } else if (word != "=") {
      ++place.arguments;
    }
  }
  return place;
}

bool is_hidden(const CLI::App& app) { return app.get_group().empty(); }

// By the words of the option's name, which tell what it takes.
bool takes_file(const CLI::Option& option) {
  const std::string name = option.get_name();
  return std::ranges::any_of(std::initializer_list<const char*>{"file", "data", "--out", "-out", "folder"},
                             [&](const char* part) { return name.find(part) != name.npos; });
}

void add_options(const Place& place, std::vector<Candidate>& out) {
  for (const CLI::Option* option : place.app->get_options()) {
    if (option->get_group().empty() || option->get_lnames().empty()) continue;
    const bool again = takes_value(*option) && option->get_items_expected_max() > 1;
    if (place.given.contains(option) && !again) continue;
    for (const std::string& name : option->get_lnames()) out.push_back({"--" + name, option->get_description()});
  }
}

// "{a,b}" of an option with a few values (one_of), as CLI11 shows its type.
void add_values(const CLI::Option& option, std::vector<Candidate>& out) {
  const std::string type = option.get_type_name();
  const auto begin = type.find('{');
  const auto end = type.find('}', begin);
  if (begin == std::string::npos || end == std::string::npos) return;
  std::string value;
  for (std::size_t i = begin + 1; i <= end; ++i) {
    if (type[i] != ',' && type[i] != '}') {
      value += type[i];
    } else {
      out.push_back({std::exchange(value, {}), ""});
    }
  }
}

void add_value_of(const Place& place, const CLI::Option& option, const std::string& begun, const Names& names,
                  std::vector<Candidate>& out) {
  add_values(option, out);
  if (takes_file(option)) out.push_back({kFiles, ""});
  if (!out.empty()) return;
  for (auto& name : names({place.path, option.get_name(), begun})) out.push_back(std::move(name));
}

// The argument that the last word is; null if the command takes no more.
const CLI::Option* argument_at(const Place& place) {
  std::size_t before = place.arguments;
  for (const CLI::Option* option : place.app->get_options()) {
    if (!option->get_positional()) continue;
    if (before == 0 || option->get_items_expected_max() > 1) return option;
    --before;
  }
  return nullptr;
}

void add_arguments(const Place& place, const std::string& begun, const Names& names, std::vector<Candidate>& out) {
  if (place.arguments == 0)
    for (const CLI::App* command : place.app->get_subcommands([](const CLI::App*) { return true; }))
      if (!is_hidden(*command)) out.push_back({command->get_name(), command->get_description()});
  if (place.path == "completion" && place.arguments == 0) {
    for (const char* shell : {"bash", "fish", "zsh"}) out.push_back({shell, ""});
    return;
  }
  if (const auto* argument = argument_at(place)) add_value_of(place, *argument, begun, names, out);
}

}  // namespace

std::vector<Candidate> complete(const CLI::App& root, const std::vector<std::string>& words, const Names& names) {
  if (words.empty()) return {};
  const std::string last = words.back() == "=" ? "" : words.back();
  const Place place = walk(root, words);
  // What follows the resource is psql's own.
  if (place.path == "psql" && place.arguments > 0) return {{kFiles, ""}};
  std::vector<Candidate> all;
  if (place.value_of) {
    add_value_of(place, *place.value_of, last, names, all);
  } else if (last.starts_with("-")) {
    add_options(place, all);
  } else {
    add_arguments(place, last, names, all);
  }
  std::erase_if(
      all, [&](const Candidate& candidate) { return candidate.value != kFiles && !candidate.value.starts_with(last); });
  std::ranges::sort(all, {}, &Candidate::value);
  return all;
}

namespace {

std::vector<Candidate> names_from_agent(const std::string& command) {
  const bool knows =
      command == "connect" || command == "disconnect" || command == "psql" || command == "open" || command == "ls";
  const auto home = client::Home::from_environment();
  if (!knows || !home) return {};
  AgentApi agent(*home);
  const auto status = run_on_loop(net::with_timeout(agent.status(), kAgentLimit));
  std::vector<Candidate> names;
  if (!status) return names;
  for (const auto& resource : status->resources) {
    if (command == "connect" && resource.state == "connected") continue;
    if (command == "disconnect" && resource.state == "disconnected") continue;
    if (command == "psql" && resource.type != "postgres") continue;
    if (command == "open" && !resource.url) continue;
    names.push_back({resource.name, resource.type + " at " + resource.url.value_or(resource.address)});
  }
  return names;
}

// Where the control plane lists what an argument names.
struct List {
  std::string_view argument;
  const char* path;
  const char* name;  // the member that names an object
};
constexpr List kLists[] = {{"account", "/v1/accounts", "email"},
                           {"--account", "/v1/accounts", "email"},
                           {"role", "/v1/roles", "name"},
                           {"--role", "/v1/roles", "name"},
                           {"resource", "/v1/resources", "name"},
                           {"--resource", "/v1/resources", "name"},
                           {"node", "/v1/nodes", "name"},
                           {"--node", "/v1/nodes", "name"},
                           {"--egress", "/v1/nodes", "name"},
                           {"--remove-node", "/v1/nodes", "name"},
                           {"--remove-resource", "/v1/resources", "name"},
                           {"group", "/v1/peering-groups", "name"},
                           {"--peer", "/v1/peering-groups", "name"},
                           {"--remove-peer", "/v1/peering-groups", "name"},
                           {"cluster", "/v1/clusters", "name"},
                           {"--cluster", "/v1/clusters", "name"},
                           {"key", "/v1/cluster-keys", "id"},
                           {"device", "/v1/devices", "id"},
                           {"grant", "/v1/grants", "id"},
                           {"membership", "/v1/memberships", "id"},
                           {"session", "/v1/sessions", "session"}};

// Of any of these lists: what describes an entry beside its name.
struct Entry {
  std::optional<std::string> id, session, name, email, type, kind, role_name, resource_name;
};
BOOST_DESCRIBE_STRUCT(Entry, (), (id, session, name, email, type, kind, role_name, resource_name))

std::string described(const Entry& entry, std::string_view name) {
  std::string out;
  const auto add = [&](const std::optional<std::string>& word) {
    if (word && !word->empty() && *word != name) out += (out.empty() ? "" : " ") + *word;
  };
  for (const auto* word : {&entry.email, &entry.role_name, &entry.resource_name, &entry.name, &entry.kind, &entry.type})
    add(*word);
  return out;
}

std::vector<Candidate> names_from_control(const NameWanted& wanted) {
  const bool of_tokens = wanted.argument == "token";
  const char* path = of_tokens && wanted.command.starts_with("admin nodes") ? "/v1/join-tokens" : "/v1/tokens";
  std::string_view member = "id";
  if (!of_tokens) {
    const auto list = std::ranges::find(kLists, wanted.argument, &List::argument);
    if (list == std::end(kLists)) return {};
    path = list->path;
    member = list->name;
  }
  const auto home = client::Home::from_environment();
  if (!home) return {};
  const auto ask = [&](net::Loop&) -> net::Task<Result<api::Page<Entry>>> {
    CO_TRY(const auto control, signed_in_control(*home, {.call = kControlLimit}));
    Query query{{"limit", "1000"}};
    if (member != "session" && !wanted.begun.empty() && wanted.begun.find_first_of("\"\\ ") == std::string::npos)
      query["filter"] = std::string(member) + "~" + wanted.begun;
    auto page = co_await control->get<api::Page<Entry>>(path, query);
    co_return page;
  };
  const auto page = run_on_loop<api::Page<Entry>>(ask);
  std::vector<Candidate> names;
  if (!page) return names;
  for (const Entry& entry : page->items) {
    const auto& name = member == "email"     ? entry.email
                       : member == "name"    ? entry.name
                       : member == "session" ? entry.session
                                             : entry.id;
    if (name) names.push_back({*name, described(entry, *name)});
  }
  return names;
}

}  // namespace

std::vector<Candidate> names_at_hand(const NameWanted& wanted) {
  const bool of_control = wanted.command.starts_with("admin ") || wanted.command.starts_with("audit ");
  return of_control ? names_from_control(wanted) : names_from_agent(wanted.command);
}

}  // namespace portolan::cli
