// What holds of a resource whoever writes it: the routes of single ones, and apply.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "crypto/sealing.h"
#include "directory/decision.h"
#include "protocols/driver.h"

namespace portolan::control {

// Tags, of a resource or a node, are what lists and egress filters go by: "env=prod".
Result<> check_tags(const std::map<std::string, std::string>& tags);
Result<const protocols::Protocol*> protocol_of(const std::string& type);
// Tags are what lists are filtered by: "env=prod".
Result<> check_tags(const std::map<std::string, std::string>& tags);
// All that can be said of a resource without the rest of the directory.
Result<> check_resource(const directory::Resource& resource);
Result<> check_resource_password(const std::optional<Secret>& password);
// Whether a resource that is to have this host, port and settings is reached at a place where it was not before.
bool is_elsewhere(const directory::Resource& before, const std::string& host, std::uint16_t port,
                  const std::map<std::string, std::string>& settings);
std::unexpected<Error> refuse_kept_password(const directory::Resource& before);
// The password that is kept was given for the hosts and ports that there are: it goes to another one only if somebody
// says so. Request: anything with host, port, settings, password and keep_password.
template <class Request>
Result<> check_kept_password(const directory::Resource& before, const Request& request) {
  if (before.sealed_password.empty() || request.password || request.keep_password.value_or(false)) return {};
  const bool moves = is_elsewhere(before, request.host.value_or(before.host), request.port.value_or(before.port),
                                  request.settings ? *request.settings : before.settings);
  return moves ? refuse_kept_password(before) : Result<>();
}
// A local port as it is asked for: 0 is none.
Result<> check_local_port(std::optional<std::uint16_t> port);
// What its local port is chosen by.
std::uint16_t usual_local_port(const protocols::Protocol& protocol, const directory::Resource& resource);
// Ids of the nodes and clusters that `keys` name by id or name, each once. `more`: clusters that are being made, by
// name.
Result<std::vector<std::string>> egress_ids(const directory::Snapshot& snapshot, const std::vector<std::string>& keys,
                                            const std::map<std::string, std::string>& more = {});

// Empty for an empty password.
std::string seal_password(const crypto::SealingKey& key, const std::string& resource, const Secret& password);
// Sealed, or as it is when it is the same password: to write the same again changes nothing.
std::string reseal_password(const crypto::SealingKey& key, const directory::Resource& resource, const Secret& password);
// When all else of the resource is as it is to be: seals the key of the certificate in its settings, if one is given,
// and keeps the one that it has if not; without a certificate none is kept. Code::kInvalid, with the remedy: a key
// without its certificate or the other way round, one that cannot be read or is encrypted, or that is not the
// certificate's.
Result<> set_tls_key(const crypto::SealingKey& sealing, directory::Resource& resource,
                     const std::optional<Secret>& given);
// What will not do for long, in words: a certificate that has ended or soon will.
std::vector<std::string> resource_warnings(const directory::Resource& resource, WallTime now);

}  // namespace portolan::control
