#include "protocols/postgres/resource_side.h"

#include "protocols/postgres/server_state.h"
#include "protocols/postgres/test_peer.h"

namespace portolan::protocols::postgres {
namespace {

std::string told(std::string_view name, std::string_view value) { return msg('S', z(name) + z(value)); }

// What a server says on its own.
struct Kind {
  std::string greeting;
  std::string recovering, read_only;  // to a query; empty: none is expected
};
const Kind kPrimary{told("in_hot_standby", "off") + told("default_transaction_read_only", "off"), "", ""};
const Kind kStandby{told("in_hot_standby", "on") + told("default_transaction_read_only", "off"), "", ""};
const Kind kReadOnlyPrimary{told("in_hot_standby", "off") + told("default_transaction_read_only", "on"), "", ""};
const Kind kOldPrimary{told("server_version", "13.9"), "f", "off"};
const Kind kOldStandby{told("server_version", "13.9"), "t", "on"};

std::string one_value(std::string_view value) {
  ByteWriter row;
  row.u16(1);
  row.u32(static_cast<std::uint32_t>(value.size()));
  row.text(value);
  return msg('T', "\0\0"sv) + msg('D', as_text(row.view())) + msg('C', z("SELECT 1")) + kReady;
}

// Hosts that are played by the test, and a reach() for one of them.
struct Reaching {
  explicit Reaching(const net::Executor& executor, std::string attrs, std::size_t count) : group(executor) {
    if (!attrs.empty()) settings["target_session_attrs"] = std::move(attrs);
    settings["tls"] = "disable";
    for (std::size_t i = 0; i < count; ++i) {
      hosts.push_back({"db" + std::to_string(i + 1), 5432});
    }
  }
  // Each connection is played by `kinds`, or gets `error` in answer to its start-up.
  net::Task<> run(std::vector<std::optional<Kind>> kinds, std::string error = {}) {
    const Dial dial = [this, &kinds, &error](std::size_t host) -> net::Task<Result<std::unique_ptr<net::Stream>>> {
      dialled.push_back(host);
      if (!kinds[host] && error.empty()) co_return fail(Code::kIo, "connection refused", "connection_refused");
      auto [ours, theirs] = net::memory_pair(co_await net::this_executor());
      group.spawn("server", play(std::make_unique<Peer>(std::move(theirs)), kinds[host], error, said));
      co_return std::move(ours);
    };
    outcome =
        co_await reach({"billing", settings, hosts, tls_key, dial, 2s}, {.user = "app", .password = Secret("pencil")});
    if (*outcome) (*outcome)->stream.reset();
    co_await group.join();
  }
  static net::Task<> play(std::unique_ptr<Peer> peer, std::optional<Kind> kind, std::string error,
                          std::vector<std::string>& said) {
    [[maybe_unused]] const auto asked = co_await peer->first_packet();
    if (!kind) {
      co_await peer->send(error);
      co_return;
    }
    co_await peer->send(kAuthenticationOk + kind->greeting + kReady);
    for (;;) {
      const std::string next = co_await peer->next();
      if (next == "end" || next == "error") co_return;
      said.push_back(next);
      if (next == "Q" + z("SELECT pg_catalog.pg_is_in_recovery()")) co_await peer->send(one_value(kind->recovering));
      if (next == "Q" + z("SHOW transaction_read_only")) co_await peer->send(one_value(kind->read_only));
    }
  }
  std::string host() const { return *outcome ? (*outcome)->host.host : "none"; }

  Settings settings;
  Secret tls_key;
  std::vector<net::Endpoint> hosts;
  std::vector<std::size_t> dialled;
  std::vector<std::string> said;
  std::optional<Result<Reached>> outcome;
  net::TaskGroup group;
};

using Kinds = std::vector<std::optional<Kind>>;

CO_TEST(Reach, TheHostThatIsWanted) {
  struct Case {
    std::string attrs;
    Kinds hosts;
    std::string reached;
  };
  const Case cases[] = {
      {"", {kStandby, kPrimary}, "db1"},
      {"any", {kStandby, kPrimary}, "db1"},
      {"any", {std::nullopt, kPrimary}, "db2"},
      {"read-write", {kStandby, kReadOnlyPrimary, kPrimary}, "db3"},
      {"read-only", {kPrimary, kReadOnlyPrimary}, "db2"},
      {"read-only", {kPrimary, kStandby}, "db2"},
      {"primary", {kStandby, kReadOnlyPrimary}, "db2"},
      {"primary", {std::nullopt, kStandby, kPrimary}, "db3"},
      {"standby", {kPrimary, kStandby}, "db2"},
      {"prefer-standby", {kPrimary, kStandby}, "db2"},
      {"prefer-standby", {kPrimary, std::nullopt}, "db1"},
      {"prefer-standby", {std::nullopt, kPrimary}, "db2"},
      {"primary", {kOldStandby, kOldPrimary}, "db2"},
      {"read-write", {kOldStandby, kOldPrimary}, "db2"},
      {"standby", {kOldPrimary, kOldStandby}, "db2"},
  };
  for (const Case& c : cases) {
    Reaching reaching(co_await net::this_executor(), c.attrs, c.hosts.size());
    co_await reaching.run(c.hosts);
    EXPECT_EQ(reaching.host(), c.reached) << c.attrs;
  }
}

CO_TEST(Reach, NoneWillDo) {
  for (const char* attrs : {"primary", "read-write"}) {
    Reaching reaching(co_await net::this_executor(), attrs, 3);
    co_await reaching.run({kStandby, std::nullopt, kStandby});
    CO_ASSERT_TRUE(!reaching.outcome->has_value());
    const Error& why = reaching.outcome->error();
    EXPECT_EQ(why.hop, Hop::kResource);
    EXPECT_TRUE(why.retry_can_help());
    EXPECT_EQ(why.reason, "connection_refused") << "one that is away may be the one";
    expect_contains(why.message,
                    {"none of the 3 hosts", "db1:5432", "db2:5432: connection refused", "target_session_attrs"});
    EXPECT_EQ(reaching.said, (std::vector<std::string>{"X", "X"})) << "left in good order";
  }
  Reaching one(co_await net::this_executor(), "primary", 1);
  co_await one.run({kStandby});
  CO_ASSERT_TRUE(!one.outcome->has_value());
  EXPECT_EQ(one.outcome->error().reason, "wrong_server");
}

// Wrong passwords are not tried all over the place; a host that is starting is passed over.
CO_TEST(Reach, AHostThatRefusesUsEndsIt) {
  const auto error = [](std::string_view state) {
    return msg('E', z("SFATAL") + z("C" + std::string(state)) + z("Mno") + '\0');
  };
  Reaching refused(co_await net::this_executor(), "any", 2);
  co_await refused.run({std::nullopt, kPrimary}, error("28P01"));
  CO_ASSERT_ERROR(*refused.outcome, Code::kUnauthenticated);
  EXPECT_EQ(refused.dialled, (std::vector<std::size_t>{0}));
  Reaching starting(co_await net::this_executor(), "any", 2);
  co_await starting.run({std::nullopt, kPrimary}, error("57P03"));
  EXPECT_EQ(starting.host(), "db2");
}

CO_TEST(Reach, PreferringAStandbyPasswordsAreNotTriedTwice) {
  Reaching refused(co_await net::this_executor(), "prefer-standby", 2);
  co_await refused.run({kPrimary, std::nullopt}, msg('E', z("SFATAL") + z("C28P01") + z("Mno") + '\0'));
  CO_ASSERT_ERROR(*refused.outcome, Code::kUnauthenticated);
  EXPECT_EQ(refused.dialled, (std::vector<std::size_t>{0, 1}));
}

// What comes instead of the one value ends it, and costs little.
CO_TEST(Reach, ServersThatLieAboutThemselves) {
  ByteWriter two;
  two.u16(2);
  two.u32(1);
  two.text("f");
  for (const std::string& answer :
       {kReady, msg('D', as_text(two.view())) + kReady, msg('D', "\0\1\x7f\xff\xff\xff"sv) + kReady,
        msg('G', "\0\0\0"sv), msg('N', std::string(20'000, 'x'))}) {
    auto [ours, theirs] = net::memory_pair(co_await net::this_executor(), 1024 * 1024);
    Peer peer(std::move(theirs));
    co_await peer.send(answer);
    const auto suits = co_await serves(*ours, {}, Wanted::kPrimary);
    CO_ASSERT_ERROR(suits, Code::kProtocol);
  }
}

TEST(WantedServer, FromSettings) {
  EXPECT_EQ(wanted_server({}), Wanted::kAny);
  EXPECT_EQ(wanted_server({{"target_session_attrs", "prefer-standby"}}), Wanted::kPreferStandby);
  EXPECT_FALSE(wanted_server({{"target_session_attrs", "master"}}));
}

}  // namespace
}  // namespace portolan::protocols::postgres
