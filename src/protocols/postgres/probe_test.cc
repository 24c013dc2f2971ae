#include "protocols/postgres/test_peer.h"

namespace portolan::protocols::postgres {
namespace {

net::Task<> probe_and_note(Target target, Dial dial, std::optional<Result<>>& outcome) {
  outcome = co_await net::with_timeout(probe(std::move(target), std::move(dial), 1s), 5s);
}

// The probe at one end of a memory pair, the test as the server at the other.
struct Probed {
  explicit Probed(const net::Executor& executor, Settings settings = {}) : group(executor) {
    auto [ours, theirs] = net::memory_pair(executor);
    server = std::make_unique<Peer>(std::move(ours));
    auto kept = std::make_shared<std::unique_ptr<net::Stream>>(std::move(theirs));
    const Dial dial = [kept](std::size_t) -> net::Task<Result<std::unique_ptr<net::Stream>>> {
      co_return std::move(*kept);
    };
    settings.emplace("tls", "disable");
    group.spawn("probe", probe_and_note({"billing", {{"db.example", 5432}}, settings, "app", Secret("pencil"), {}},
                                        dial, outcome));
  }
  std::string reason() const { return !outcome || *outcome ? "none" : outcome->error().reason; }

  std::unique_ptr<Peer> server;
  std::optional<Result<>> outcome;
  net::TaskGroup group;
};

std::string error_message(std::string_view state, std::string_view text) {
  return msg('E', z("SFATAL") + z("C" + std::string(state)) + z("M" + std::string(text)) + '\0');
}

CO_TEST(PostgresProbe, SignsInSyncsAndLeaves) {
  Probed probed(co_await net::this_executor(), {{"database", "ledger"}});
  const std::string first = co_await probed.server->first_packet();
  expect_contains(first, {"user\0app"sv, "database\0ledger"sv, "application_name\0portolan-health"sv});
  co_await probed.server->send(kAuthenticationOk + msg('K', "\0\0\0\7secr"sv) + kReady);
  auto got = co_await probed.server->next();
  EXPECT_EQ(got, "S");
  co_await probed.server->send(msg('N', "") + kReady);
  got = co_await probed.server->next();
  EXPECT_EQ(got, "X");
  got = co_await probed.server->next();
  EXPECT_EQ(got, "end");
  co_await probed.group.join();
  CO_ASSERT_OK(*probed.outcome);
}

CO_TEST(PostgresProbe, SaysWhatIsWrongByStableReasons) {
  const auto executor = co_await net::this_executor();
  const std::pair<const char*, const char*> cases[] = {{"28P01", "bad_credential"}, {"28000", "bad_credential"},
                                                       {"3D000", "no_database"},    {"53300", "too_many_connections"},
                                                       {"57P03", "starting"},       {"XX001", "sqlstate_XX001"}};
  for (const auto& [state, reason] : cases) {
    Probed probed(executor, {{"database", "ledger"}});
    [[maybe_unused]] const auto first = co_await probed.server->first_packet();
    co_await probed.server->send(error_message(state, "no\x1b[31m\n"));
    co_await probed.group.join();
    EXPECT_EQ(probed.reason(), reason);
    EXPECT_EQ(probed.outcome->error().message.find('\x1b'), std::string::npos);
    EXPECT_EQ(probed.outcome->error().hop, Hop::kResource);
  }
}

CO_TEST(PostgresProbe, WherePeopleChooseTheDatabaseNoneNeedHaveTheUsersName) {
  Probed probed(co_await net::this_executor());
  [[maybe_unused]] const auto first = co_await probed.server->first_packet();
  co_await probed.server->send(error_message("3D000", "database \"app\" does not exist"));
  co_await probed.group.join();
  CO_ASSERT_OK(*probed.outcome);
}

CO_TEST(PostgresProbe, AServerThatNeverComesToTheAnswerIsLeft) {
  Probed probed(co_await net::this_executor());
  [[maybe_unused]] const auto first = co_await probed.server->first_packet();
  co_await probed.server->send(kAuthenticationOk + kReady);
  [[maybe_unused]] const auto sync = co_await probed.server->next();
  co_await probed.server->send("N\x00\x10\x00\x00"s);  // a notice of a megabyte
  co_await probed.group.join();
  CO_ASSERT_ERROR(*probed.outcome, Code::kProtocol);
}

}  // namespace
}  // namespace portolan::protocols::postgres
