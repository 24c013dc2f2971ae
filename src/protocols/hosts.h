// The hosts of one resource: its own, and those that its setting "hosts" names beside it, for protocols whose clients
// choose among several servers. A driver may dial these and no others.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/tcp.h"

namespace portolan::protocols {

inline constexpr std::size_t kHostsLimit = 8;

// The resource's own first, then the setting's in its order, written "db2:5432, [::1]:5433"; without a port, the
// resource's. Code::kInvalid for what is malformed or there twice.
Result<std::vector<net::Endpoint>> hosts_of(const std::string& host, std::uint16_t port,
                                            const std::map<std::string, std::string>& settings);

}  // namespace portolan::protocols
