#include "cli/exit.h"

#include <fmt/format.h>

namespace portolan::cli {
namespace {

constexpr std::string_view kUsageReason = "usage";
constexpr std::string_view kRestartReason = "restart";

}  // namespace

Exit exit_for(const Error& error) {
  if (error.reason == kUsageReason) return Exit::kUsage;
  if (error.reason == kRestartReason) return Exit::kRestart;
  switch (error.code) {
    case Code::kUnauthenticated: return Exit::kNotLoggedIn;
    case Code::kDenied: return Exit::kDenied;
    case Code::kUnavailable:
    case Code::kTimeout: return Exit::kUnreachable;
    default: return Exit::kFailed;
  }
}

std::unexpected<Error> wrong_usage(std::string message) {
  return fail(Code::kInvalid, std::move(message), std::string(kUsageReason));
}

std::unexpected<Error> restart_due() {
  return fail(Code::kCancelled, "stopped for the restart that was asked for; start it again",
              std::string(kRestartReason));
}

std::string one_line(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    if (!control) out += c;
    if (control && !out.empty() && out.back() != ' ') out += ' ';
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

Error with_remedy(Error error) {
  const bool says_it = error.message.find("; ") != std::string::npos;
  if (!says_it && exit_for(error) == Exit::kUnreachable && error.hop == Hop::kControlPlane)
    error.message += "; check that it runs, and that the address is the right one: portolan login ADDRESS";
  return error;
}

std::string error_line(const Error& error, Detail detail) {
  std::string line = one_line(error.message);
  if (detail == Detail::kShort) return line;
  return fmt::format("{} [code {}, at {}, {}]", line, error.stable_code(),
                     error.hop == Hop::kUnknown ? "here" : name_of(error.hop),
                     error.retry_can_help() ? "trying again can help" : "trying again will not help");
}

}  // namespace portolan::cli
