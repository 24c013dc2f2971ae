// Any protocol over TCP, carried as it is: no queries on record, only that there was a session, how long, and how many
// bytes.
#pragma once
#include <array>

#include "protocols/driver.h"

namespace portolan::protocols::tcp {

inline constexpr std::array<std::string_view, 0> kSettingNames = {};

Result<> check(const Settings& settings, std::string_view username);
std::unique_ptr<Driver> make(Session& session);
// Nothing can be said in an unknown protocol: the stream is closed.
net::Task<> refuse(std::unique_ptr<net::Stream> client, Error why, std::string trace, std::chrono::milliseconds limit);
// None.
std::unique_ptr<Onlooker> look_on(ByteView first);
// There is nothing to sign in to: that somebody accepts the connection is all that can be known.
net::Task<Result<>> probe(Target target, Dial dial, std::chrono::milliseconds limit);

}  // namespace portolan::protocols::tcp
