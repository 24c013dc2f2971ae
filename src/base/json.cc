#include "base/json.h"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/detail/handler.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/parse_options.hpp>
#include <boost/json/serialize.hpp>

namespace portolan::json {
namespace {

// Counts the entries of objects: Boost.JSON keeps the last of two of one name, and what two readers can read
// differently is refused here.
struct Handler {
  static constexpr std::size_t max_object_size = 100'000;
  static constexpr std::size_t max_array_size = 1'000'000;
  static constexpr std::size_t max_key_size = 4096;
  static constexpr std::size_t max_string_size = 64 * 1024 * 1024;
  using error_code = boost::system::error_code;

  boost::json::value_stack stack;
  std::size_t names = 0;  // of all objects

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) { return true; }
  bool on_object_end(std::size_t n, error_code&) {
    names += n;
    stack.push_object(n);
    return true;
  }
  bool on_array_begin(error_code&) { return true; }
  bool on_array_end(std::size_t n, error_code&) {
    stack.push_array(n);
    return true;
  }
  bool on_key_part(std::string_view part, std::size_t, error_code&) {
    stack.push_chars(part);
    return true;
  }
  bool on_key(std::string_view part, std::size_t, error_code&) {
    stack.push_key(part);
    return true;
  }
  bool on_string_part(std::string_view part, std::size_t, error_code&) {
    stack.push_chars(part);
    return true;
  }
  bool on_string(std::string_view part, std::size_t, error_code&) {
    stack.push_string(part);
    return true;
  }
  bool on_number_part(std::string_view, error_code&) { return true; }
  bool on_int64(std::int64_t value, std::string_view, error_code&) {
    stack.push_int64(value);
    return true;
  }
  bool on_uint64(std::uint64_t value, std::string_view, error_code&) {
    stack.push_uint64(value);
    return true;
  }
  bool on_double(double value, std::string_view, error_code&) {
    stack.push_double(value);
    return true;
  }
  bool on_bool(bool value, error_code&) {
    stack.push_bool(value);
    return true;
  }
  bool on_null(error_code&) {
    stack.push_null();
    return true;
  }
  bool on_comment_part(std::string_view, error_code&) { return true; }
  bool on_comment(std::string_view, error_code&) { return true; }
};

std::size_t entries_of(const Value& value) {
  std::size_t count = 0;
  if (value.is_object()) {
    count = value.get_object().size();
    for (const auto& entry : value.get_object()) count += entries_of(entry.value());
  } else if (value.is_array()) {
    for (const auto& element : value.get_array()) count += entries_of(element);
  }
  return count;
}

// What stands for a character that JSON does not take as it is; null for all others.
const char* escape_of(char c) {
  switch (c) {
    case '"': return "\\\"";
    case '\\': return "\\\\";
    case '\b': return "\\b";
    case '\f': return "\\f";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    default: return nullptr;
  }
}

}  // namespace

namespace detail {

std::string Place::words() const {
  if (outer == nullptr) return {};
  std::string before = outer->words();
  if (name.data() == nullptr) return before + "[" + std::to_string(index) + "]";
  return before + (before.empty() ? "" : ".") + std::string(name);
}

std::unexpected<Error> wrong(const Place& place, std::string_view what) {
  const std::string where = place.words();
  return fail(Code::kInvalid, (where.empty() ? "" : where + ": ") + std::string(what));
}

Error mismatch(const Place& place, std::string_view expected, const Value& found) {
  return wrong(place,
               "expected " + std::string(expected) + ", found " + std::string(boost::json::to_string(found.kind())))
      .error();
}

void print_text(std::string_view text, std::string& out) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  out += '"';
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x20 && byte != '"' && byte != '\\') continue;
    out += text.substr(begin, i - begin);
    begin = i + 1;
    if (const char* escape = escape_of(text[i])) {
      out += escape;
    } else {
      out += "\\u00";
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  out += text.substr(begin);
  out += '"';
}

void print_number(double number, std::string& out) { out += boost::json::serialize(Value(number)); }

Value value_of(std::string_view printed) {
  boost::json::parse_options options;
  options.max_depth = 64;
  options.allow_invalid_utf8 = true;  // texts are not looked at when they are printed
  return boost::json::parse(printed, {}, options);
}

}  // namespace detail

Result<Value> parse(std::string_view text) { return detail::parse_into({}, text); }

Result<Value> detail::parse_into(boost::json::storage_ptr memory, std::string_view text) {
  boost::json::parse_options options;
  options.max_depth = 64;
  boost::json::basic_parser<Handler> parser(options);
  parser.handler().stack.reset(std::move(memory));
  boost::system::error_code error;
  const std::size_t consumed = parser.write_some(false, text.data(), text.size(), error);
  if (!error && consumed < text.size()) {
    const auto rest = text.substr(consumed);
    if (rest.find_first_not_of(" \t\r\n") != std::string_view::npos) error = boost::json::error::extra_data;
  }
  if (!error && !parser.done()) error = boost::json::error::incomplete;
  if (error) return fail(Code::kInvalid, "invalid JSON: " + error.message());
  Value value = parser.handler().stack.release();
  if (entries_of(value) != parser.handler().names)
    return fail(Code::kInvalid, "invalid JSON: a name appears twice in one object");
  return value;
}

std::string print(const Value& value) { return boost::json::serialize(value); }

}  // namespace portolan::json
