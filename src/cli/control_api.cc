#include "cli/control_api.h"

#include <algorithm>
#include <ctime>

#include <fmt/chrono.h>

#include "cli/exit.h"

namespace portolan::cli {

Result<std::unique_ptr<api::ControlClient>> signed_in_control(const client::Home& home, api::ControlLimits limits) {
  PL_TRY(const auto state, home.state());
  PL_TRY(const auto token, home.token());
  PL_TRY(const auto endpoint, net::parse_endpoint(state.control, 443));
  PL_TRY(auto trust, crypto::Certificate::all_from_pem(state.server_ca));
  return api::ControlClient::make({endpoint, std::move(trust), state.control_name, std::nullopt, false}, token, limits);
}

Result<std::string> path_with(std::string collection, const std::string& key) {
  if (key.empty() || key.find('/') != std::string::npos || key == "." || key == "..")
    return wrong_usage("not a name or an id: " + quoted(key));
  return std::move(collection) + "/" + key;
}

std::string local_time(WallTime time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  if (localtime_r(&seconds, &parts) == nullptr) return to_rfc3339(time);
  return fmt::format("{:%Y-%m-%d %H:%M:%S}", parts);
}

std::string local_time(const std::optional<WallTime>& time) { return time ? local_time(*time) : ""; }

std::string ago(const std::optional<WallTime>& time, WallTime now) {
  if (!time) return "";
  using namespace std::chrono;
  const auto passed = duration_cast<seconds>(std::max(now - *time, milliseconds(0)));
  if (passed < minutes(2)) return fmt::format("{}s ago", passed.count());
  if (passed < hours(2)) return fmt::format("{}m ago", duration_cast<minutes>(passed).count());
  if (passed < days(2)) return fmt::format("{}h ago", duration_cast<hours>(passed).count());
  return fmt::format("{}d ago", duration_cast<days>(passed).count());
}

namespace {

std::optional<WallTime> time_in(const std::string& text) {
  if (const auto time = from_rfc3339(text)) return *time;
  std::tm parts{};
  const char* end = strptime(text.c_str(), "%Y-%m-%d", &parts);
  if (end == nullptr || *end != '\0') return std::nullopt;
  parts.tm_isdst = -1;
  return WallTime(std::chrono::seconds(std::mktime(&parts)));
}

}  // namespace

Result<WallTime> parse_time(const std::string& text) {
  if (const auto time = time_in(text)) return *time;
  return wrong_usage("not a time: " + quoted(text) + "; give one like 2026-11-23T20:24:01Z or 2026-11-23");
}

Result<WallTime> parse_moment(const std::string& text, WallTime now) {
  if (const auto time = time_in(text)) return *time;
  if (const auto ago = parse_duration(text)) return now - *ago;
  return wrong_usage("not a time: " + quoted(text) +
                     "; give one like 2026-11-23T20:24:01Z, 2026-11-23, or how long ago, like 2h");
}

}  // namespace portolan::cli
