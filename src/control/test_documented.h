// Holds answers against the OpenAPI document: a member that it does not name, or a status that it does not know, fails
// the test that has asked. TestPlane does it for every answer.
#pragma once
#include <set>
#include <string>

#include "base/json.h"
#include "net/http/message.h"

namespace portolan::control::testing {

class Documented {
 public:
  Documented();
  // `route`: "GET /v1/roles/dba". One of nothing that is served must be a 404 or 405.
  void check(const std::string& route, const net::http::Response& response);
  // Operations that have answered with success.
  const std::set<std::string>& succeeded() const { return succeeded_; }

 private:
  const boost::json::object* operation(const std::string& method, const std::string& path, std::string& pattern) const;

  json::Value document_;
  std::set<std::string> succeeded_;
};

}  // namespace portolan::control::testing
