#include "audit/spool_sealed.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <boost/describe.hpp>

#include "base/id.h"
#include "base/json.h"

namespace portolan::audit {
namespace {

constexpr std::uint32_t kForm = 3;
constexpr std::size_t kNonceSize = 8;  // as it is written
constexpr std::size_t kLongestRun = 254;

// Of the first line.
struct Head {
  std::uint32_t form = 0;
  std::string key;
};
BOOST_DESCRIBE_STRUCT(Head, (), (form, key))

using Number = std::array<std::byte, 8>;

Number big_endian(std::uint64_t value) {
  Number out{};
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::byte>(value >> (56 - 8 * i));
  return out;
}

// A sealed key cannot be moved to another segment.
std::string context_of(std::uint64_t segment) { return fmt::format("audit-spool/{}", segment); }

void put_run(std::string_view run, std::string& out) {
  const char length = static_cast<char>(run.size() + 1);
  out += length == '\n' ? '\0' : length;
  out += run;
}

}  // namespace

void stuff(std::string_view bytes, std::string& out) {
  for (;;) {
    const std::string_view run = bytes.substr(0, std::min(bytes.find('\n'), kLongestRun));
    put_run(run, out);
    bytes.remove_prefix(run.size());
    if (bytes.empty()) return;
    if (run.size() < kLongestRun) bytes.remove_prefix(1);  // the newline
  }
}

bool unstuff(std::string_view stuffed, std::string& out) {
  out.clear();
  while (!stuffed.empty()) {
    const auto first = static_cast<unsigned char>(stuffed.front());
    const std::size_t run = first == 0 ? std::size_t{'\n'} - 1 : first - std::size_t{1};
    if (stuffed.size() < 1 + run) return false;
    out += stuffed.substr(1, run);
    stuffed.remove_prefix(1 + run);
    if (stuffed.empty()) return true;
    if (run < kLongestRun) out += '\n';
  }
  return false;
}

SegmentHead make_head(const crypto::SealingKey& spool, std::uint64_t segment) {
  std::string random(crypto::Aead::kKeySize, '\0');
  fill_random(std::as_writable_bytes(std::span(random)));
  SegmentHead out{Secret(std::move(random)), {}};
  out.line = line_with_crc(json::encode(Head{kForm, spool.seal(out.key, context_of(segment))}));
  return out;
}

Result<Secret> open_head(std::string_view line, const crypto::SealingKey& spool, std::uint64_t segment) {
  PL_TRY(const std::string_view text, behind_crc(line));
  PL_TRY(const Head head, json::decode<Head>(text, json::Unknown::kIgnore));
  if (head.form != kForm)
    return fail(Code::kDenied, fmt::format("its form {} is not known: a newer release wrote it", head.form));
  PL_TRY(Secret key, spool.open(head.key, context_of(segment)));
  if (key.reveal().size() != crypto::Aead::kKeySize) return fail(Code::kInvalid, "its key has another size");
  return key;
}

std::string_view LineSealer::seal(std::uint64_t offset, std::string_view handed) {
  const std::uint64_t nonce = next_++;
  sealed_.resize(kNonceSize + handed.size() + crypto::Aead::kTagSize);
  const auto sealed = std::as_writable_bytes(std::span(sealed_));
  std::ranges::copy(big_endian(nonce), sealed.begin());
  cipher_.seal(nonce, big_endian(offset), as_bytes(handed), sealed.subspan(kNonceSize));
  line_.clear();
  stuff(sealed_, line_);
  line_ += '\n';
  return line_;
}

std::size_t LineSealer::most(std::size_t handed) {
  const std::size_t sealed = kNonceSize + handed + crypto::Aead::kTagSize;
  return sealed + sealed / kLongestRun + 2;  // the last run and the newline
}

bool LineOpener::open(std::uint64_t offset, std::string_view line, std::string& handed) {
  if (line.size() >= kFileLineLimit || !unstuff(line, sealed_) || sealed_.size() < kNonceSize + crypto::Aead::kTagSize)
    return false;
  const ByteView sealed = as_bytes(sealed_);
  ByteReader reader(sealed);
  const std::uint64_t nonce = reader.u64();
  const std::size_t before = handed.size();
  handed.resize(before + sealed.size() - kNonceSize - crypto::Aead::kTagSize);
  if (cipher_.open(nonce, big_endian(offset), reader.rest(), std::as_writable_bytes(std::span(handed)).subspan(before)))
    return true;
  handed.resize(before);
  return false;
}

Result<Unsealed> unseal_segment(std::string_view content, const crypto::SealingKey& spool, std::uint64_t segment) {
  std::string_view rest = content;
  const auto head = take_line(rest);
  if (!head) return fail(Code::kInvalid, "its first line has no end");
  PL_TRY(const Secret key, open_head(*head, spool, segment));
  LineOpener opener(key);
  Unsealed out;
  while (!rest.empty()) {
    const std::uint64_t offset = content.size() - rest.size();
    const auto line = take_line(rest);
    if (line && opener.open(offset, *line, out.lines)) {
      out.lines += '\n';
    } else {
      out.broken.push_back(offset);
    }
    if (!line) break;
  }
  return out;
}

Scan scan_sealed(std::string_view bytes, std::uint64_t offset, std::size_t limit, LineOpener& opener) {
  Scan out;
  out.lines.reserve(std::min(bytes.size(), kLineLimit));
  std::size_t last = 0;  // where the last line begins
  while (out.count < limit) {
    const auto line = take_line(bytes);
    if (!line || (out.count > 0 && out.lines.size() + line->size() > kLineLimit)) break;
    const std::size_t begin = out.lines.size();
    if (!opener.open(offset + out.used, *line, out.lines)) {
      out.broken = true;
      break;
    }
    last = begin;
    out.lines += '\n';
    out.used += line->size() + 1;
    ++out.count;
  }
  if (out.count == 0) return out;
  // What opens is as this node wrote it, and all of a segment is of one chain.
  auto parsed = parse_handed(std::string_view(out.lines).substr(last, out.lines.size() - last - 1));
  if (!parsed) {
    out = {};
    out.broken = true;
    return out;
  }
  out.last = std::move(parsed->point);
  return out;
}

}  // namespace portolan::audit
