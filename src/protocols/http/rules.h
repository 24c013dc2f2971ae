// What a resource's users may ask of it: methods, paths, read-only. Pure.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "protocols/http/message.h"

namespace portolan::protocols::http {

class Rules {
 public:
  Rules() = default;
  // From the settings "methods" ("GET, POST"), "paths" ("/public/*, /api/v1/*": * is anything) and "read_only".
  static Result<Rules> make(std::string_view methods, std::string_view paths, bool read_only);

  // Code::kDenied with a reason: method_refused, read_only, path_refused; or path_ambiguous, for a path that the
  // application might take for another than we, where there are patterns for paths. What Destination names is a path,
  // too (COPY, MOVE).
  Result<> check(const RequestHead& head, bool websocket) const;
  // The methods that are allowed, for Allow; empty: any.
  std::string allowed() const;
  // Takes out the headers by which some applications let a request say that its method is another one.
  void drop_overrides(Fields& fields) const;

 private:
  Result<> check_path(std::string_view asked) const;
  bool any_method() const { return methods_.empty() && !read_only_; }

  std::vector<std::string> methods_;
  std::vector<std::string> paths_;
  bool read_only_ = false;
};

// The path as every application must read it, percent-decoded; an error if there are two ways to read it.
Result<std::string> plain_path(std::string_view path);
// Whether `pattern`, in which * stands for any characters, is all of the text.
bool matches(std::string_view pattern, std::string_view text);

// "a, b" as its elements.
std::vector<std::string> split_list(std::string_view text);

}  // namespace portolan::protocols::http
