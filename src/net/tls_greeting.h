// What a TLS client asks for in its first message: protocols (ALPN) and a server name. For net/ only.
#pragma once
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace portolan::net {

// Views into the message.
struct TlsGreeting {
  std::vector<std::string_view> alpn;
  std::string_view name;
};

// From the bodies of the two extensions, each empty if the client did not send it; false if one is malformed.
bool read_alpn(ByteView extension, TlsGreeting& greeting);
bool read_server_name(ByteView extension, TlsGreeting& greeting);
// Whether the body of the extension certificate_authorities names this authority (a distinguished name, DER); false
// also for a malformed one, which is as good as none.
bool names_authority(ByteView extension, ByteView name);

}  // namespace portolan::net
