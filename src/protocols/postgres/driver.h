// PostgreSQL, protocol 3.0: what the registry needs of it. README.md says what is spoken and what is refused.
#pragma once
#include <array>

#include "protocols/driver.h"

namespace portolan::protocols::postgres {

inline constexpr std::array<std::string_view, 14> kSettingNames = {"application_name",
                                                                   "channel_binding",
                                                                   "client_tls",
                                                                   "database",
                                                                   "databases",
                                                                   "hosts",
                                                                   "identity_variable",
                                                                   "record_parameters",
                                                                   "replication",
                                                                   "target_session_attrs",
                                                                   "tls",
                                                                   "tls_ca",
                                                                   "tls_certificate",
                                                                   "tls_server_name"};

Result<> check(const Settings& settings, std::string_view username);
std::unique_ptr<Driver> make(Session& session);
net::Task<> refuse(std::unique_ptr<net::Stream> client, Error why, std::string trace, std::chrono::milliseconds limit);
std::unique_ptr<Onlooker> look_on(ByteView first);
net::Task<Result<>> probe(Target target, Dial dial, std::chrono::milliseconds limit);

}  // namespace portolan::protocols::postgres
