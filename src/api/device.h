// /v1/devices.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include <boost/describe.hpp>

#include "base/clock.h"

namespace portolan::api {

// A person's installation of the client: it appears when they sign in. Removing it ends its sign-ins and sessions.
struct DeviceView {
  std::string id;
  std::string account;
  std::string email;
  std::string name;
  WallTime created{};
  bool signed_in = false;
  std::optional<WallTime> sign_in_ends = {};
  std::uint64_t revision = 0;
};
BOOST_DESCRIBE_STRUCT(DeviceView, (), (id, account, email, name, created, signed_in, sign_in_ends, revision))

}  // namespace portolan::api
