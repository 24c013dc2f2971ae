// Problem objects (RFC 9457) as they are on the wire.
#pragma once
#include <string>

#include <boost/describe.hpp>

namespace portolan::net::http {

struct Problem {
  std::string type = "about:blank";
  std::string title;
  int status = 500;
  std::string detail;  // for people
  std::string code;    // stable
  std::string hop;     // which part says so
  bool retry = false;  // whether the same request can succeed later
};
BOOST_DESCRIBE_STRUCT(Problem, (), (type, title, status, detail, code, hop, retry))

}  // namespace portolan::net::http
