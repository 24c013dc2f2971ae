#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "base/clock.h"

namespace portolan::log {
namespace {

struct Settings {
  Format format = Format::kText;
  std::string part;
};

Settings& settings() {
  static Settings instance;
  return instance;
}

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made = std::make_shared<spdlog::logger>("portolan", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%v");
    made->flush_on(spdlog::level::debug);
    return made;
  }();
  return *instance;
}

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::kDebug: return spdlog::level::debug;
    case Level::kInfo: return spdlog::level::info;
    case Level::kWarn: return spdlog::level::warn;
    case Level::kError: return spdlog::level::err;
  }
  return spdlog::level::info;
}

std::string_view name_of(Level level) {
  switch (level) {
    case Level::kDebug: return "debug";
    case Level::kInfo: return "info";
    case Level::kWarn: return "warn";
    case Level::kError: return "error";
  }
  return "info";
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (unsigned char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c < 0x20) {
      out += fmt::format("\\u{:04x}", c);
    } else {
      out += static_cast<char>(c);
    }
  }
  return out + "\"";
}

bool is_plain(std::string_view value) {
  if (value.empty()) return false;
  for (unsigned char c : value)
    if (c <= 0x20 || c == 0x7f || c == '"' || c == '=' || c == '\\') return false;
  return true;
}

void write(Level level, std::string_view message, Fields fields) {
  if (!logger().should_log(to_spdlog(level))) return;
  const std::string now = to_rfc3339(Clock::real().wall());
  std::string line;
  if (settings().format == Format::kJson) {
    line = fmt::format(R"({{"time":"{}","level":"{}","part":{},"message":{})", now, name_of(level),
                       json_string(settings().part), json_string(message));
    for (const Field& field : fields) line += fmt::format(",{}:{}", json_string(field.key), json_string(field.value));
    line += '}';
  } else {
    line = fmt::format("{} {:5} {}{}{}", now, name_of(level), settings().part, settings().part.empty() ? "" : ": ",
                       message);
    for (const Field& field : fields)
      line += fmt::format(" {}={}", field.key, is_plain(field.value) ? field.value : quoted(field.value, 512));
  }
  logger().log(to_spdlog(level), "{}", line);
}

}  // namespace

void configure(Level level, Format format, std::string part) {
  settings() = {format, std::move(part)};
  logger().set_level(to_spdlog(level));
}

Result<Level> level_from(std::string_view name) {
  for (Level level : {Level::kDebug, Level::kInfo, Level::kWarn, Level::kError})
    if (name_of(level) == name) return level;
  return fail(Code::kInvalid, "unknown log level " + quoted(name) + "; use debug, info, warn or error");
}

void debug(std::string_view message, Fields fields) { write(Level::kDebug, message, fields); }
void info(std::string_view message, Fields fields) { write(Level::kInfo, message, fields); }
void warn(std::string_view message, Fields fields) { write(Level::kWarn, message, fields); }
void error(std::string_view message, Fields fields) { write(Level::kError, message, fields); }

}  // namespace portolan::log
