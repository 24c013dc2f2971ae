// Whether this machine and the control plane agree on what time it is. A certificate is good from one moment to
// another, so one of two whose clocks are far apart takes it for one that has ended, or has not begun; to people that
// must not look as if their sign-in had ended (architecture §10.12).
#pragma once
#include <optional>
#include <string>

#include "api/client.h"
#include "base/clock.h"

namespace portolan::client {

// In words for people. Nothing: the clocks are no further apart than is allowed (api::kClockSlack). `refused`: a
// certificate that the control plane has issued, and does not take.
std::optional<std::string> clocks_apart(WallTime here, WallTime there, const crypto::Certificate& refused);

// The same, once the control plane has been asked for its time, by its public name and as nobody. Nothing also if it
// does not say: it may be away, or of an earlier release.
net::Task<std::optional<std::string>> ask_for_clocks(api::ControlAddress address, crypto::Certificate refused);

}  // namespace portolan::client
