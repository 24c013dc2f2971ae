// The driver: the narrow waist between Portolan and a resource protocol (docs/adding-a-protocol.md). A new protocol is
// one new folder and one line in registry.cc. A driver does no policy, no routing, no storage.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "audit/records.h"
#include "base/result.h"
#include "net/stream.h"
#include "protocols/session.h"

namespace portolan::protocols {

// Speaks one resource protocol for one session. Lives on that session's thread; destroyed after serve() has returned.
class Driver {
 public:
  virtual ~Driver() = default;
  // Speaks the client's protocol, logs in to the resource with the lease's credential, then carries traffic until
  // either side ends or session.stop() fires, and tells the client in its own protocol why it ended if it did not end
  // it itself. Owns the stream. The result is why the session ended: no error for an ordinary end. Misbehaviour of a
  // peer is an Error.
  virtual net::Task<Result<>> serve(std::unique_ptr<net::Stream> client) = 0;
};

// Beside a session whose bytes the agent only copies, so that it can put the last word in: when the way to the egress
// has broken, nobody else can tell the client why. One session; on its thread.
class Onlooker {
 public:
  virtual ~Onlooker() = default;
  // What the client has been given by the other side, every byte once and in order, in pieces cut anywhere.
  virtual void passed(ByteView bytes) = 0;
  // Tells the client in its own protocol why its session ends, if a message can follow what has been passed; else
  // nothing. Takes at most `limit`, and does not close the stream.
  virtual net::Task<> say_why(net::Stream& client, Error why, std::string trace, std::chrono::milliseconds limit) = 0;
};

using Settings = std::map<std::string, std::string>;

// What a probe signs in to: the resource as a lease would tell it.
struct Target {
  std::string name;                  // the resource's
  std::vector<net::Endpoint> hosts;  // hosts_of(): at least the resource's own
  Settings settings;
  std::string username;
  Secret password;
  Secret tls_key;  // PEM, of the certificate in the settings; empty: none
};
// Connects to one of the target's hosts, plain TCP.
using Dial = std::function<net::Task<Result<std::unique_ptr<net::Stream>>>(std::size_t host)>;

// One host of a web application.
struct WebHost {
  std::string label;   // empty: the main one, NAME.localhost; else LABEL.NAME.localhost
  std::string origin;  // its own, as in its URLs: "https://wiki.corp.example"
};

// One row of the registry.
struct Protocol {
  std::string_view name;       // "postgres"
  std::uint16_t default_port;  // 0: the resource must name one
  bool client_speaks_first;    // the agent opens nothing until the client has sent a byte
  // Whether settings (and user name) make sense for this protocol; used by the API when a resource is saved.
  Result<> (*check)(const Settings& settings, std::string_view username);
  std::unique_ptr<Driver> (*make)(Session& session);
  // Turns a client away in its own protocol, before or without a session: reads what it must, within `limit`, says why
  // and the trace id, and closes. Used by the egress node for refusals and by the agent when there is no way to an
  // egress.
  net::Task<> (*refuse)(std::unique_ptr<net::Stream> client, Error why, std::string trace,
                        std::chrono::milliseconds limit);
  // For the agent, with the first bytes that the client has sent. None: clients of this protocol can be told nothing
  // once their session runs.
  std::unique_ptr<Onlooker> (*look_on)(ByteView first);
  // Whether the resource can be used: dials, signs in as serve() would, asks for one cheap round trip and leaves in
  // good order. No session, and nothing on record. The caller sets the deadline over all of it; `limit` is that of each
  // handshake. Errors bear Hop::kResource, and a reason from this vocabulary where it fits: connection_refused,
  // bad_credential, no_database, too_many_connections, starting, tls_missing, tls_name, tls_expired, tls_untrusted.
  // Their text may quote the server, which is hostile: the caller cuts and cleans it.
  net::Task<Result<>> (*probe)(Target target, Dial dial, std::chrono::milliseconds limit);
  // The settings' names, for errors that name the known ones.
  std::span<const std::string_view> setting_names;
  // The hosts of a resource that people open in a browser, the main one first; `hosts` is hosts_of(). None: it is no
  // web protocol.
  Result<std::vector<WebHost>> (*web_hosts)(const Settings& settings,
                                            const std::vector<net::Endpoint>& hosts) = nullptr;
};

// The table, in registry.cc; tested by walking it.
std::span<const Protocol> registry();
const Protocol* find_protocol(std::string_view name);

// Settings that resources of every protocol have; drivers do not see them.
//   audit   "strict", "durable" or "best-effort": what is demanded of its records (audit/records.h)
std::span<const std::string_view> common_setting_names();
// The names a resource of this protocol may have settings of: the common ones first.
std::vector<std::string_view> all_setting_names(const Protocol& protocol);
// Whether the settings make sense, the common ones and the protocol's own.
Result<> check_settings(const Protocol& protocol, const Settings& settings, std::string_view username);
// Durable if the settings say nothing; Code::kInvalid for a word that is not known.
Result<audit::Mode> audit_mode(const Settings& settings);
// The settings without the common ones.
Settings own_settings(Settings settings);

}  // namespace portolan::protocols
