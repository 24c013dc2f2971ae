// Words about a resource's health: what can be done about it.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace portolan::control {

// What an admin can do when checks of the resource fail with this code; none if there is nothing general to say.
std::optional<std::string> remedy(std::string_view code, std::string_view resource);

}  // namespace portolan::control
