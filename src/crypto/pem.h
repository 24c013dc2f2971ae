// PEM (RFC 7468): labelled blocks of base64 in a text, read one after the other and written.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/openssl.h"

namespace portolan::crypto {

struct PemBlock {
  std::string label;  // "CERTIFICATE", "PRIVATE KEY", …
  Secret der;
};

// Text between blocks is skipped. Texts of more than kTextLimit bytes, broken blocks and encrypted ones are refused.
class PemReader {
 public:
  static constexpr std::size_t kTextLimit = 2 * 1024 * 1024;
  // `text` outlives the reader.
  explicit PemReader(std::string_view text);
  // The next block; none at the end of the text.
  Result<std::optional<PemBlock>> next();

 private:
  bool too_long_;
  OwnedBio bio_;
};

}  // namespace portolan::crypto
