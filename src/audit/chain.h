// The chain: each record of a node bears a hash of itself and of all before it, and the node signs, every few seconds,
// how far it has come (docs/wire.md, "The audit chain"). Who holds a signed head can tell whether any record up to it
// was altered, removed, added or moved since.
//
// Pure. Shared by the node, which makes chains, and whoever verifies them (verify.h).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "api/audit.h"
#include "base/result.h"
#include "crypto/hash.h"
#include "crypto/key.h"

namespace portolan::audit {

// How far a chain has come: its last record. Number 0: it has none yet.
struct ChainPoint {
  std::string chain;  // c-…
  std::uint64_t number = 0;
  crypto::Sha256 hash{};
};

// A new chain without records. Its first hash depends on its random name.
ChainPoint begin_chain();
// The same of a chain whose name is known.
crypto::Sha256 chain_begin_hash(std::string_view chain);
// The hash of record `number`, whose JSON text is `record`, behind one of hash `before`.
crypto::Sha256 chain_hash(const crypto::Sha256& before, std::uint64_t number, std::string_view record);

// 64 hexadecimal digits; Code::kInvalid for anything else.
Result<crypto::Sha256> parse_hash(std::string_view text);

api::ChainHead sign_head(const ChainPoint& point, std::string_view node, WallTime time, const crypto::PrivateKey& key);
// Whether the node of this key has signed it. Code::kInvalid for a version or a form that is not known, kDenied for a
// signature that does not fit.
Result<> check_head(const api::ChainHead& head, std::string_view node, const crypto::PublicKey& key);

}  // namespace portolan::audit
