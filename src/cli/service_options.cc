#include "cli/service_options.h"

#include "base/clock.h"
#include "cli/exit.h"

namespace portolan::cli {
namespace {

std::unexpected<Error> bad_setting(const std::string& name, Error why) {
  return std::unexpected(wrong_usage(std::move(why.message)).error().within(name));
}

}  // namespace

void add_log_options(Settings& settings, LogOptions& options) {
  settings.add("--log-level", options.level, "debug, info, warn or error");
  settings.add("--log-format", options.format, "text or json");
}

Result<> configure_log(const LogOptions& options, const Output& out, std::string part) {
  auto level = log::level_from(options.level);
  if (!level) return bad_setting("--log-level", std::move(level).error());
  if (options.format != "text" && options.format != "json") return wrong_usage("--log-format: must be text or json");
  if (out.quiet && *level < log::Level::kWarn) *level = log::Level::kWarn;
  log::configure(out.verbose ? log::Level::kDebug : *level,
                 options.format == "json" ? log::Format::kJson : log::Format::kText, std::move(part));
  return {};
}

Result<std::chrono::milliseconds> duration_setting(const std::string& name, const std::string& text, Nothing nothing) {
  auto duration = parse_duration(text);
  if (!duration) return bad_setting(name, std::move(duration).error());
  if (nothing == Nothing::kRefused && *duration <= std::chrono::milliseconds(0))
    return wrong_usage(name + ": must be more than nothing");
  return duration;
}

Result<net::Endpoint> endpoint_setting(const std::string& name, const std::string& text, std::uint16_t default_port) {
  auto endpoint = net::parse_endpoint(text, default_port);
  if (!endpoint) return bad_setting(name, std::move(endpoint).error());
  return endpoint;
}

Result<std::optional<net::Endpoint>> optional_endpoint(const std::string& name, const std::string& text,
                                                       std::uint16_t default_port) {
  if (text == "none") return std::optional<net::Endpoint>();
  PL_TRY(auto endpoint, endpoint_setting(name, text, default_port));
  return std::optional(std::move(endpoint));
}

}  // namespace portolan::cli
