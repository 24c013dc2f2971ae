// What `show` says of one account, role or resource: all of it, and what hangs on it.
#pragma once
#include "api/admin.h"
#include "cli/output.h"

namespace portolan::cli {

// "active", or why it may not sign in: "suspended, locked until 14:05:00 for wrong passwords".
std::string account_state(const api::AccountView& account);

Result<> print_account(const Output& out, const api::AccountView& account);
Result<> print_role(const Output& out, const api::RoleView& role);
Result<> print_resource(const Output& out, const api::ResourceView& resource);

}  // namespace portolan::cli
