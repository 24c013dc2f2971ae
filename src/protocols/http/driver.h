// Web applications: what the registry needs of them. README.md says what is spoken and what is refused.
#pragma once
#include "protocols/driver.h"
#include "protocols/http/settings.h"

namespace portolan::protocols::http {

// check() and kSettingNames are in settings.h.
std::unique_ptr<Driver> make(Session& session);
net::Task<> refuse(std::unique_ptr<net::Stream> client, Error why, std::string trace, std::chrono::milliseconds limit);
std::unique_ptr<Onlooker> look_on(ByteView first);
Result<std::vector<WebHost>> web_hosts(const Settings& settings, const std::vector<net::Endpoint>& hosts);
net::Task<Result<>> probe(Target target, Dial dial, std::chrono::milliseconds limit);

}  // namespace portolan::protocols::http
