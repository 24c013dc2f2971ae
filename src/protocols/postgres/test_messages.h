// For the tests of this folder: messages of either side.
#pragma once
#include <string>
#include <string_view>

#include "protocols/postgres/messages.h"

namespace portolan::protocols::postgres {

using namespace std::string_literals;
using namespace std::string_view_literals;

inline std::string msg(char type, std::string_view body = {}) {
  return std::string(as_text(message(type, as_bytes(body))));
}
inline std::string z(std::string_view text) { return std::string(text) + '\0'; }

// The client's messages.
inline std::string query(std::string_view sql) { return msg('Q', z(sql)); }
inline std::string parse(std::string_view name, std::string_view sql) {
  return msg('P', z(name) + z(sql) + std::string(2, '\0'));
}
inline std::string bind_to(std::string_view portal, std::string_view statement, std::string_view value = "") {
  return msg('B', z(portal) + z(statement) + std::string(2, '\0') + "\0\1"s + std::string("\0\0\0", 3) +
                      static_cast<char>(value.size()) + std::string(value) + std::string(2, '\0'));
}
inline std::string describe(char kind, std::string_view name) { return msg('D', kind + z(name)); }
inline std::string execute(std::string_view portal) { return msg('E', z(portal) + std::string(4, '\0')); }
inline std::string close(char kind, std::string_view name) { return msg('C', kind + z(name)); }
inline std::string call() { return msg('F', "\0\0\x04\xd2\0\0\0\0\0\0"sv); }
inline std::string sync() { return msg('S'); }
inline std::string copy_data(std::string_view bytes) { return msg('d', bytes); }
inline std::string copy_done() { return msg('c'); }

// The server's.
inline std::string complete(std::string_view tag) { return msg('C', z(tag)); }
inline std::string ready(char status = 'I') { return msg('Z', std::string(1, status)); }
inline std::string row() { return msg('D', "\0\1\0\0\0\1x"sv); }
inline std::string description() { return msg('T', "\0\0"sv); }
inline std::string error(std::string_view code, std::string_view text) {
  return msg('E', "SERROR\0VERROR\0C"s + z(code) + "M" + z(text) + std::string(1, '\0'));
}
inline std::string parsed() { return msg('1'); }
inline std::string bound() { return msg('2'); }
inline std::string closed() { return msg('3'); }
inline std::string copy_in() { return msg('G', "\0\0\0"sv); }
inline std::string copy_out() { return msg('H', "\0\0\0"sv); }
inline std::string copy_both() { return msg('W', "\0\0\0"sv); }

}  // namespace portolan::protocols::postgres
