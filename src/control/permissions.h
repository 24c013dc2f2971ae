// The one table of who may call what. A route that is not in it cannot be added; the handlers behind it check nothing
// of the kind again, but what of its own a caller may see.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "control/caller.h"

namespace portolan::control {

enum class Who {
  kAnyone,    // who it is is not even looked at
  kAccount,   // an account, by whatever means
  kSignedIn,  // an account by a sign-in: its token or certificate; no API token
  kAdmin,     // an account that is an admin
  kNode,      // a node's certificate
};

struct Permission {
  std::string_view route;  // "METHOD /path/{argument}"
  Who who;
};

// What an API token with permissions of its own needs to call the route: "resources:read" for a GET, "resources:write"
// for all else, by the first word of the path. Empty: nothing.
std::string needed_permission(std::string_view route);
// All that a token may be given, in order; "all" is not among them.
std::vector<std::string> grantable_permissions();

std::span<const Permission> permissions();
const Permission* find_permission(std::string_view route);
// Code::kUnauthenticated for nobody, else kDenied; "missing_permission" for a token that lacks it.
Result<> may_call(const Permission& permission, const Caller& caller);

}  // namespace portolan::control
