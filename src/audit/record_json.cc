#include "audit/record_json.h"

#include <optional>
#include <string_view>
#include <type_traits>

#include <boost/describe.hpp>
#include <boost/mp11/algorithm.hpp>

#include "base/clock.h"

namespace portolan::audit {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

// Escapes of RFC 8259 §7, the short ones where there are any.
void append_escaped(std::string& out, char c) {
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\b': out += "\\b"; return;
    case '\f': out += "\\f"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: break;
  }
  out += "\\u00";
  out += kHexDigits[static_cast<unsigned char>(c) >> 4];
  out += kHexDigits[static_cast<unsigned char>(c) & 15];
}

void append(std::string& out, std::string_view text) {
  out += '"';
  std::size_t plain = 0;  // begin of what needs no escape
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\') continue;
    out += text.substr(plain, i - plain);
    append_escaped(out, c);
    plain = i + 1;
  }
  out += text.substr(plain);
  out += '"';
}
void append(std::string& out, const std::string& text) { append(out, std::string_view(text)); }
void append(std::string& out, std::uint64_t number) { out += std::to_string(number); }
void append(std::string& out, WallTime time) { append(out, std::string_view(to_rfc3339(time))); }

template <class T>
void append_member(std::string& out, std::string_view name, const T& value) {
  out += out.size() == 1 ? "\"" : ",\"";
  out += name;
  out += "\":";
  append(out, value);
}
// Absent ones are left out.
template <class T>
void append_member(std::string& out, std::string_view name, const std::optional<T>& value) {
  if (value) append_member(out, name, *value);
}

}  // namespace

std::string record_json(const api::AuditRecord& record) {
  using Members = boost::describe::describe_members<api::AuditRecord, boost::describe::mod_public>;
  std::string out;
  out.reserve(768 + (record.text ? record.text->size() : 0));
  out += '{';
  boost::mp11::mp_for_each<Members>([&](auto member) { append_member(out, member.name, record.*member.pointer); });
  out += '}';
  return out;
}

}  // namespace portolan::audit
