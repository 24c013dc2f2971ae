// The document and the server say the same: every route is in it, every list takes the parameters it names, and (in
// TestPlane, for every answer of every test of this folder) every answer is as it says.
#include "control/openapi.h"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "control/operations.h"
#include "control/permissions.h"
#include "control/test_plane.h"

namespace portolan::control {
namespace {

using testing::TestPlane;

TEST(OpenApi, EveryRouteIsDescribedOnce) {
  std::vector<std::string> described;
  for (const auto& operation : operations()) described.emplace_back(operation.route);
  std::vector<std::string> permitted;
  for (const auto& permission : permissions()) permitted.emplace_back(permission.route);
  std::ranges::sort(described);
  std::ranges::sort(permitted);
  EXPECT_EQ(described, permitted);
}

// Nothing in the document points to nowhere, and no two operations share their name.
void check_references(const json::Value& value, const boost::json::object& components) {
  if (value.is_array())
    for (const auto& element : value.get_array()) check_references(element, components);
  if (!value.is_object()) return;
  for (const auto& member : value.get_object()) {
    if (member.key() == "$ref") {
      const std::string_view ref = member.value().get_string();
      EXPECT_TRUE(components.contains(ref.substr(ref.rfind('/') + 1))) << ref;
    } else {
      check_references(member.value(), components);
    }
  }
}

TEST(OpenApi, IsWhole) {
  const auto document = openapi_document();
  const auto& components = document.at("components").at("schemas").get_object();
  check_references(document, components);
  std::set<std::string> ids;
  for (const auto& path : document.at("paths").get_object())
    for (const auto& operation : path.value().get_object()) {
      const std::string id(operation.value().at("operationId").get_string());
      EXPECT_TRUE(ids.insert(id).second) << id;
      EXPECT_FALSE(operation.value().at("summary").get_string().empty()) << id;
    }
  EXPECT_EQ(ids.size(), permissions().size());
}

// A list names the parameters that it knows when it refuses one.
CO_TEST(OpenApi, ListsTakeWhatItSays) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  std::size_t lists = 0;
  for (const auto& operation : operations()) {
    const auto permission = find_permission(operation.route);
    if (operation.parameters.empty() || permission->who == Who::kNode) continue;
    const auto response = co_await test.call({std::string(operation.route), {{"nonsense", "1"}}}, test.admin);
    EXPECT_EQ(response.status, 400) << operation.route << response.body;
    const auto known = response.body.find("known are: ");
    CO_ASSERT_TRUE(known != std::string::npos);
    std::set<std::string> said;
    std::string list = response.body.substr(known + 11, response.body.find('"', known) - known - 11);
    for (std::size_t at = 0; at < list.size();) {
      const auto end = std::min(list.find(", ", at), list.size());
      said.insert(list.substr(at, end - at));
      at = end + 2;
    }
    std::set<std::string> documented;
    for (const auto& parameter : operation.parameters) documented.emplace(parameter.name);
    if (operation.line) documented.insert("watch");
    EXPECT_EQ(said, documented) << operation.route;
    ++lists;
  }
  EXPECT_GT(lists, 10U);
}

CO_TEST(OpenApi, IsServed) {
  TestPlane test(co_await net::this_executor());
  const auto response = co_await test.call({"GET /v1/openapi.json"});
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.header("content-type"), "application/json");
  EXPECT_EQ(response.body, json::print(openapi_document()));
}

}  // namespace
}  // namespace portolan::control
