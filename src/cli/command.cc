#include "cli/command.h"

#include <charconv>

namespace portolan::cli {

CLI::App& add_command(CLI::App& parent, Context& context, std::string name, std::string description,
                      std::string example) {
  CLI::App& app = *parent.add_subcommand(std::move(name), std::move(description));
  app.add_flag("--json", context.out.json, "one JSON object; lists and streams: one object a line");
  app.add_flag("-q,--quiet", context.out.quiet, "data and errors only");
  app.add_flag("--verbose", context.out.verbose, "more of what happens, and of an error's cause");
  app.footer("Example:\n  " + example);
  return app;
}

CLI::App& add_group(CLI::App& parent, std::string name, std::string description) {
  CLI::App& app = *parent.add_subcommand(std::move(name), std::move(description));
  app.require_subcommand(1);
  return app;
}

CLI::Validator one_of(std::vector<std::string> values) {
  std::string listed;
  for (const auto& value : values) listed += (listed.empty() ? "" : ",") + value;
  const auto check = [values = std::move(values)](const std::string& text) -> std::string {
    std::string all;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values[i] == text) return {};
      all += (i == 0 ? "" : i + 1 == values.size() ? " or " : ", ") + values[i];
    }
    return "must be " + all;
  };
  return {check, "{" + listed + "}"};
}

CLI::Validator one_to(std::size_t most) {
  const auto check = [most](const std::string& text) -> std::string {
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && end == text.data() + text.size() && number >= 1 && number <= most) return {};
    const bool bounded = most != std::numeric_limits<std::size_t>::max();
    return bounded ? "must be 1 to " + std::to_string(most) : "must be 1 or more";
  };
  return {check, ""};
}

}  // namespace portolan::cli
