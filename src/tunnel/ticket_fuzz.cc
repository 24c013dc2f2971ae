// A preface from anyone who can reach a gateway's port, and a ticket in a header: what is taken is what was written.
#include <algorithm>
#include <cstdlib>

#include "tunnel/ticket.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace portolan;
  const ByteView bytes(reinterpret_cast<const std::byte*>(data), size);
  if (const auto ticket = tunnel::decode_preface(bytes))
    if (!std::ranges::equal(tunnel::encode_preface(*ticket), bytes)) std::abort();
  if (const auto ticket = tunnel::parse_ticket({reinterpret_cast<const char*>(data), size}))
    if (tunnel::parse_ticket(tunnel::to_text(*ticket)) != *ticket) std::abort();
  return 0;
}
