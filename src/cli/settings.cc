#include "cli/settings.h"

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <toml++/toml.h>

#include "base/file.h"
#include "cli/exit.h"

namespace portolan::cli {
namespace {

struct Shown {
  std::string name;
  std::string value;
  std::string source;
};
BOOST_DESCRIBE_STRUCT(Shown, (), (name, value, source))

std::string key_of(const std::string& name) { return name.substr(name.find_first_not_of('-')); }

std::string variable_of(const std::string& key) {
  std::string out = "PORTOLAN_";
  for (const char c : key) out += c == '-' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

Result<std::string> text_of(const toml::node& node, const std::string& key) {
  if (const auto text = node.value<std::string>(); text && node.is_string()) return *text;
  if (node.is_boolean()) return std::string(*node.value<bool>() ? "true" : "false");
  if (node.is_integer()) return std::to_string(*node.value<std::int64_t>());
  return wrong_usage(fmt::format("{}: must be text, a number, true or false, or a list of them", key));
}

Result<std::vector<std::string>> values_of(const toml::node& node, const std::string& key) {
  std::vector<std::string> out;
  if (const auto* array = node.as_array()) {
    for (const toml::node& element : *array) {
      PL_TRY(out.emplace_back(), text_of(element, key));
    }
    return out;
  }
  PL_TRY(out.emplace_back(), text_of(node, key));
  return out;
}

}  // namespace

Settings::Settings(CLI::App& app) : app_(app) {
  app.add_option("--config", file_,
                 "a TOML file with a table [" + app.get_name() + "] of these settings [PORTOLAN_CONFIG]");
  app.add_flag("--print-config", print_, "show the effective settings and where each came from, and do nothing else");
}

std::string Settings::with_variable(const std::string& name, std::string help) {
  return fmt::format("{} [{}]", help, variable_of(key_of(name)));
}

void Settings::keep(const std::string& name, CLI::Option* option) {
  settings_.push_back({key_of(name), variable_of(key_of(name)), option});
}

Result<> Settings::apply(Setting& setting, std::vector<std::string> values, std::string source) {
  try {
    for (std::string& value : values) setting.option->add_result(std::move(value));
    setting.option->run_callback();
  } catch (const CLI::Error& error) {
    return wrong_usage(fmt::format("{}: {}", source, error.what()));
  }
  setting.source = std::move(source);
  return {};
}

Result<> Settings::load_environment() {
  for (Setting& setting : settings_) {
    const char* value = std::getenv(setting.variable.c_str());
    if (setting.option->count() > 0 || value == nullptr || *value == '\0') continue;
    std::vector<std::string> values{value};
    if (setting.option->get_expected_max() > 1) values = CLI::detail::split(value, ',');
    PL_CHECK(apply(setting, std::move(values), setting.variable));
  }
  return {};
}

Result<> Settings::load_file() {
  if (file_.empty()) return {};
  PL_TRY(const std::string text, read_file(file_));
  toml::table root;
  try {
    root = toml::parse(text, file_);
  } catch (const toml::parse_error& error) {
    return wrong_usage(fmt::format("{} line {}: {}", file_, error.source().begin.line, error.description()));
  }
  const toml::table* table = root[app_.get_name()].as_table();
  if (!table) return wrong_usage(fmt::format("{} has no table [{}]", file_, app_.get_name()));
  for (const auto& [key, node] : *table) {
    const std::string name(key.str());
    const auto found = std::ranges::find(settings_, name, &Setting::key);
    if (found == settings_.end()) {
      std::vector<std::string> known;
      for (const Setting& setting : settings_) known.push_back(setting.key);
      return wrong_usage(fmt::format("{}: unknown setting {} in [{}]; known are: {}", file_, quoted(name),
                                     app_.get_name(), fmt::join(known, ", ")));
    }
    if (found->option->count() > 0) continue;
    PL_TRY(auto values, values_of(node, name));
    PL_CHECK(apply(*found, std::move(values), file_));
  }
  return {};
}

Result<> Settings::load() {
  for (Setting& setting : settings_)
    if (setting.option->count() > 0) setting.source = "command line";
  PL_CHECK(load_environment());
  if (const char* file = std::getenv("PORTOLAN_CONFIG"); file != nullptr && file_.empty()) file_ = file;
  return load_file();
}

void Settings::print(const Output& out) const {
  Table table({{"SETTING"}, {"VALUE"}, {"FROM"}});
  for (const Setting& setting : settings_) {
    std::string value = setting.option->count() > 0 ? fmt::format("{}", fmt::join(setting.option->results(), ","))
                                                    : setting.option->get_default_str();
    if (setting.option->count() == 0 && value.starts_with('['))
      value = value.substr(1, value.size() - 2);  // a list, as CLI11 shows it
    if (out.json) out.object(Shown{setting.key, value, setting.source});
    table.add({setting.key, value, setting.source});
  }
  if (!out.json) out.table(table);
}

}  // namespace portolan::cli
