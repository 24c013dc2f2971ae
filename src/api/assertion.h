// Access assertion (architecture §10.4, docs/wire.md "Access assertion"): what a client signs for every stream it opens
// towards a resource, so that no node can ask for a lease for anyone who is not knocking on it.
//
// Fixed encoding, signed as a whole: "portolan-assertion-v1\0", then account, device, resource, node (each u16 length +
// text), binding (32 bytes: exporter of the link's TLS connection), time (u64, ms since 1970), life (u32, ms, at most
// 60,000), nonce (16 bytes). On the wire: base64url(encoding) "." base64url(DER signature, ECDSA P-256 SHA-256, by the
// key of the user's certificate).
#pragma once
#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "crypto/key.h"

namespace portolan::api {

inline constexpr std::chrono::milliseconds kAssertionLifeLimit = std::chrono::seconds(60);
inline constexpr std::chrono::milliseconds kClockSlack = std::chrono::minutes(5);

struct Assertion {
  std::string account;
  std::string device;
  std::string resource;
  std::string node;
  Bytes binding;  // 32 bytes
  WallTime time{};
  std::chrono::milliseconds life{0};
  std::array<std::byte, 16> nonce{};
  bool operator==(const Assertion&) const = default;
};

// A fresh nonce; life kAssertionLifeLimit.
Assertion make_assertion(std::string account, std::string device, std::string resource, std::string node,
                         ByteView binding, WallTime now);
std::string sign_assertion(const Assertion& assertion, const crypto::PrivateKey& key);
// Form only: at most 2 KiB, exactly this encoding. Proves nothing.
Result<Assertion> parse_assertion(std::string_view text);
// Parses, then checks the signature. The caller compares account, device, resource, node and binding with what it
// knows.
Result<Assertion> verify_assertion(std::string_view text, const crypto::PublicKey& key);
// Code::kDenied unless now is within [time - slack, time + life + slack], and life within the limit.
Result<> check_time(const Assertion& assertion, WallTime now);

// Which assertions were used on one link (an assertion is good on no other). Bounded, and never in the way of fresh
// ones: when it is full it forgets the oldest, and from then on takes none that is as old as that. One thread.
class NonceMemory {
 public:
  NonceMemory() = default;
  explicit NonceMemory(std::size_t limit) : limit_(limit) {}
  // False if it was seen. Code::kDenied if it is so much older than others on this link that nobody knows any more.
  Result<bool> remember(const Assertion& assertion);

 private:
  std::size_t limit_ = 20'000;
  std::set<std::pair<WallTime, std::array<std::byte, 16>>> seen_;  // by the time that the assertion says
  std::optional<WallTime> forgotten_;                              // all up to this time
};

}  // namespace portolan::api
