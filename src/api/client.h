// The typed client of /v1, for agents, nodes and the command line: one call per operation, structs in and out.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/admin.h"
#include "api/agent.h"
#include "api/audit.h"
#include "api/lease.h"
#include "api/node.h"
#include "api/sign_in.h"
#include "base/json.h"
#include "crypto/certificate.h"
#include "net/http/client.h"
#include "net/tcp.h"
#include "net/tls.h"

namespace portolan::api {

inline constexpr std::string_view kControlAlpn = "portolan-control";

// How to reach a control plane, and what to believe of it.
struct ControlAddress {
  net::Endpoint endpoint;
  // Its server CA, pinned at first contact. With `identity`: the internal name by ALPN "portolan-control", mutual;
  // without: the public name, where `system_trust` may stand in for the pin.
  std::vector<crypto::Certificate> trust;
  std::string control_name;  // internal server name
  std::optional<net::TlsIdentity> identity;
  bool system_trust = false;
};

struct ControlLimits {
  std::chrono::milliseconds connect = std::chrono::seconds(10);  // TCP and TLS together
  std::chrono::milliseconds call = std::chrono::seconds(30);     // of a whole call, the wait for its turn among them
  std::chrono::milliseconds silence = std::chrono::seconds(15);  // on a watch: three heartbeats missed
  std::size_t answer_bytes = 8 * 1024 * 1024;
  std::size_t line_bytes = 8 * 1024 * 1024;  // of a watch
};

// Answers come from a control plane that may be newer: members that are not known are skipped, but for security
// structures.
template <class Answer>
inline constexpr json::Unknown kUnknownMembers = json::Unknown::kIgnore;
template <>
inline constexpr json::Unknown kUnknownMembers<Lease> = json::Unknown::kRefuse;

// On one loop. Errors bear Hop::kControlPlane. Whatever keeps an answer from coming, a server that is not believed
// among it, is Code::kUnavailable and names the endpoint; a control plane that refuses our certificate is
// Code::kUnauthenticated.
class ControlClient {
 public:
  static Result<std::unique_ptr<ControlClient>> make(ControlAddress address, Secret bearer_token = Secret(),
                                                     ControlLimits limits = {});
  virtual ~ControlClient() = default;

  // Goes on as somebody with a renewed certificate, or with other authorities to trust: from the next connection on.
  // Calls and watches under way are not disturbed.
  virtual Result<> renew(ControlAddress) { return {}; }

  // The plain call under all others: JSON body in (empty for none), JSON body out. Too many calls (429 with
  // Retry-After, at most 10 s) are waited for, once.
  virtual net::Task<Result<std::string>> call(std::string method, std::string path,
                                              std::map<std::string, std::string> query, std::string body) = 0;
  // The same for one object, if it is still at this revision (If-Match); Code::kConflict, reason "stale", names both
  // revisions else.
  virtual net::Task<Result<std::string>> call_if(std::uint64_t revision, std::string method, std::string path,
                                                 std::string body);
  // The same with lines of JSON in (application/x-ndjson).
  virtual net::Task<Result<std::string>> post_lines(std::string path, std::string lines);
  // A watch, on a connection of its own: lines until it fails, which it always does in the end. Each line goes through
  // `on_line`; an error that this returns ends the watch and is given back. The control plane's end or silence is
  // Code::kUnavailable.
  virtual net::Task<Result<>> watch(std::string path, std::map<std::string, std::string> query,
                                    std::function<Result<>(std::string_view line)> on_line) = 0;

  template <class Answer>
  net::Task<Result<Answer>> get(std::string path, std::map<std::string, std::string> query = {}) {
    auto body = co_await call("GET", std::move(path), std::move(query), "");
    if (!body) co_return std::unexpected(std::move(body).error());
    co_return decode_answer<Answer>(*body);
  }
  template <class Answer, class Body>
  net::Task<Result<Answer>> post(std::string path, Body body) {
    auto answer = co_await call("POST", std::move(path), {}, json::encode(body));
    if (!answer) co_return std::unexpected(std::move(answer).error());
    co_return decode_answer<Answer>(*answer);
  }
  template <class Answer, class Body>
  net::Task<Result<Answer>> patch(std::string path, Body body, std::optional<std::uint64_t> revision = {}) {
    auto answer = co_await change("PATCH", std::move(path), json::encode(body), revision);
    if (!answer) co_return std::unexpected(std::move(answer).error());
    co_return decode_answer<Answer>(*answer);
  }
  net::Task<Result<>> remove(std::string path, std::optional<std::uint64_t> revision = {});

 private:
  net::Task<Result<std::string>> change(std::string method, std::string path, std::string body,
                                        std::optional<std::uint64_t> revision);
  template <class Answer>
  static Result<Answer> decode_answer(std::string_view body) {
    auto answer = json::decode<Answer>(body, kUnknownMembers<Answer>);
    if (!answer)
      return std::unexpected(std::move(answer).error().within("answer of the control plane").at(Hop::kControlPlane));
    return answer;
  }
};

// Connects without any trust, only to read the certificate that the address shows, for the question "is this the right
// one?" (login, first contact): the chain as sent, unverified.
net::Task<Result<std::vector<crypto::Certificate>>> look_at_certificate(net::Endpoint endpoint);

// A connection with the CA still unknown but its SHA-256 given (join tokens, --ca-sha256): fetches /v1/trust, compares
// the fingerprint of the CA it names, and believes no more than that CA until a connection whose own certificate is
// proven against it (chain, profile, life, host name) has said the same and the rest.
net::Task<Result<Trust>> fetch_trust(net::Endpoint endpoint, std::string ca_sha256);

}  // namespace portolan::api
