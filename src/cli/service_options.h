// What server, node, agent and dev have in common on the command line: how they log.
#pragma once
#include <chrono>
#include <optional>
#include <string>

#include "base/log.h"
#include "cli/output.h"
#include "cli/settings.h"
#include "net/tcp.h"

namespace portolan::cli {

struct LogOptions {
  std::string level = "info";
  std::string format = "text";
};

void add_log_options(Settings& settings, LogOptions& options);
// `part` begins every line: "server", "gateway" ….
Result<> configure_log(const LogOptions& options, const Output& out, std::string part);

// A duration option like "12h"; it may be nothing where `nothing` is allowed.
enum class Nothing { kRefused, kAllowed };
Result<std::chrono::milliseconds> duration_setting(const std::string& name, const std::string& text,
                                                   Nothing nothing = Nothing::kRefused);
// HOST:PORT, or "none" where something can be switched off.
Result<net::Endpoint> endpoint_setting(const std::string& name, const std::string& text, std::uint16_t default_port);
Result<std::optional<net::Endpoint>> optional_endpoint(const std::string& name, const std::string& text,
                                                       std::uint16_t default_port);

}  // namespace portolan::cli
