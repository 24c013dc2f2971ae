// What a control plane is started with.
#pragma once
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "control/check_rules.h"
#include "net/http/sites.h"
#include "net/tcp.h"

namespace portolan::control {

// Where the key comes from that seals secrets in the database.
struct SealingFile {
  std::filesystem::path path;  // mode 0600; made at the first start if it is missing
};
struct SealingPassphrase {
  Secret passphrase;
};
struct SealingText {
  Secret key;  // base64url, as crypto::SealingKey::text() gives it; from the environment
};
using SealingSource = std::variant<SealingFile, SealingPassphrase, SealingText>;

// A key file inside the data folder is a toy that `portolan dev` alone may allow: who copies the folder has both.
enum class KeyBesideData { kRefuse, kAllow };

// A token bucket: so many at once, and so many a second in the long run.
struct Rate {
  double burst = 0;
  double per_second = 0;
};

// Of requests, by caller. No honest use meets them.
struct RateOptions {
  Rate caller = {1000, 50};      // an account on the public name
  Rate address = {200, 20};      // whoever has proven nothing
  Rate sign_in = {100, 1};       // attempts from one address, which may be a whole office's
  Rate agent = {5000, 200};      // an account on the internal name, by its agents
  Rate node = {50'000, 5000};    // every session that begins asks for a lease
  std::size_t callers = 50'000;  // of each class that are remembered; some 10 MB
};

struct ServerOptions {
  std::filesystem::path data;  // made with mode 0700 if it is missing
  net::Endpoint listen{"", 443};
  // Names and addresses of the public certificate when it comes from our own server CA. Empty: localhost, 127.0.0.1,
  // ::1 and the host of `listen`.
  std::vector<std::string> public_names = {};
  // "https://portolan.example": what applications know the control plane by that are told who their user is. Empty: by
  // the first public name and the port.
  std::string public_url = {};
  // The operator's certificate chain and key for the public name, PEM; both or none. Read again every hour.
  std::optional<std::filesystem::path> certificate_file = {};
  std::optional<std::filesystem::path> key_file = {};
  // Other services on the same port, by the public host names that they list. They outlive the server.
  std::vector<net::http::Site> beside = {};
  // Where the server CA is written as PEM when it changes.
  std::optional<std::filesystem::path> ca_out = {};
  SealingSource sealing = SealingFile{};
  KeyBesideData key_beside_data = KeyBesideData::kRefuse;
  // Goes into identities, fixed by the first start. Empty: what the data folder says, "portolan" for a new one.
  std::string organization = {};

  std::chrono::milliseconds sign_in_life = std::chrono::hours(12);
  std::chrono::milliseconds lease_life = std::chrono::minutes(5);
  // Of certificates, which renew themselves at two thirds of it. A person's ends with the sign-in at the latest, and
  // lasts as long where the agent, or a node that is up, is of a release that does not renew.
  std::chrono::milliseconds certificate_life = std::chrono::hours(1);
  std::chrono::milliseconds node_life = std::chrono::days(30);
  std::chrono::milliseconds server_life = std::chrono::days(90);  // of the control plane's own
  std::chrono::milliseconds heartbeat = std::chrono::seconds(5);
  CheckRules checks = {};
  std::chrono::milliseconds lock_time = std::chrono::minutes(5);  // of an account after `lock_failures` wrong passwords
  unsigned lock_failures = 5;

  std::chrono::milliseconds handshake_limit = std::chrono::seconds(10);
  RateOptions rates = {};
  std::size_t handshakes = 512;  // open ones; beyond it the oldest one that has said nothing yet goes
  std::size_t handshakes_per_address = 256;
  std::size_t connections = 10'000;
  std::size_t password_queue = 64;  // sign-ins that wait for a thread; one more is told to come again

  const Clock& clock = Clock::real();
};

}  // namespace portolan::control
