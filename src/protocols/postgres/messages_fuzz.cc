// The first packet and the messages of sign-in, from any bytes: nothing but a Result may come of them.
#include <algorithm>
#include <cstdlib>

#include "protocols/postgres/messages.h"
#include "protocols/postgres/scram.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace portolan;
  using namespace portolan::protocols::postgres;
  const ByteView bytes = std::as_bytes(std::span(data, size));
  if (const auto first = parse_first_packet(bytes)) {
    // What was taken can be written again and means the same.
    if (const auto* startup = std::get_if<Startup>(&*first); startup && startup->minor == 0) {
      const auto again = parse_first_packet(startup_message(startup->parameters));
      if (!again || std::get<Startup>(*again).parameters != startup->parameters) std::abort();
    }
  }
  if (const auto length = first_packet_size(bytes.first(std::min<std::size_t>(size, 4)));
      length && *length > kFirstPacketLimit)
    std::abort();
  (void)begins_like_http(bytes);
  (void)parse_header(bytes);
  (void)parse_authentication(bytes);
  (void)offers_mechanism(bytes, kScramSha256);
  (void)parse_backend_key(bytes);
  (void)parse_server_error(bytes);
  (void)rows_of_tag(as_text(bytes));
  Scram scram("abc");
  (void)scram.challenge(as_text(bytes));
  (void)scram.finish(as_text(bytes));
  return 0;
}
