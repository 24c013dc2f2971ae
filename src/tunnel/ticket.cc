#include "tunnel/ticket.h"

#include <algorithm>

namespace portolan::tunnel {

namespace {

constexpr std::array<std::byte, 6> kMagic = {kPrefaceFirst,  std::byte{'P'}, std::byte{'T'},
                                             std::byte{'L'}, std::byte{'N'}, std::byte{1}};
constexpr std::size_t kTicketAt = kPrefaceBytes - kTicketBytes;

Result<Ticket> ticket_of(ByteView bytes) {
  if (bytes.size() != kTicketBytes) return fail(Code::kProtocol, "a ticket of another length");
  Ticket ticket{};
  std::ranges::copy(bytes, ticket.begin());
  return ticket;
}

}  // namespace

std::string to_text(const Ticket& ticket) { return hex(ticket); }

Result<Ticket> parse_ticket(std::string_view text) {
  if (text.size() != 2 * kTicketBytes) return fail(Code::kProtocol, "a ticket of another length");
  const auto bytes = from_hex(text);
  if (!bytes) return fail(Code::kProtocol, "a ticket that is not hexadecimal");
  return ticket_of(*bytes);
}

std::array<std::byte, kPrefaceBytes> encode_preface(const Ticket& ticket) {
  std::array<std::byte, kPrefaceBytes> preface{};
  std::ranges::copy(kMagic, preface.begin());
  std::ranges::copy(ticket, preface.begin() + kTicketAt);
  return preface;
}

Result<Ticket> decode_preface(ByteView bytes) {
  if (bytes.size() != kPrefaceBytes) return fail(Code::kProtocol, "a preface of another length");
  if (!std::ranges::equal(bytes.first(kMagic.size()), kMagic))
    return fail(Code::kProtocol, "a preface that is none of ours");
  if (std::ranges::any_of(bytes.subspan(kMagic.size(), kTicketAt - kMagic.size()),
                          [](std::byte byte) { return byte != std::byte{0}; }))
    return fail(Code::kProtocol, "a preface of a later version");
  return ticket_of(bytes.subspan(kTicketAt));
}

}  // namespace portolan::tunnel
