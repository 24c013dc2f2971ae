// Texts from a peer, for the record: kept up to a limit, with the SHA-256 and length of all of it when there was more.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "crypto/hash.h"

namespace portolan::protocols::postgres {

struct Text {
  std::string kept;
  std::uint64_t length = 0;                // of all of it
  std::optional<std::string> sha256 = {};  // hex, of all of it; only where `kept` is not all
  // The same with less kept.
  Text shortened(std::size_t limit) const;
};

// Gathers a text that comes in pieces; never holds more than its limit.
class TextCollector {
 public:
  explicit TextCollector(std::size_t limit) : limit_(limit) {}
  void add(ByteView part);
  // What was gathered; the collector is empty afterwards.
  Text finish();

 private:
  std::size_t limit_;
  std::string kept_;
  std::uint64_t length_ = 0;
  std::optional<crypto::Sha256Hasher> hasher_;  // once there is more than the limit
};

// The text as UTF-8, at most `limit` bytes: what is not UTF-8 (a client may use another encoding) becomes U+FFFD, byte
// by byte.
std::string to_utf8(std::string_view text, std::size_t limit);

}  // namespace portolan::protocols::postgres
