// Tickets of spliced paths (docs/wire.md, "Tickets and spliced paths"): what a gateway gives out over the links of two
// peers, so that each may open a plain connection that the gateway joins to the other's. A plain connection begins with
// a preface of fixed size, which is read and checked before anything is allocated for it.
//
//   D0 "PTLN" 01 | 10 zero bytes | ticket (32)
#pragma once
#include <array>
#include <cstddef>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace portolan::tunnel {

inline constexpr std::size_t kTicketBytes = 32;
inline constexpr std::size_t kPrefaceBytes = 48;
// No TLS record begins with it: so one port serves both.
inline constexpr std::byte kPrefaceFirst{0xd0};

// Random; whoever has it can take the place of its peer on the path, once. What that gains is no more than a path: the
// link on it proves both its ends.
using Ticket = std::array<std::byte, kTicketBytes>;

// How a ticket stands in a header: 64 hexadecimal digits. Code::kProtocol for anything else.
std::string to_text(const Ticket& ticket);
Result<Ticket> parse_ticket(std::string_view text);

std::array<std::byte, kPrefaceBytes> encode_preface(const Ticket& ticket);
// Code::kProtocol for anything else.
Result<Ticket> decode_preface(ByteView bytes);

// Headers of a CONNECT between client and gateway, and between gateway and relay.
inline constexpr std::string_view kPathHeader = "portolan-path";           // request of the client
inline constexpr std::string_view kPathSpliced = "spliced";                //   its one value
inline constexpr std::string_view kTicketHeader = "portolan-ticket";       // answer to the client
inline constexpr std::string_view kDialBackHeader = "portolan-dial-back";  // request to the relay: its ticket

}  // namespace portolan::tunnel
