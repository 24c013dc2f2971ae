// API tokens: /v1/tokens. The token itself is shown once, when it is made.
#pragma once
#include <optional>
#include <string>

#include <boost/describe.hpp>

#include "base/bytes.h"
#include "base/clock.h"

namespace portolan::api {

struct ApiTokenCreate {
  std::string name;                 // for people
  std::optional<std::string> life;  // a duration; absent: until it is removed
};
BOOST_DESCRIBE_STRUCT(ApiTokenCreate, (), (name, life))

struct ApiTokenMade {
  std::string id;
  std::string account;
  std::string name;
  Secret token;
  std::optional<WallTime> ends;
};
BOOST_DESCRIBE_STRUCT(ApiTokenMade, (), (id, account, name, token, ends))

struct ApiTokenView {
  std::string id;
  std::string account;
  std::string name;
  WallTime created{};
  std::optional<WallTime> ends;
};
BOOST_DESCRIBE_STRUCT(ApiTokenView, (), (id, account, name, created, ends))

}  // namespace portolan::api
