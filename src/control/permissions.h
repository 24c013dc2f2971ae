// The one table of who may call what. A route that is not in it cannot be added; the handlers behind it check nothing
// of the kind again, but what of its own a caller may see.
#pragma once
#include <span>
#include <string_view>

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

std::span<const Permission> permissions();
const Permission* find_permission(std::string_view route);
// Code::kUnauthenticated for nobody, else kDenied.
Result<> may_call(Who who, const Caller& caller);

}  // namespace portolan::control
