// The header fields of a message, in the order and spelling in which they came (RFC 9110 §5). Pure.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace portolan::protocols::http {

std::string lower_case(std::string_view text);
bool same_name(std::string_view a, std::string_view b);  // without regard to case
// A name as the least careful application reads it: in lower case, and every character that is neither a letter nor a
// digit is "-". CGI, WSGI and PHP make the same variable of X-Remote-User, X_Remote_User and x.remote.user.
std::string loose_name(std::string_view name);
// Without spaces and tabs at both ends.
std::string_view trimmed(std::string_view text);
bool is_token(std::string_view text);        // RFC 9110 §5.6.2
bool is_field_value(std::string_view text);  // no control characters but the tab

struct Field {
  std::string name;
  std::string value;
  bool operator==(const Field&) const = default;
};

class Fields {
 public:
  void add(std::string_view name, std::string_view value) { all_.push_back({std::string(name), std::string(value)}); }
  // In place of all of that name.
  void set(std::string_view name, std::string_view value);
  void remove(std::string_view name);
  template <class Predicate>
  void remove_if(Predicate predicate) {
    std::erase_if(all_, predicate);
  }
  // The first one's value; empty if there is none.
  std::string_view first(std::string_view name) const;
  std::size_t count(std::string_view name) const;
  bool has(std::string_view name) const { return count(name) > 0; }
  // The elements of a comma-separated list over all fields of that name, in lower case; empty ones left out.
  std::vector<std::string> tokens(std::string_view name) const;
  bool has_token(std::string_view name, std::string_view token) const;
  const std::vector<Field>& all() const { return all_; }
  std::vector<Field>& all() { return all_; }
  bool empty() const { return all_.empty(); }

 private:
  std::vector<Field> all_;
};

}  // namespace portolan::protocols::http
