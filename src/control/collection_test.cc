// Lists of the directory: pages in every order, filters, and what a watch sends.
#include "control/collection.h"

#include <gtest/gtest.h>

#include "control/test_plane.h"

namespace portolan::control {
namespace {

using testing::LineSink;
using testing::TestPlane;

// Resources a…e with ports 5…1, of which b and d are of env prod.
net::Task<Result<>> make_resources(TestPlane& test) {
  int port = 5;
  for (const char* name : {"a", "b", "c", "d", "e"}) {
    api::ResourceCreate request{
        .name = name, .type = "tcp", .host = "db.example", .port = static_cast<std::uint16_t>(port--)};
    request.tags = TextMap{{"env", *name == 'b' || *name == 'd' ? "prod" : "dev"}};
    CO_CHECK(co_await test.post<api::ResourceView>("/v1/resources", std::move(request), test.admin));
  }
  co_return Result<>{};
}

// All names, page by page.
net::Task<std::string> names(TestPlane& test, std::map<std::string, std::string> query) {
  std::string out;
  for (int pages = 0; pages < 10; ++pages) {
    const auto page = co_await test.get<api::Page<api::ResourceView>>({"GET /v1/resources", query}, test.admin);
    if (!page) co_return page.error().message;
    for (const auto& resource : page->items) out += resource.name;
    if (!page->cursor) co_return out;
    query["cursor"] = *page->cursor;
    out += "|";
  }
  co_return "no end";
}

CO_TEST(Collection, PagesInEveryOrder) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await make_resources(test));
  CO_ASSERT_EQ(co_await names(test, {}), "abcde");
  CO_ASSERT_EQ(co_await names(test, {{"limit", "2"}}), "ab|cd|e");
  CO_ASSERT_EQ(co_await names(test, {{"limit", "2"}, {"order_by", "name desc"}}), "ed|cb|a");
  CO_ASSERT_EQ(co_await names(test, {{"limit", "2"}, {"order_by", "port"}}), "ed|cb|a");
  // Equal keys are told apart by the id, so that no page loses any.
  const auto equal = co_await names(test, {{"limit", "1"}, {"order_by", "host"}});
  EXPECT_EQ(equal.size(), 9U) << equal;
  CO_ASSERT_EQ(co_await names(test, {{"limit", "5"}}), "abcde");
}

CO_TEST(Collection, Filters) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await make_resources(test));
  CO_ASSERT_EQ(co_await names(test, {{"filter", "tags.env=prod"}}), "bd");
  CO_ASSERT_EQ(co_await names(test, {{"filter", "tags.env=prod port>2"}}), "b");
  CO_ASSERT_EQ(co_await names(test, {{"filter", "has_password=true"}}), "");
  CO_ASSERT_EQ(co_await names(test, {{"filter", "prod"}, {"limit", "1"}}), "b|d");
  CO_ASSERT_EQ(co_await names(test, {{"name", "c"}}), "c");
  CO_ASSERT_EQ(co_await names(test, {{"name", "c"}, {"filter", "port=1"}}), "");
  // What is kept of an object but not shown cannot be probed for.
  for (const std::map<std::string, std::string>& query :
       {std::map<std::string, std::string>{{"filter", "sealed_password~a"}},
        {{"order_by", "sealed_password"}},
        {{"filter", "name<b"}},
        {{"filter", "nmae=b"}},
        {{"cursor", ""}},
        {{"watch", "1"}, {"limit", "5"}},
        {{"watch", "2"}}}) {
    const auto response = co_await test.call({"GET /v1/resources", query}, test.admin);
    EXPECT_EQ(response.status, 400) << query.begin()->first << response.body;
  }
}

// A mistyped value must not look like an empty list.
CO_TEST(Collection, ValuesAndNamesThatThereAreNotAreRefused) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  struct Case {
    const char* list;
    std::map<std::string, std::string> query;
    int status;
    const char* says;
  };
  const Case cases[] = {
      {"accounts", {{"kind", "persn"}}, 400, "kind \\\"persn\\\": must be person or service"},
      {"accounts", {{"filter", "kind!=persn"}}, 400, "must be person or service"},
      {"nodes", {{"state", "upp"}}, 400, "must be up, down, new or revoked"},
      {"nodes", {{"kind", "gatewy"}}, 400, "must be gateway, relay, worker, bridge-worker or bridged-worker"},
      {"join-tokens", {{"kind", "gatewy"}}, 400, "must be gateway or relay"},
      {"grants", {{"state", "activ"}}, 400, "must be active, scheduled or ended"},
      {"resources", {{"type", "postgress"}}, 400, "postgres"},
      {"keys", {{"purpose", "people"}}, 400, "must be user, node, server, identity or sealing"},
      {"keys", {{"state", "old"}}, 400, "announced"},
      {"health/resources", {{"state", "ill"}}, 400, "must be healthy, unhealthy or unknown"},
      {"grants", {{"resource", "bilnig"}}, 404, "there is no resource \\\"bilnig\\\""},
      {"grants", {{"role", "dab"}}, 404, "there is no role"},
      {"memberships", {{"account", "an@example.com"}}, 404, "there is no account \\\"an@example.com\\\""},
      {"devices", {{"account", "an@example.com"}}, 404, "there is no account"},
      {"tokens", {{"account", "an@example.com"}}, 404, "there is no account"},
      {"accounts", {{"kind", "person"}}, 200, "admin@example.com"},
      {"accounts", {{"filter", "kind~pers"}}, 200, "admin@example.com"},
  };
  for (const auto& c : cases) {
    const auto response = co_await test.call({std::string("GET /v1/") + c.list, c.query}, test.admin);
    EXPECT_EQ(response.status, c.status) << c.list << " " << c.query.begin()->second << response.body;
    EXPECT_NE(response.body.find(c.says), std::string::npos) << c.says << " is not in " << response.body;
  }
}

// The password that is kept was given for one host and port.
CO_TEST(Collection, AKeptPasswordGoesToNoOtherHost) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  api::ResourceCreate request{.name = "billing", .type = "postgres", .host = "db.internal", .port = 1};
  request.username = "app";
  request.password = Secret("hunter2 hunter2");
  CO_ASSERT_OK(co_await test.post<api::ResourceView>("/v1/resources", std::move(request), test.admin));
  const auto patch = [&](std::string body) -> net::Task<net::http::Response> {
    co_return co_await test.call({"PATCH /v1/resources/billing", {}, std::move(body)}, test.admin);
  };
  for (const char* moved : {R"({"host":"evil.example"})", R"({"port":2})", R"({"host":"x","keep_password":false})",
                            R"({"settings":{"hosts":"evil.example"}})"}) {
    const auto refused = co_await patch(moved);
    EXPECT_EQ(refused.status, 400) << moved;
    EXPECT_NE(refused.body.find("\"password_not_kept\""), std::string::npos) << refused.body;
  }
  for (const char* fine :
       {R"({"host":"db.internal","port":1,"username":"app"})", R"({"host":"a","keep_password":true})",
        R"({"settings":{"hosts":"b"},"keep_password":true})", R"({"host":"b","settings":{}})",
        R"({"port":2,"password":"hunter2 hunter2"})", R"({"host":"b","password":""})", R"({"host":"c","port":3})"}) {
    const auto changed = co_await patch(fine);
    EXPECT_EQ(changed.status, 200) << fine << changed.body;
  }
}

struct Followed {
  explicit Followed(const net::Executor& executor) : sink(executor), tasks(executor) {}
  void start(TestPlane& test, std::map<std::string, std::string> query, testing::As as) {
    tasks.spawn("watch", test.watch({"GET /v1/resources", std::move(query)}, std::move(as), sink));
  }
  net::Task<std::string> next() {
    const auto line = co_await sink.next();
    if (!line) co_return line.error().message;
    const auto event = json::decode<api::ListEvent<api::ResourceView>>(*line, json::Unknown::kRefuse);
    if (!event) co_return event.error().message;
    co_return event->kind + " " + (event->item ? event->item->name : event->id.value_or(""));
  }
  net::Task<> end() {
    sink.leave();
    co_await tasks.join();
  }
  LineSink sink;
  net::TaskGroup tasks;
};

CO_TEST(Collection, AWatchListsAndGoesOn) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await make_resources(test));
  Followed watch(test.executor);
  watch.start(test, {{"watch", "1"}, {"filter", "tags.env=prod"}}, test.admin);
  std::set<std::string> there;
  there.insert(co_await watch.next());
  there.insert(co_await watch.next());
  EXPECT_EQ(there, (std::set<std::string>{"put b", "put d"}));
  CO_ASSERT_EQ(co_await watch.next(), "synced ");
  // Of no interest to this filter; then one that comes to fit, changes, no longer fits, and goes.
  const auto patch = [&](std::string path, std::string body) -> net::Task<int> {
    const auto response = co_await test.call({"PATCH /v1/resources/" + path, {}, std::move(body)}, test.admin);
    co_return response.status;
  };
  CO_ASSERT_EQ(co_await patch("a", R"({"port":77})"), 200);
  CO_ASSERT_EQ(co_await patch("c", R"({"tags":{"env":"prod"}})"), 200);
  CO_ASSERT_EQ(co_await watch.next(), "put c");
  CO_ASSERT_EQ(co_await patch("b", R"({"port":78})"), 200);
  CO_ASSERT_EQ(co_await watch.next(), "put b");
  CO_ASSERT_EQ(co_await patch("b", R"({"tags":{}})"), 200);
  CO_ASSERT_EQ((co_await watch.next()).substr(0, 10), "delete rs-");
  CO_ASSERT_EQ((co_await test.call({"DELETE /v1/resources/d"}, test.admin)).status, 204);
  CO_ASSERT_EQ((co_await watch.next()).substr(0, 10), "delete rs-");
  co_await watch.end();
}

CO_TEST(Collection, AWatchEndsWithThePermission) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  CO_ASSERT_OK(
      co_await test.get<api::AccountView>({"PATCH /v1/accounts/ann@example.com", {}, R"({"admin":true})"}, test.admin));
  const auto ann = co_await test.sign_in("ann@example.com");
  CO_ASSERT_OK(ann);
  Followed watch(test.executor);
  watch.start(test, {{"watch", "1"}}, ann->by_token);
  CO_ASSERT_EQ(co_await watch.next(), "synced ");
  CO_ASSERT_OK(co_await test.get<api::AccountView>({"PATCH /v1/accounts/ann@example.com", {}, R"({"admin":false})"},
                                                   test.admin));
  co_await watch.tasks.join();  // by itself
  EXPECT_EQ(watch.sink.body.find("put"), std::string::npos);
}

TEST(Changes, KnowsWhatItHasSeen) {
  Changes changes;
  changes.append(5, {{"roles", "r-1"}});
  changes.append(6, {{"roles", "r-2"}});
  EXPECT_EQ(changes.since(6, 6)->size(), 0U);
  EXPECT_EQ(changes.since(5, 6)->size(), 1U);
  EXPECT_EQ(changes.since(4, 6)->size(), 2U);
  EXPECT_FALSE(changes.since(3, 6));
  EXPECT_FALSE(changes.since(5, 7));
  EXPECT_FALSE(changes.since(7, 6));
  changes.append(9, {});  // after a gap nothing older is known
  EXPECT_FALSE(changes.since(6, 9));
  EXPECT_EQ(changes.since(8, 9)->size(), 1U);
}

}  // namespace
}  // namespace portolan::control
