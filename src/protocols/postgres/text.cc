#include "protocols/postgres/text.h"

#include <algorithm>

namespace portolan::protocols::postgres {
namespace {

// The length of the well-formed UTF-8 sequence at the front of `text` (Unicode standard, table 3-7), 0 if there is
// none.
std::size_t sequence_length(std::string_view text) {
  const auto byte = [text](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto continues = [&byte](std::size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return continues(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const bool wrong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f);
    return !wrong && continues(1) && continues(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const bool wrong = (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f);
    return !wrong && continues(1) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

Text Text::shortened(std::size_t limit) const {
  if (kept.size() <= limit) return *this;
  return {kept.substr(0, limit), length, sha256 ? sha256 : hex(crypto::sha256(as_bytes(kept)))};
}

void TextCollector::add(ByteView part) {
  length_ += part.size();
  if (!hasher_) {
    const std::size_t n = std::min(part.size(), limit_ - kept_.size());
    kept_ += as_text(part.first(n));
    part = part.subspan(n);
    if (part.empty()) return;
    hasher_.emplace().add(as_bytes(kept_));
  }
  hasher_->add(part);
}

Text TextCollector::finish() {
  Text out{std::move(kept_), length_};
  if (hasher_) out.sha256 = hex(hasher_->finish());
  *this = TextCollector(limit_);
  return out;
}

std::string to_utf8(std::string_view text, std::size_t limit) {
  std::string out;
  out.reserve(std::min(text.size(), limit));
  while (!text.empty()) {
    const std::size_t n = sequence_length(text);
    const std::string_view next = n > 0 ? text.substr(0, n) : "\xef\xbf\xbd";
    if (out.size() + next.size() > limit) break;
    out += next;
    text.remove_prefix(std::max<std::size_t>(n, 1));
  }
  return out;
}

}  // namespace portolan::protocols::postgres
