// How long paths wait for others. Internal to paths*.cc.
#pragma once
#include <chrono>

namespace portolan::client {

inline constexpr std::chrono::milliseconds kGatewayWait = std::chrono::seconds(5);
inline constexpr std::chrono::milliseconds kAnswerLimit = std::chrono::seconds(10);
inline constexpr std::chrono::milliseconds kRenewalRetry = std::chrono::seconds(10);
inline constexpr std::chrono::milliseconds kLook = std::chrono::seconds(1);
// Of reconnecting: before the first attempt, and before later ones at most.
inline constexpr std::chrono::milliseconds kFirstRest = std::chrono::milliseconds(40);
inline constexpr std::chrono::milliseconds kLongestRest = std::chrono::seconds(2);
// When no gateway has a way to the egress node: for one of them to have it back.
inline constexpr std::chrono::milliseconds kRelayWait = std::chrono::seconds(1);

}  // namespace portolan::client
