// An organisation of the size that the figures are promised for, straight into the store of a control plane that does
// not run: every resource is granted to one role, every account has five roles, and all have one role for ten
// resources.
#pragma once
#include <filesystem>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace portolan::bench {

struct Size {
  unsigned resources = 10'000;
  unsigned accounts = 1'000;
  unsigned roles = 200;
};

inline constexpr unsigned kCommon = 10;  // resources that everybody may use
// The one that is renamed while watches look on; it is common.
inline constexpr const char* kChanging = "changing";

std::string email_of(unsigned account);
std::string resource_of(unsigned resource);
// All accounts get this password.
Result<> fill(const std::filesystem::path& data, const Secret& password, const Size& size);

}  // namespace portolan::bench
