#include "net/tls_greeting.h"

#include <algorithm>
#include <cctype>

namespace portolan::net {

// RFC 7301 §3.1: a list of names, each with a length of one byte.
bool read_alpn(ByteView extension, TlsGreeting& greeting) {
  if (extension.empty()) return true;
  ByteReader all(extension);
  const auto size = all.u16();
  ByteReader names(all.take(size));
  if (!all.at_end()) return false;
  while (names.ok() && !names.rest().empty()) {
    const auto length = names.u8();
    if (length == 0) return false;
    greeting.alpn.push_back(as_text(names.take(length)));
  }
  return names.ok() && !greeting.alpn.empty();
}

// RFC 6066 §3: a list, of which one entry of type host_name (0) is all that exists.
bool read_server_name(ByteView extension, TlsGreeting& greeting) {
  if (extension.empty()) return true;
  ByteReader all(extension);
  const auto size = all.u16();
  ByteReader list(all.take(size));
  if (!all.at_end()) return false;
  const auto type = list.u8();
  greeting.name = list.text16();
  const bool printable = std::ranges::all_of(greeting.name, [](unsigned char c) { return std::isgraph(c) != 0; });
  return list.at_end() && type == 0 && !greeting.name.empty() && greeting.name.size() <= 253 && printable;
}

// RFC 8446 §4.2.4: a list of names, each with a length of two bytes.
bool names_authority(ByteView extension, ByteView name) {
  ByteReader all(extension);
  const auto size = all.u16();
  ByteReader names(all.take(size));
  if (extension.empty() || !all.at_end()) return false;
  bool found = false;
  while (names.ok() && !names.rest().empty()) {
    const auto length = names.u16();
    found = std::ranges::equal(names.take(length), name) || found;
  }
  return names.ok() && found;
}

}  // namespace portolan::net
