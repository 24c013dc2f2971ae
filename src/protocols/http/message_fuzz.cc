// Heads and bodies of both kinds from any bytes: it must not matter how they are cut, and what was taken comes out,
// when it is printed, as a message that every reader reads alike.
#include <algorithm>
#include <cstdlib>
#include <string>

#include "protocols/http/body.h"
#include "protocols/http/hop.h"

namespace portolan::protocols::http {
namespace {

struct Outcome {
  bool whole = false;
  std::string head;  // printed
  std::string body;
  std::size_t used = 0;
  bool operator==(const Outcome&) const = default;
};

std::optional<std::size_t> find_head(std::string_view text, std::size_t cut, std::size_t& shown) {
  HeadEnd end;
  for (shown = std::min(cut, text.size());; shown = std::min(shown + cut, text.size())) {
    const auto length = end.find(text.substr(0, shown));
    if (!length) return std::nullopt;
    if (*length) return **length;
    if (shown == text.size()) return std::nullopt;
  }
}

void read_body(Framing framing, std::string_view text, std::size_t cut, std::size_t shown, Outcome& out) {
  BodyReader reader(framing);
  while (!reader.done()) {
    if (shown > out.used) {
      const auto taken = reader.take(text.substr(out.used, shown - out.used));
      if (!taken) return;
      if (taken->used > shown - out.used || taken->body.size() > taken->used) std::abort();
      out.used += taken->used;
      out.body += taken->body;
      if (taken->used > 0) continue;
    }
    if (shown == text.size()) break;
    shown = std::min(shown + cut, text.size());
  }
  out.whole = reader.done() || reader.end().has_value();
}

template <class Parse, class Frame>
Outcome read(std::string_view text, std::size_t cut, Parse parse, Frame frame) {
  Outcome out;
  std::size_t shown = 0;
  const auto length = find_head(text, cut, shown);
  if (!length) return out;
  auto head = parse(text.substr(0, *length));
  if (!head) return out;
  const auto framing = frame(*head);
  if (!framing) return out;
  out.head = print(*head);
  out.used = *length;
  read_body(*framing, text, cut, shown, out);
  // What is printed is read again as the same.
  const auto again = parse(out.head);
  if (!again || print(*again) != out.head) std::abort();
  const auto same = frame(*again);
  if (!same || *same != *framing) std::abort();
  static_cast<void>(drop_hop_by_hop(head->fields));
  return out;
}

template <class Parse, class Frame>
void compare(std::string_view text, std::size_t cut, Parse parse, Frame frame) {
  const Outcome whole = read(text, text.size() + 1, parse, frame);
  const Outcome pieces = read(text, cut, parse, frame);
  if (whole.whole != pieces.whole || (whole.whole && whole != pieces)) std::abort();
}

}  // namespace
}  // namespace portolan::protocols::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace portolan::protocols::http;
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t cut = data[0] % 16 + 1;
  compare(
      text, cut,
      [](std::string_view text_of_head) {
        auto head = parse_request(text_of_head);
        if (head) head->authority = "a";  // a port may be the scheme's own, which the origin form does not tell
        return head;
      },
      [](const RequestHead& head) { return framing_of(head); });
  compare(
      text, cut, [](std::string_view head) { return parse_response(head); },
      [](const ResponseHead& head) { return framing_of(head, "GET"); });
  return 0;
}
