#include "base/words.h"

#include <cstdint>
#include <utility>

namespace portolan {
namespace {

struct Character {
  char32_t code = 0;
  std::size_t size = 0;  // 0: no UTF-8
};

Character first_character(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<std::uint8_t>(text[at]); };
  const std::uint8_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return {};
  char32_t code = lead & (0xffU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0U) != 0x80) return {};
    code = code << 6U | (byte(i) & 0x3fU);
  }
  const bool overlong = (size == 3 && code < 0x800) || (size == 4 && code < 0x10000);
  if (overlong || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) return {};
  return {code, size};
}

bool is_blank(char32_t code) {
  const bool control = code <= 0x20 || (code >= 0x7f && code <= 0x9f);
  const bool line_end = code == 0x2028 || code == 0x2029;
  const bool direction =
      code == 0x200e || code == 0x200f || (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
  return control || line_end || direction;
}

}  // namespace

std::string plain_words(std::string_view text, std::size_t limit) {
  std::string out;
  bool blank = false;
  while (!text.empty()) {
    const Character next = first_character(text);
    const std::string_view shown = next.size == 0 ? std::string_view("?") : text.substr(0, next.size);
    text.remove_prefix(next.size == 0 ? 1 : next.size);
    if (next.size > 0 && is_blank(next.code)) {
      blank = !out.empty();
      continue;
    }
    if (out.size() + shown.size() + (blank ? 1 : 0) > limit) return out + "…";
    if (std::exchange(blank, false)) out += ' ';
    out += shown;
  }
  return out;
}

}  // namespace portolan
