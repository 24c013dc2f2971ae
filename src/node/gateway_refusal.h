// What a gateway says when it refuses something. Internal to gateway*.cc and transits.cc.
#pragma once
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace portolan::node {

inline Error refusal(Code code, std::string message, std::string_view reason) {
  return {code, std::move(message), std::string(reason), Hop::kGateway};
}

}  // namespace portolan::node
