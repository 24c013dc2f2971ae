#include "control/form.h"

#include "net/http/target.h"

namespace portolan::control {
namespace {

constexpr std::size_t kFields = 16;

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Result<std::string> decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const int high = i + 2 < text.size() ? digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return fail(Code::kInvalid, "form: bad percent escape");
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  if (!net::http::is_utf8(out)) return fail(Code::kInvalid, "form: not UTF-8");
  return out;
}

}  // namespace

Result<Form> parse_form(std::string_view body) {
  Form form;
  while (!body.empty()) {
    const auto end = body.find('&');
    const std::string_view field = body.substr(0, end);
    body.remove_prefix(end == body.npos ? body.size() : end + 1);
    const auto equals = field.find('=');
    if (equals == field.npos) return fail(Code::kInvalid, "form: a field without a value");
    PL_TRY(auto name, decode(field.substr(0, equals)));
    PL_TRY(auto value, decode(field.substr(equals + 1)));
    if (form.size() >= kFields) return fail(Code::kInvalid, "form: too many fields");
    if (!form.emplace(std::move(name), std::move(value)).second)
      return fail(Code::kInvalid, "form: a field comes twice");
  }
  return form;
}

std::string html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default:
        if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) out += c;
    }
  }
  return out;
}

}  // namespace portolan::control
