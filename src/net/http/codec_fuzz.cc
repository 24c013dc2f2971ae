// The parser alone, with both kinds of message: whatever the bytes, it must end in a message or an error, and it must
// not matter how they are cut. (Beast asserts here and there what a stranger's bytes decide; the codec must never let
// it come to that.)
#include <cstdint>
#include <cstdlib>
#include <string>

#include "net/http/codec.h"

namespace portolan::net::http {
namespace {

constexpr Limits kLimits{.header_bytes = 2048, .header_count = 20, .body_bytes = 2048};

struct Outcome {
  bool whole = false;
  std::string body;
  std::size_t used = 0;
};

Outcome parse(Parser& parser, std::string_view text, std::size_t cut) {
  HeadScanner scanner(kLimits);
  std::size_t shown = std::min(cut, text.size());
  Outcome out;
  while (true) {
    const auto length = scanner.scan(text.substr(0, shown));
    if (!length) return out;
    if (*length) {
      if (!parser.head(text.substr(0, **length))) return out;
      out.used = **length;
      break;
    }
    if (shown == text.size()) return out;
    shown = std::min(shown + cut, text.size());
  }
  while (!parser.done()) {
    if (shown > out.used) {
      const auto used = parser.body(text.substr(out.used, shown - out.used), out.body);
      if (!used) return out;
      out.used += *used;
      if (*used > 0) continue;
    }
    if (shown == text.size()) break;
    shown = std::min(shown + cut, text.size());
  }
  out.whole = parser.done() || parser.end().has_value();
  return out;
}

void compare(std::string_view text, std::size_t cut, auto make) {
  const auto one = make();
  const auto other = make();
  const Outcome whole = parse(*one, text, text.size());
  const Outcome pieces = parse(*other, text, cut);
  if (whole.whole != pieces.whole) std::abort();
  if (whole.whole && (whole.body != pieces.body || whole.used != pieces.used)) std::abort();
}

}  // namespace
}  // namespace portolan::net::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace portolan::net::http;
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t cut = data[0] % 16 + 1;
  compare(text, cut, [] { return Parser::of_request(kLimits); });
  compare(text, cut, [] { return Parser::of_response(kLimits, Parser::Body::kAsFramed); });
  return 0;
}
