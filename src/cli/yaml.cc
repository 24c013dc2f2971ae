// libyaml's parser gives events with their places, and nothing is built but here: aliases cannot blow up (they are
// refused), and depth and number of values are counted while they come. The walk is a loop with a stack of its own:
// how deep a file nests is the file's choice, how deep we recurse is not.
#include "cli/yaml.h"

#include <yaml.h>

#include <charconv>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>

namespace portolan::cli {
namespace {

constexpr std::size_t kNameLimit = 1024;  // bytes; messages are made of names

std::unexpected<Error> wrong(std::size_t line, const std::string& what) {
  return fail(Code::kInvalid, "line " + std::to_string(line) + ": " + what);
}

// libyaml's parser with its input, which outlives it.
class Parser {
 public:
  explicit Parser(std::string_view text) {
    if (yaml_parser_initialize(&parser_) == 0) return;
    ready_ = true;
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
  }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;
  ~Parser() {
    if (ready_) yaml_parser_delete(&parser_);
  }

  Result<> next(yaml_event_t& event) {
    if (!ready_) return fail(Code::kInternal, "no memory to read YAML");
    if (yaml_parser_parse(&parser_, &event) != 0) return {};
    const std::string what = parser_.problem ? parser_.problem : "not YAML";
    const bool placed = parser_.error == YAML_SCANNER_ERROR || parser_.error == YAML_PARSER_ERROR;
    if (placed) return wrong(parser_.problem_mark.line + 1, what);
    return wrong(parser_.mark.line + 1, what);
  }

 private:
  yaml_parser_t parser_{};
  bool ready_ = false;
};

struct Event {
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { yaml_event_delete(&raw); }
  std::size_t line() const { return raw.start_mark.line + 1; }
  yaml_event_t raw{};
};

std::string_view text_of(const unsigned char* text, std::size_t size) {
  return {reinterpret_cast<const char*>(text), size};
}

std::optional<std::int64_t> whole_number(std::string_view word) {
  const std::string_view digits = word.starts_with('-') ? word.substr(1) : word;
  if (digits.empty() || (digits.front() == '0' && word.size() > 1)) return std::nullopt;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return number;
}

json::Value plain_value(std::string_view word) {
  if (word.empty() || word == "~" || word == "null" || word == "Null" || word == "NULL") return nullptr;
  if (word == "true" || word == "True" || word == "TRUE") return true;
  if (word == "false" || word == "False" || word == "FALSE") return false;
  if (const auto number = whole_number(word)) return *number;
  return boost::json::string(word);
}

// Takes the events of one document.
class Builder {
 public:
  explicit Builder(const YamlLimits& limits) : limits_(limits) {}

  Result<> take(const Event& event) {
    switch (event.raw.type) {
      case YAML_ALIAS_EVENT: return wrong(event.line(), "aliases (*name) are not taken; write the value again");
      case YAML_SCALAR_EVENT: {
        const auto& scalar = event.raw.data.scalar;
        PL_CHECK(refuse(event, scalar.anchor, scalar.tag));
        const auto text = text_of(scalar.value, scalar.length);
        if (wants_name()) return take_name(event, text);
        const bool plain = scalar.style == YAML_PLAIN_SCALAR_STYLE;
        return add(event, plain ? plain_value(text) : json::Value(boost::json::string(text)));
      }
      case YAML_SEQUENCE_START_EVENT: {
        const auto& list = event.raw.data.sequence_start;
        PL_CHECK(refuse(event, list.anchor, list.tag));
        return open(event, boost::json::array());
      }
      case YAML_MAPPING_START_EVENT: {
        const auto& map = event.raw.data.mapping_start;
        PL_CHECK(refuse(event, map.anchor, map.tag));
        return open(event, boost::json::object());
      }
      case YAML_SEQUENCE_END_EVENT:
      case YAML_MAPPING_END_EVENT: return close();
      default: return {};
    }
  }
  YamlDocument document() { return {std::move(root_), std::move(lines_)}; }

 private:
  // A list or map that is being read. `name`: of the member that comes; none yet, if a name comes next.
  struct Open {
    json::Value value;
    std::optional<std::string> name = {};
  };

  static Result<> refuse(const Event& event, const unsigned char* anchor, const unsigned char* tag) {
    if (anchor) return wrong(event.line(), "anchors (&name) are not taken; write the value where it belongs");
    if (tag) return wrong(event.line(), "tags (!name) are not taken");
    return {};
  }

  bool wants_name() const { return !open_.empty() && open_.back().value.is_object() && !open_.back().name; }

  Result<> take_name(const Event& event, std::string_view text) {
    auto& map = open_.back();
    if (text.size() > kNameLimit) return wrong(event.line(), "a name is longer than " + std::to_string(kNameLimit));
    if (map.value.get_object().contains(text)) return wrong(event.line(), quoted(text) + " is there twice");
    map.name = std::string(text);
    lines_.begin_member(text, event.line());
    return {};
  }

  // A value comes; one of a map began with its name.
  void begin(const Event& event) {
    if (!open_.empty() && open_.back().value.is_array())
      lines_.begin_entry(open_.back().value.get_array().size(), event.line());
  }

  Result<> count(const Event& event) {
    if (++values_ > limits_.values)
      return wrong(event.line(), "more than " + std::to_string(limits_.values) + " values are too many");
    return {};
  }

  Result<> add(const Event& event, json::Value value) {
    PL_CHECK(count(event));
    begin(event);
    put(std::move(value));
    return {};
  }

  void put(json::Value value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return;
    }
    auto& in = open_.back();
    if (in.value.is_array()) {
      in.value.get_array().push_back(std::move(value));
    } else {
      in.value.get_object()[*std::exchange(in.name, std::nullopt)] = std::move(value);
    }
    lines_.end();
  }

  Result<> open(const Event& event, json::Value empty) {
    PL_CHECK(count(event));
    if (wants_name()) return wrong(event.line(), "a name must be text");
    if (open_.size() >= limits_.depth)
      return wrong(event.line(), "nested more than " + std::to_string(limits_.depth) + " deep");
    begin(event);
    open_.push_back({std::move(empty)});
    return {};
  }

  Result<> close() {
    json::Value done = std::move(open_.back().value);
    open_.pop_back();
    put(std::move(done));
    return {};
  }

  const YamlLimits& limits_;
  std::vector<Open> open_;
  json::Value root_;
  YamlLines lines_;
  std::size_t values_ = 0;
};

}  // namespace

Result<YamlDocument> parse_yaml(std::string_view text, const YamlLimits& limits) {
  if (text.size() > limits.bytes)
    return fail(Code::kLimit, "longer than " + std::to_string(limits.bytes / (1024 * 1024)) + " MiB");
  Parser parser(text);
  Builder builder(limits);
  bool any = false;
  for (;;) {
    Event event;
    PL_CHECK(parser.next(event.raw));
    if (event.raw.type == YAML_STREAM_END_EVENT) break;
    if (event.raw.type == YAML_DOCUMENT_START_EVENT && std::exchange(any, true))
      return wrong(event.line(), "a second document is not taken");
    PL_CHECK(builder.take(event));
  }
  if (!any) return fail(Code::kInvalid, "there is nothing in it");
  return builder.document();
}

}  // namespace portolan::cli
