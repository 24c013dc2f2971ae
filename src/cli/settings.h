// Settings of the long-running commands: command line over environment (PORTOLAN_…) over a TOML file (--config) over
// defaults. The command line is CLI11's; the two layers below it are applied here, option by option, because each must
// also be able to say where it came from (--print-config). The file has a table named after the command:
//     [server]
//     data = "/var/lib/portolan"
#pragma once
#include <string>
#include <vector>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "base/result.h"
#include "cli/output.h"

namespace portolan::cli {

class Settings {
 public:
  // Adds --config and --print-config. `app` is the command, whose name is that of the table in the file.
  explicit Settings(CLI::App& app);
  Settings(const Settings&) = delete;
  Settings& operator=(const Settings&) = delete;

  // "--listen" is also PORTOLAN_LISTEN and `listen` in the file.
  template <class T>
  void add(const std::string& name, T& variable, std::string help) {
    keep(name, app_.add_option(name, variable, with_variable(name, std::move(help)))
                   ->capture_default_str()
                   ->allow_extra_args(false));
  }
  void add_switch(const std::string& name, bool& variable, std::string help) {
    keep(name, app_.add_flag(name, variable, with_variable(name, std::move(help))));
  }

  // After parsing: fills from the environment and the file what the command line left open.
  Result<> load();
  bool asked_to_print() const { return print_; }
  void print(const Output& out) const;

 private:
  struct Setting {
    std::string key;       // "public-name"
    std::string variable;  // "PORTOLAN_PUBLIC_NAME"
    CLI::Option* option;
    std::string source = "default";
  };
  static std::string with_variable(const std::string& name, std::string help);
  void keep(const std::string& name, CLI::Option* option);
  Result<> apply(Setting& setting, std::vector<std::string> values, std::string source);
  Result<> load_environment();
  Result<> load_file();

  CLI::App& app_;
  std::string file_;
  bool print_ = false;
  std::vector<Setting> settings_;
};

}  // namespace portolan::cli
