// Refusals: how an Error travels from the acceptor of a CONNECT to its opener (docs/wire.md, "Refusals"), and which
// headers a CONNECT and its answer may bear.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "net/http/message.h"

namespace portolan::tunnel {

inline constexpr std::size_t kRefusalText = 512;  // bytes of a refusal's text, before encoding
inline constexpr std::string_view kHeaderPrefix = "portolan-";

struct Refusal {
  int status = 500;
  net::http::Headers headers;
};

Refusal to_refusal(const Error& error);
// What the peer said is foreign: control bytes are taken out of its text, unknown codes and hops become the status' own
// code.
Error from_refusal(int status, const net::http::Headers& headers);

// The same in one line, for the debug data of a GOAWAY that ends a link: "code text (reason)".
std::string to_farewell(const Error& error);
Error from_farewell(ByteView text);

// Names begin with "portolan-" and have only [a-z0-9-]; values are fit for HTTP. The size counts as RFC 9113 §6.5.2
// does.
Result<> check_headers(const net::http::Headers& headers, std::size_t limit);
// The authority of a CONNECT: 1 to 255 bytes of [A-Za-z0-9.:_-] or brackets.
Result<> check_authority(std::string_view authority);

}  // namespace portolan::tunnel
