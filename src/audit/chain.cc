#include "audit/chain.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/id.h"

namespace portolan::audit {
namespace {

// With their zero bytes: no prefix is the beginning of another.
constexpr std::string_view kBeginPrefix("portolan-audit-begin-v1\0", 24);
constexpr std::string_view kRecordPrefix("portolan-audit-record-v1\0", 25);
constexpr std::string_view kHeadPrefix("portolan-audit-head-v1\0", 23);
constexpr std::uint32_t kHeadVersion = 1;

Bytes signed_bytes(const api::ChainHead& head, std::string_view node, const crypto::Sha256& hash) {
  ByteWriter out;
  out.text(kHeadPrefix);
  out.text16(node);
  out.text16(head.chain);
  out.u64(head.number);
  out.bytes(hash);
  out.u64(static_cast<std::uint64_t>(head.time.time_since_epoch().count()));
  return out.take();
}

}  // namespace

crypto::Sha256 chain_begin_hash(std::string_view chain) {
  return crypto::sha256(as_bytes(std::string(kBeginPrefix) + std::string(chain)));
}

ChainPoint begin_chain() {
  ChainPoint point{.chain = make_id("c")};
  point.hash = chain_begin_hash(point.chain);
  return point;
}

crypto::Sha256 chain_hash(const crypto::Sha256& before, std::uint64_t number, std::string_view record) {
  std::array<std::byte, 8> numbered{};
  for (std::size_t i = 0; i < numbered.size(); ++i) numbered[i] = static_cast<std::byte>(number >> (56 - 8 * i));
  thread_local crypto::Sha256Hasher hasher;
  hasher.add(as_bytes(kRecordPrefix));
  hasher.add(before);
  hasher.add(numbered);
  hasher.add(as_bytes(record));
  return hasher.finish();
}

Result<crypto::Sha256> parse_hash(std::string_view text) {
  crypto::Sha256 out{};
  const auto bytes = text.size() == 2 * out.size() ? from_hex(text) : Result<Bytes>(fail(Code::kInvalid, ""));
  if (!bytes) return fail(Code::kInvalid, "not a SHA-256 in hexadecimal: " + quoted(text));
  std::ranges::copy(*bytes, out.begin());
  return out;
}

api::ChainHead sign_head(const ChainPoint& point, std::string_view node, WallTime time, const crypto::PrivateKey& key) {
  api::ChainHead head{kHeadVersion, point.chain, point.number, hex(point.hash), time, {}};
  head.signature = base64url(key.sign(signed_bytes(head, node, point.hash)));
  return head;
}

Result<> check_head(const api::ChainHead& head, std::string_view node, const crypto::PublicKey& key) {
  if (head.version != kHeadVersion)
    return fail(Code::kInvalid, "head of an audit chain: version " + std::to_string(head.version) + " is not known");
  if (!is_id(head.chain, "c"))
    return fail(Code::kInvalid, "head of an audit chain: not a chain: " + quoted(head.chain));
  PL_TRY(const auto hash, parse_hash(head.hash));
  PL_TRY(const Bytes signature, from_base64url(head.signature));
  if (!key.verify(signed_bytes(head, node, hash), signature))
    return fail(Code::kDenied, "head of an audit chain: the signature is not this node's");
  return {};
}

}  // namespace portolan::audit
