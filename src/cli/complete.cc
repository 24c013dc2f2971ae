#include "cli/complete.h"

#include <algorithm>
#include <set>

#include "cli/agent_api.h"
#include "cli/run.h"

namespace portolan::cli {
namespace {

constexpr std::chrono::milliseconds kAgentLimit = std::chrono::milliseconds(500);

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

void add_arguments(const Place& place, const Names& names, std::vector<Candidate>& out) {
  if (place.arguments == 0)
    for (const CLI::App* command : place.app->get_subcommands([](const CLI::App*) { return true; }))
      if (!is_hidden(*command)) out.push_back({command->get_name(), command->get_description()});
  const bool takes_more = place.path == "connect" || place.path == "disconnect" || place.arguments == 0;
  if (place.path == "completion" && place.arguments == 0) {
    for (const char* shell : {"bash", "fish", "zsh"}) out.push_back({shell, ""});
  } else if (takes_more && !place.path.empty()) {
    for (auto& name : names(place.path)) out.push_back(std::move(name));
  }
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
    if (takes_file(*place.value_of)) all.push_back({kFiles, ""});
    return all;
  }
  if (last.starts_with("-")) {
    add_options(place, all);
  } else {
    add_arguments(place, names, all);
  }
  std::erase_if(all, [&](const Candidate& candidate) { return !candidate.value.starts_with(last); });
  std::ranges::sort(all, {}, &Candidate::value);
  return all;
}

std::vector<Candidate> names_from_agent(const std::string& command) {
  const bool knows = command == "connect" || command == "disconnect" || command == "psql" || command == "ls";
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
    names.push_back({resource.name, resource.type + " at " + resource.address});
  }
  return names;
}

}  // namespace portolan::cli
