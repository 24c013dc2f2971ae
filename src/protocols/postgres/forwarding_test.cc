#include "protocols/postgres/forwarding.h"

#include "protocols/postgres/test_peer.h"

namespace portolan::protocols::postgres {
namespace {

Granted granted(Settings settings) {
  Granted out;
  out.name = "billing";
  out.email = "ann@example.com";
  out.settings = std::move(settings);
  return out;
}

TEST(Forwarding, Databases) {
  struct Case {
    Settings settings;
    std::string_view wish, user;
    std::optional<std::string> opened;
  };
  const Settings pinned = {{"database", "main"}};
  const Settings mapped = {{"databases", "app=app_prod, reports = reports_prod,plain"}};
  const Case cases[] = {
      {{}, "", "alice", ""},
      {{}, "sales", "alice", "sales"},
      {{}, "alice", "alice", "alice"},
      {pinned, "", "alice", "main"},
      {pinned, "main", "alice", "main"},
      {pinned, "alice", "alice", "main"},    // what psql asks for when the person names none
      {pinned, "billing", "alice", "main"},  // the resource's name
      {pinned, "sales", "alice", std::nullopt},
      {mapped, "app", "alice", "app_prod"},
      {mapped, "reports", "alice", "reports_prod"},
      {mapped, "plain", "alice", "plain"},
      {mapped, "reports", "reports", "reports_prod"},  // a name of the list before the usual one
      {mapped, "", "alice", "app_prod"},
      {mapped, "alice", "alice", "app_prod"},
      {mapped, "billing", "alice", "app_prod"},
      {mapped, "app_prod", "alice", std::nullopt},  // the server's own names are not asked for
      {mapped, "postgres", "alice", std::nullopt},
  };
  for (const Case& c : cases) {
    Startup asked{0, {{"user", std::string(c.user)}}};
    if (!c.wish.empty()) asked.parameters.emplace_back("database", c.wish);
    const auto chosen = choose_database(asked, granted(c.settings));
    EXPECT_EQ(chosen.has_value(), c.opened.has_value()) << c.wish;
    if (chosen && c.opened) {
      EXPECT_EQ(*chosen, *c.opened);
    }
    if (chosen) continue;
    EXPECT_EQ(chosen.error().reason, "sqlstate_3D000");
    if (c.settings == pinned) {
      expect_contains(chosen.error().message, {"resource \"billing\" opens only the database \"main\", not \"sales\""});
    } else {
      expect_contains(chosen.error().message, {"opens only the databases \"app\", \"reports\", \"plain\", not"});
    }
  }
  EXPECT_EQ(default_database({}), "");
  EXPECT_EQ(default_database(pinned), "main");
  EXPECT_EQ(default_database(mapped), "app_prod");
}

TEST(Forwarding, Parameters) {
  const Startup asked{0,
                      {{"user", "alice"},
                       {"database", "d"},
                       {"application_name", "psql"},
                       {"_pq_.new", "1"},
                       {"replication", "off"},
                       {"options", "-c geqo=off"}}};
  const auto forwarded = forwarded_parameters(asked, granted({}));
  ASSERT_TRUE(forwarded);
  EXPECT_EQ(*forwarded, (Parameters{{"application_name", "psql"}, {"options", "-c geqo=off"}}));
}

TEST(Forwarding, ReplicationWhereTheResourceAllowsIt) {
  for (std::string_view value : {"true", "on", "1", "yes", "database"}) {
    const Startup asked{0, {{"user", "alice"}, {"database", "other"}, {"replication", std::string(value)}}};
    for (const Settings& settings : {Settings{}, Settings{{"replication", "refuse"}}}) {
      const auto refused = forwarded_parameters(asked, granted(settings));
      ASSERT_FALSE(refused) << value;
      EXPECT_EQ(refused.error().reason, "sqlstate_0A000");
      EXPECT_FALSE(choose_database(asked, granted(settings))) << value;
    }
    const Granted allows = granted({{"replication", "allow"}, {"database", "main"}});
    const auto allowed = forwarded_parameters(asked, allows);
    ASSERT_TRUE(allowed) << value;
    const bool of_database = value == "database";
    EXPECT_EQ(*allowed, (Parameters{{"replication", of_database ? "database" : "true"}}));
    const auto opened = choose_database(asked, allows);
    EXPECT_EQ(opened.has_value(), !of_database) << "a database that is not the pinned one";
    if (opened) {
      EXPECT_EQ(*opened, "replication");
    }
  }
  for (std::string_view value : {"anything", "TRUE", "of"}) {
    const auto refused = forwarded_parameters({0, {{"user", "alice"}, {"replication", std::string(value)}}},
                                              granted({{"replication", "allow"}}));
    ASSERT_FALSE(refused) << value;
    EXPECT_EQ(refused.error().reason, "sqlstate_22023");
  }
}

TEST(Forwarding, TheApplicationsNameWithThePerson) {
  struct Case {
    std::string application, forwarded;
  };
  const Case cases[] = {{"", "ann@example.com"},
                        {"psql", "psql (ann@example.com)"},
                        {std::string(200, 'x'), std::string(45, 'x') + " (ann@example.com)"}};
  for (const Case& c : cases) {
    Startup asked{0, {{"user", "alice"}, {"geqo", "off"}}};
    if (!c.application.empty()) asked.parameters.emplace_back("application_name", c.application);
    const auto forwarded = forwarded_parameters(asked, granted({{"application_name", "append"}}));
    ASSERT_TRUE(forwarded);
    EXPECT_EQ(*forwarded, (Parameters{{"geqo", "off"}, {"application_name", c.forwarded}}));
  }
  Granted long_name = granted({{"application_name", "append"}});
  long_name.email = std::string(100, 'a');
  EXPECT_EQ(forwarded_parameters({0, {{"user", "a"}, {"application_name", "psql"}}}, long_name)->back().second.size(),
            63u);
}

TEST(Forwarding, WhoThePersonIsCannotBeSaidByTheClient) {
  const Granted named = granted({{"identity_variable", "portolan.user"}});
  const auto forwarded = forwarded_parameters(
      {0, {{"user", "alice"}, {"portolan.user", "bob"}, {"Portolan.User", "eve"}, {"options", "-c geqo=off"}}}, named);
  ASSERT_TRUE(forwarded);
  EXPECT_EQ(*forwarded, (Parameters{{"options", "-c geqo=off"}, {"portolan.user", "ann@example.com"}}));
  for (const char* options : {"-c portolan.user=bob", "-cportolan.user=bob", "--portolan.user=bob",
                              "--PORTOLAN.user=bob", "-c geqo=off -c p\\ortolan.us\\er=bob"}) {
    const auto refused = forwarded_parameters({0, {{"user", "alice"}, {"options", options}}}, named);
    ASSERT_FALSE(refused) << options;
    EXPECT_EQ(refused.error().reason, "sqlstate_42501");
  }
  const Granted other = granted({{"identity_variable", "my_app.the_user"}});
  EXPECT_FALSE(forwarded_parameters({0, {{"user", "alice"}, {"options", "--my-app.the-user=bob"}}}, other));
}

TEST(Forwarding, Settings) {
  struct Case {
    Settings settings;
    bool ok;
  };
  const Case cases[] = {
      {{}, true},
      {{{"replication", "allow"}}, true},
      {{{"replication", "yes"}}, false},
      {{{"application_name", "append"}}, true},
      {{{"application_name", "client"}}, true},
      {{{"application_name", "mine"}}, false},
      {{{"databases", "a"}}, true},
      {{{"databases", "a=b,c=d"}}, true},
      {{{"databases", "a=b,"}}, true},
      {{{"databases", "a=b,a=c"}}, false},
      {{{"databases", "=b"}}, false},
      {{{"databases", "a="}}, false},
      {{{"databases", ",a"}}, false},
      {{{"databases", "a"}, {"database", "a"}}, false},
      {{{"identity_variable", "portolan.user"}}, true},
      {{{"identity_variable", "a.b.c"}}, true},
      {{{"identity_variable", "role"}}, false},
      {{{"identity_variable", "session_authorization"}}, false},
      {{{"identity_variable", ".user"}}, false},
      {{{"identity_variable", "portolan."}}, false},
      {{{"identity_variable", "portolan..user"}}, false},
      {{{"identity_variable", "portolan.user name"}}, false},
      {{{"identity_variable", "portolan.1"}}, false},
  };
  for (const Case& c : cases) {
    const auto& [name, value] = c.settings.empty() ? std::pair<const std::string, std::string>() : *c.settings.begin();
    EXPECT_EQ(check_forwarding(c.settings).has_value(), c.ok) << name << "=" << value;
  }
  std::string many;
  for (int i = 0; i < 101; ++i) many += "d" + std::to_string(i) + ",";
  EXPECT_FALSE(check_forwarding({{"databases", many}}));
}

}  // namespace
}  // namespace portolan::protocols::postgres
