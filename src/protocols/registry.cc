// The table of protocols. A new one is a folder beside this file and a row here (docs/adding-a-protocol.md).
#include <algorithm>
#include <array>

#include "protocols/driver.h"
#include "protocols/http/driver.h"
#include "protocols/postgres/driver.h"
#include "protocols/tcp/driver.h"

namespace portolan::protocols {
namespace {

constexpr std::array<Protocol, 3> kProtocols = {{
    {.name = "tcp",
     .default_port = 0,
     .client_speaks_first = false,
     .check = tcp::check,
     .make = tcp::make,
     .refuse = tcp::refuse,
     .look_on = tcp::look_on,
     .probe = tcp::probe,
     .setting_names = tcp::kSettingNames},
    {.name = "postgres",
     .default_port = 5432,
     .client_speaks_first = true,
     .check = postgres::check,
     .make = postgres::make,
     .refuse = postgres::refuse,
     .look_on = postgres::look_on,
     .probe = postgres::probe,
     .setting_names = postgres::kSettingNames},
    {.name = "http",
     .default_port = 80,
     .client_speaks_first = true,
     .check = http::check,
     .make = http::make,
     .refuse = http::refuse,
     .look_on = http::look_on,
     .probe = http::probe,
     .setting_names = http::kSettingNames,
     .web_hosts = http::web_hosts},
}};

}  // namespace

std::span<const Protocol> registry() { return kProtocols; }

const Protocol* find_protocol(std::string_view name) {
  const auto* found = std::ranges::find(kProtocols, name, &Protocol::name);
  return found == kProtocols.end() ? nullptr : found;
}

}  // namespace portolan::protocols
