#include "base/id.h"

#include <sys/random.h>

#include <array>
#include <cstdlib>

#include "base/bytes.h"

namespace portolan {

void fill_random(std::span<std::byte> memory) {
  while (!memory.empty()) {
    const auto n = getrandom(memory.data(), memory.size(), 0);
    if (n < 0) std::abort();
    memory = memory.subspan(static_cast<std::size_t>(n));
  }
}

std::string make_id(std::string_view prefix) {
  constexpr std::string_view kAlphabet = "0123456789abcdefghijklmnopqrstuvwxyz";
  std::string out(prefix);
  out += '-';
  std::size_t left = 20;
  while (left > 0) {
    std::array<std::byte, 32> random;
    fill_random(random);
    for (std::byte b : random) {
      const auto value = std::to_integer<unsigned>(b);
      if (value >= 252 || left == 0) continue;  // 252 is a multiple of 36: no character is more likely
      out += kAlphabet[value % 36];
      --left;
    }
  }
  return out;
}

bool is_id(std::string_view text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  if (!text.starts_with('-')) return false;
  text.remove_prefix(1);
  if (text.empty() || text.size() > 40) return false;
  for (char c : text)
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z'))) return false;
  return true;
}

std::string make_token(std::size_t bytes) {
  Bytes random(bytes);
  fill_random(random);
  return base64url(random);
}

}  // namespace portolan
