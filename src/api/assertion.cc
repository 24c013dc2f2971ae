#include "api/assertion.h"

#include <algorithm>
#include <cstdint>

#include "base/id.h"

namespace portolan::api {
namespace {

constexpr std::string_view kPrefix{"portolan-assertion-v1\0", 22};
constexpr std::size_t kTextLimit = 2048;
constexpr std::size_t kBindingSize = 32;
constexpr std::uint64_t kLastTime = 253'402'300'799'999;  // the year 9999: keeps sums of times far from overflow

std::unexpected<Error> bad(std::string_view why) {
  return fail(Code::kInvalid, "access assertion: " + std::string(why), "bad_assertion");
}

Bytes encode(const Assertion& assertion) {
  ByteWriter out;
  out.text(kPrefix);
  out.text16(assertion.account);
  out.text16(assertion.device);
  out.text16(assertion.resource);
  out.text16(assertion.node);
  out.bytes(assertion.binding);
  out.u64(static_cast<std::uint64_t>(assertion.time.time_since_epoch().count()));
  out.u32(static_cast<std::uint32_t>(assertion.life.count()));
  out.bytes(assertion.nonce);
  return out.take();
}

Result<Assertion> decode(ByteView encoding) {
  ByteReader in(encoding);
  if (as_text(in.take(kPrefix.size())) != kPrefix) return bad("another form or version");
  Assertion out;
  out.account = in.text16();
  out.device = in.text16();
  out.resource = in.text16();
  out.node = in.text16();
  const ByteView binding = in.take(kBindingSize);
  out.binding.assign(binding.begin(), binding.end());
  const std::uint64_t time = in.u64();
  const std::uint32_t life = in.u32();
  const ByteView nonce = in.take(out.nonce.size());
  if (!in.at_end()) return bad(in.ok() ? "bytes left over" : "too short");
  std::copy(nonce.begin(), nonce.end(), out.nonce.begin());
  if (time > kLastTime) return bad("time out of range");
  out.time = WallTime(std::chrono::milliseconds(time));
  out.life = std::chrono::milliseconds(life);
  if (out.life > kAssertionLifeLimit) return bad("made for longer than a minute");
  return out;
}

// The two halves of the text, decoded.
struct Parts {
  Bytes encoding;
  Bytes signature;
};

Result<Parts> split(std::string_view text) {
  if (text.size() > kTextLimit) return bad("longer than 2 KiB");
  const auto dot = text.find('.');
  if (dot == std::string_view::npos) return bad("without a signature");
  auto encoding = from_base64url(text.substr(0, dot));
  if (!encoding) return bad("its encoding is not base64url");
  auto signature = from_base64url(text.substr(dot + 1));
  if (!signature || signature->empty()) return bad("its signature is not base64url");
  return Parts{std::move(*encoding), std::move(*signature)};
}

}  // namespace

Assertion make_assertion(std::string account, std::string device, std::string resource, std::string node,
                         ByteView binding, WallTime now) {
  Assertion out{.account = std::move(account),
                .device = std::move(device),
                .resource = std::move(resource),
                .node = std::move(node),
                .binding = Bytes(binding.begin(), binding.end()),
                .time = now,
                .life = kAssertionLifeLimit};
  fill_random(out.nonce);
  return out;
}

std::string sign_assertion(const Assertion& assertion, const crypto::PrivateKey& key) {
  const Bytes encoding = encode(assertion);
  return base64url(encoding) + "." + base64url(key.sign(encoding));
}

Result<Assertion> parse_assertion(std::string_view text) {
  PL_TRY(const Parts parts, split(text));
  return decode(parts.encoding);
}

Result<Assertion> verify_assertion(std::string_view text, const crypto::PublicKey& key) {
  PL_TRY(const Parts parts, split(text));
  PL_TRY(Assertion assertion, decode(parts.encoding));
  if (!key.verify(parts.encoding, parts.signature))
    return fail(Code::kUnauthenticated, "access assertion: not signed by the key of this device", "bad_assertion");
  return assertion;
}

Result<> check_time(const Assertion& assertion, WallTime now) {
  if (assertion.life < std::chrono::milliseconds(0) || assertion.life > kAssertionLifeLimit)
    return fail(Code::kDenied, "access assertion: made for longer than a minute", "bad_assertion");
  if (now < assertion.time - kClockSlack)
    return fail(Code::kDenied,
                "access assertion: its time is " + format_duration(assertion.time - now) +
                    " ahead of this machine's clock; set the clocks of both machines",
                "assertion_time");
  if (now > assertion.time + assertion.life + kClockSlack)
    return fail(Code::kDenied,
                "access assertion: it ended " + format_duration(now - assertion.time - assertion.life) +
                    " ago by this machine's clock; if it is fresh, set the clocks of both machines",
                "assertion_time");
  return {};
}

Result<bool> NonceMemory::remember(const Assertion& assertion) {
  if (seen_.contains({assertion.time, assertion.nonce})) return false;
  if (forgotten_ && assertion.time <= *forgotten_)
    return fail(Code::kDenied, "access assertion: many younger ones were used before it; sign a fresh one",
                "assertion_time");
  seen_.emplace(assertion.time, assertion.nonce);
  if (seen_.size() > limit_) {
    forgotten_ = seen_.begin()->first;
    while (!seen_.empty() && seen_.begin()->first <= *forgotten_) seen_.erase(seen_.begin());
  }
  return true;
}

}  // namespace portolan::api
