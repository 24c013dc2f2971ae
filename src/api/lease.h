// Leases, and the sessions that live on them. Leases are decoded strictly: what a node does not understand it does not
// serve.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe.hpp>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"

namespace portolan::api {

// ---- leases: POST /v1/leases (node certificate). Decoded strictly. ----
struct LeaseRequest {
  std::string assertion;  // as the client sent it
  std::string request;    // made up by the node; the same request again gets the same answer
};
BOOST_DESCRIBE_STRUCT(LeaseRequest, (), (assertion, request))

struct Lease {
  std::uint32_t version = 1;
  std::vector<std::string> must_understand;  // features without which the node must refuse it
  std::string id;                            // l-…
  std::string account;
  std::string email;
  std::string device;
  std::string resource;
  std::string node;
  std::string name;  // of the resource
  std::string type;
  std::string host;
  std::uint16_t port = 0;
  std::map<std::string, std::string> settings;
  std::string username;
  Secret password;
  std::optional<Secret> tls_key = {};         // PEM, of the certificate in the settings
  std::optional<Secret> identity_token = {};  // a JWT that tells the resource who its user is, where it asks for one
  std::uint64_t life_ms = 0;                  // from its arrival, on the boot clock
};
BOOST_DESCRIBE_STRUCT(Lease, (),
                      (version, must_understand, id, account, email, device, resource, node, name, type, host, port,
                       settings, username, password, tls_key, identity_token, life_ms))

// The reason of a lease that is refused, by either side, since the node does not understand what it takes: another node
// may.
inline constexpr std::string_view kLeaseNotUnderstood = "lease_not_understood";
// Error::reason of whatever a node ends or refuses because it was told to stop.
inline constexpr std::string_view kNodeStopping = "node_stopping";

// What no decoder can know: that this build understands the lease's version and, of the features that it demands, all.
Result<> check_lease(const Lease& lease, const std::vector<std::string>& understood);

// POST /v1/node/sessions: what lives here, on connect and every 60 s; the answer says what must end.
struct LiveSession {
  std::string session;
  std::string lease;
  std::string account;
  std::string resource;
};
BOOST_DESCRIBE_STRUCT(LiveSession, (), (session, lease, account, resource))
struct LiveSessions {
  std::vector<LiveSession> sessions;
};
BOOST_DESCRIBE_STRUCT(LiveSessions, (), (sessions))
struct EndedSession {
  std::string session;
  std::string reason;
  std::optional<std::string> code = {};  // stable
};
BOOST_DESCRIBE_STRUCT(EndedSession, (), (session, reason, code))
struct LiveSessionsAnswer {
  std::vector<EndedSession> end;
};
BOOST_DESCRIBE_STRUCT(LiveSessionsAnswer, (), (end))

}  // namespace portolan::api
