#include "base/json.h"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/detail/handler.hpp>
#include <boost/json/parse_options.hpp>
#include <boost/json/serialize.hpp>

#include <set>

namespace portolan::json {
namespace {

// Boost.JSON's own handler keeps the last of two entries of one name. What two readers can read differently is refused
// here.
struct Handler {
  static constexpr std::size_t max_object_size = 100'000;
  static constexpr std::size_t max_array_size = 1'000'000;
  static constexpr std::size_t max_key_size = 4096;
  static constexpr std::size_t max_string_size = 64 * 1024 * 1024;
  using error_code = boost::system::error_code;

  boost::json::value_stack stack;
  std::vector<std::set<std::string>> names;
  std::string key;
  bool duplicate = false;

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) {
    names.emplace_back();
    return true;
  }
  bool on_object_end(std::size_t n, error_code&) {
    names.pop_back();
    stack.push_object(n);
    return true;
  }
  bool on_array_begin(error_code&) { return true; }
  bool on_array_end(std::size_t n, error_code&) {
    stack.push_array(n);
    return true;
  }
  bool on_key_part(std::string_view part, std::size_t, error_code&) {
    key += part;
    stack.push_chars(part);
    return true;
  }
  bool on_key(std::string_view part, std::size_t, error_code& error) {
    key += part;
    if (!names.back().insert(std::exchange(key, {})).second) {
      duplicate = true;
      error = boost::json::error::syntax;
      return false;
    }
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

}  // namespace

namespace detail {

Error mismatch(std::string_view path, std::string_view expected, const Value& found) {
  const std::string where = path.empty() ? "" : std::string(path) + ": ";
  return {Code::kInvalid,
          where + "expected " + std::string(expected) + ", found " + std::string(boost::json::to_string(found.kind()))};
}

}  // namespace detail

Result<Value> parse(std::string_view text) {
  boost::json::parse_options options;
  options.max_depth = 64;
  boost::json::basic_parser<Handler> parser(options);
  parser.handler().stack.reset();
  boost::system::error_code error;
  const std::size_t consumed = parser.write_some(false, text.data(), text.size(), error);
  if (parser.handler().duplicate) return fail(Code::kInvalid, "invalid JSON: a name appears twice in one object");
  if (!error && consumed < text.size()) {
    const auto rest = text.substr(consumed);
    if (rest.find_first_not_of(" \t\r\n") != std::string_view::npos) error = boost::json::error::extra_data;
  }
  if (!error && !parser.done()) error = boost::json::error::incomplete;
  if (error) return fail(Code::kInvalid, "invalid JSON: " + error.message());
  return parser.handler().stack.release();
}

std::string print(const Value& value) { return boost::json::serialize(value); }

}  // namespace portolan::json
