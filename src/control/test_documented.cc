#include "control/test_documented.h"

#include <gtest/gtest.h>

#include "base/json_schema.h"
#include "control/openapi.h"

namespace portolan::control::testing {
namespace {

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> out;
  for (std::size_t at = 1; at <= path.size();) {
    const auto end = std::min(path.find('/', at), path.size());
    out.emplace_back(path.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

// How many segments fit literally; -1 if the path does not fit.
int fit(std::string_view pattern, std::string_view path) {
  const auto wanted = split(pattern);
  const auto found = split(path);
  if (wanted.size() != found.size()) return -1;
  int literal = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] == found[i]) {
      ++literal;
    } else if (!wanted[i].starts_with('{') || found[i].empty()) {
      return -1;
    }
  }
  return literal;
}

}  // namespace

Documented::Documented() : document_(openapi_document()) {}

const boost::json::object* Documented::operation(const std::string& method, const std::string& path,
                                                 std::string& pattern) const {
  const boost::json::object* best = nullptr;
  int literal = -1;
  for (const auto& entry : document_.at("paths").get_object())
    if (const int found = fit(entry.key(), path); found > literal) {
      literal = found;
      pattern = entry.key();
      best = &entry.value().get_object();
    }
  if (!best) return nullptr;
  std::string lower = method;
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const auto* found = best->if_contains(lower);
  return found ? &found->get_object() : nullptr;
}

void Documented::check(const std::string& route, const net::http::Response& response) {
  const auto space = route.find(' ');
  std::string pattern;
  const auto* found = operation(route.substr(0, space), route.substr(space + 1), pattern);
  if (!found) {
    EXPECT_TRUE(response.status == 404 || response.status == 405) << route << " is not documented";
    return;
  }
  const auto& responses = found->at("responses").get_object();
  const auto* expected = responses.if_contains(std::to_string(response.status));
  if (!expected) {
    EXPECT_GE(response.status, 400) << route << ": this success is not documented";
    expected = responses.if_contains("default");
  } else {
    succeeded_.insert(route.substr(0, space + 1) + pattern);
  }
  const auto* content = expected->get_object().if_contains("content");
  if (!content) {
    EXPECT_EQ(response.body, "") << route;
    return;
  }
  const std::string type(response.header("content-type").substr(0, response.header("content-type").find(';')));
  const auto* media = content->get_object().if_contains(type);
  EXPECT_TRUE(media) << route << ": the type " << type << " is not documented";
  if (!media || type == "text/html") return;
  const auto& components = document_.at("components").at("schemas").get_object();
  for (std::size_t at = 0; at < response.body.size();) {
    const auto end = type == "application/x-ndjson" ? response.body.find('\n', at) : response.body.size();
    const auto value = json::parse(std::string_view(response.body).substr(at, end - at));
    EXPECT_TRUE(value) << route << ": " << response.body;
    if (!value) return;
    EXPECT_EQ(json::schema_fault(*value, media->at("schema"), components), "") << route << ": " << response.body;
    at = end == std::string::npos ? response.body.size() : end + 1;
  }
}

}  // namespace portolan::control::testing
