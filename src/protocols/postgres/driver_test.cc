#include "protocols/postgres/driver.h"

#include "net/event.h"
#include "net/tcp.h"
#include "protocols/postgres/test_peer.h"

namespace portolan::protocols::postgres {
namespace {

net::Task<> until_done(Setup& setup) {
  setup.client->disconnect();
  setup.server->disconnect();
  co_await setup.group.join();
}

CO_TEST(Driver, CarriesASessionAndPutsItsQueriesOnRecord) {
  Setup setup(co_await net::this_executor());
  co_await setup.client->send(text_of(ssl_request()));
  const std::string no_tls = co_await setup.client->raw(1);
  EXPECT_EQ(no_tls, "N");
  co_await setup.client->send(startup({{"user", "alice"}, {"database", "main"}, {"application_name", "psql"}}));
  const std::string asked = co_await setup.server->first_packet();
  EXPECT_EQ(asked, startup({{"user", "app"}, {"database", "main"}, {"application_name", "psql"}}));
  EXPECT_EQ(setup.session.client_, "psql");
  EXPECT_EQ(setup.session.database_, "main");

  const std::string version = msg('S',
                                  "server_version\0"
                                  "15.1\0"sv);
  co_await setup.server->send(kAuthenticationOk + version + msg('K', "\0\0\0\7secr"sv) + kReady);
  std::string got = co_await setup.client->next();
  EXPECT_EQ(got, "R\0\0\0\0"sv);
  got = co_await setup.client->next();
  EXPECT_EQ(got,
            "Sserver_version\0"
            "15.1\0"sv);
  got = co_await setup.client->next();
  CO_ASSERT_EQ(setup.session.cancels_->size(), 1u);
  const CancelKey offered = setup.session.cancels_->begin()->first;
  EXPECT_EQ(got, "K" + text_of(backend_key_data({offered.process, offered.secret})).substr(5))
      << "ours, not the server's";
  got = co_await setup.client->next();
  EXPECT_EQ(got, "ZI");

  co_await setup.client->send(msg('Q', z("select 1")));
  got = co_await setup.server->next();
  EXPECT_EQ(got, "Q" + z("select 1"));
  co_await setup.server->send(msg('C', z("SELECT 1")) + kReady);
  got = co_await setup.client->next();
  EXPECT_EQ(got, "C" + z("SELECT 1"));
  got = co_await setup.client->next();
  CO_ASSERT_EQ(setup.session.queries_.size(), 1u);
  EXPECT_EQ(setup.session.queries_[0].text, "select 1");
  EXPECT_EQ(setup.session.queries_[0].rows, 1u);

  co_await setup.client->send(msg('X'));
  setup.client->half_close();
  got = co_await setup.server->next();
  EXPECT_EQ(got, "X");
  got = co_await setup.server->next();
  EXPECT_EQ(got, "end");
  setup.server->half_close();
  co_await setup.group.join();
  CO_ASSERT_OK(*setup.outcome);
  EXPECT_EQ(setup.session.to_resource_, 14u + 5u);
  EXPECT_EQ(setup.session.from_resource_, 14u + 6u);
}

CO_TEST(Driver, NewerMinorVersionsAreNegotiatedDown) {
  Setup setup(co_await net::this_executor());
  std::string packet = startup({{"user", "alice"}, {"_pq_.future", "1"}});
  packet[7] = 2;  // 3.2
  co_await setup.client->send(packet);
  const std::string asked = co_await setup.server->first_packet();
  EXPECT_EQ(asked, startup({{"user", "app"}}));
  co_await setup.server->send(kAuthenticationOk + kReady);
  const std::string said = co_await setup.client->next();
  EXPECT_EQ(said, "v\0\3\0\0\0\0\0\1_pq_.future\0"sv);
  co_await until_done(setup);
}

// What opens like a start-up packet and is none, of every small size, and lengths that lie.
CO_TEST(Driver, MalformedStartUpPackets) {
  const auto executor = co_await net::this_executor();
  std::vector<std::string> packets;
  for (std::uint32_t size = 0; size <= 64; ++size) {
    for (const char fill : {'\0', 'x', '\xff'}) {
      ByteWriter writer;
      writer.u32(size);
      if (size >= 8) writer.u32(196608);
      std::string packet = text_of(writer.take());
      packet.resize(std::max<std::size_t>(packet.size(), size), fill);
      packets.push_back(std::move(packet));
    }
  }
  for (const std::uint32_t lie : {10'001u, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
    ByteWriter writer;
    writer.u32(lie);
    writer.u32(196608);
    packets.push_back(text_of(writer.take()) + std::string(1000, 'x'));
  }
  for (int i = 0; i < 4; ++i)
    packets.push_back(text_of(ssl_request()) + text_of(ssl_request()) + text_of(ssl_request()) +
                      text_of(ssl_request()));
  for (const std::string& packet : packets) {
    Setup setup(executor);
    co_await setup.client->send(packet);
    setup.client->half_close();
    co_await setup.group.join();
    CO_ASSERT_TRUE(setup.outcome.has_value());
    EXPECT_FALSE(setup.outcome->has_value()) << hex(as_bytes(packet));
    EXPECT_EQ(setup.session.dials_, 0) << hex(as_bytes(packet));
  }
}

CO_TEST(Driver, AStartUpPacketThatIsRefusedSaysWhy) {
  struct Case {
    std::string packet;
    std::vector<std::string_view> said;
  };
  std::string protocol2 = startup({{"user", "alice"}});
  protocol2[5] = 2;
  const Case cases[] = {
      {"\0\0\0\7"s, {"08P01", "start-up packet", "hop: egress", "trace-test"}},
      {protocol2, {"0A000", "2.0"}},
      {startup({{"user", "alice"}, {"replication", "database"}}), {"0A000", "replication"}},
      {startup({{"user", "alice"}, {"database", "other"}}), {"3D000", "billing", "main", "other"}},
  };
  for (const Case& c : cases) {
    Setup setup(co_await net::this_executor());
    setup.session.granted_.settings["database"] = "main";
    co_await setup.client->send(c.packet);
    const std::string said = co_await setup.client->next();
    for (std::string_view part : c.said) expect_contains(said, {part});
    EXPECT_EQ(setup.session.dials_, 0);
    co_await until_done(setup);
  }
}

CO_TEST(Driver, AWebPageIsTurnedAwayWithoutAWord) {
  Setup setup(co_await net::this_executor());
  co_await setup.client->send("GET / HTTP/1.1\r\nHost: localhost:15432\r\n\r\n");
  co_await setup.group.join();
  const std::string said = co_await setup.client->raw(1);
  EXPECT_EQ(said, "");
  CO_ASSERT_ERROR(*setup.outcome, Code::kProtocol);
  EXPECT_EQ(setup.session.dials_, 0);
}

CO_TEST(Driver, FailuresAtTheResourceReachTheClient) {
  struct Case {
    std::string_view name;
    std::string_view tls;
    std::string answer;  // to the first packet
    std::vector<std::string_view> said;
  };
  const Case cases[] = {
      {"wrong password",
       "disable",
       msg('E', "SFATAL\0C28P01\0Mpassword authentication failed\0\0"sv),
       {"28P01", "Portolan: sign in as \"app\" to resource \"billing\"", "password authentication failed",
        "hop: resource", "trace-test"}},
      {"no such database",
       "disable",
       kAuthenticationOk + msg('E', "SFATAL\0C3D000\0Mdatabase \"x\" does not exist\0\0"sv),
       {"3D000", "does not exist"}},
      {"no TLS", "require", "N", {"28000", "reach resource \"billing\"", "does not speak TLS", "hop: resource"}},
      {"bytes before TLS", "require", "S" + kAuthenticationOk, {"08P01", "before the TLS handshake"}},
      {"neither yes nor no", "prefer", "X", {"08P01", "request for TLS"}},
      {"it hangs up", "disable", "", {"08006", "hop: resource"}},
  };
  for (const Case& c : cases) {
    Setup setup(co_await net::this_executor());
    setup.session.granted_.settings["tls"] = c.tls;
    co_await setup.client->send(startup({{"user", "alice"}}));
    [[maybe_unused]] const auto asked = co_await setup.server->first_packet();
    co_await setup.server->send(c.answer);
    setup.server->half_close();
    const std::string said = co_await setup.client->next();
    for (std::string_view part : c.said) expect_contains(said, {part});
    EXPECT_FALSE(said.contains("pencil"));
    setup.client->half_close();
    co_await setup.group.join();
    CO_ASSERT_TRUE(setup.outcome.has_value());
    CO_ASSERT_TRUE(!setup.outcome->has_value());
    EXPECT_EQ(setup.outcome->error().hop, Hop::kResource) << c.name;
  }
}

CO_TEST(Driver, AResourceThatIsDown) {
  Setup setup(co_await net::this_executor());
  setup.session.resource_.reset();
  co_await setup.client->send(startup({{"user", "alice"}}));
  const std::string said = co_await setup.client->next();
  expect_contains(said, {"08006", "connection refused", "hop: resource", "Trying again can help"});
  co_await until_done(setup);
}

CO_TEST(Driver, PrefersTlsButGoesWithout) {
  Setup setup(co_await net::this_executor());
  setup.session.granted_.settings.clear();
  co_await setup.client->send(startup({{"user", "alice"}}));
  const std::string asked = co_await setup.server->first_packet();
  EXPECT_EQ(asked, text_of(ssl_request()));
  co_await setup.server->send("N");
  const std::string start = co_await setup.server->first_packet();
  EXPECT_EQ(start, startup({{"user", "app"}}));
  co_await until_done(setup);
}

const Error kRevoked{Code::kDenied, "access to \"billing\" was taken away", "revoked", Hop::kControlPlane};

CO_TEST(Driver, StoppedWhileIdle) {
  Setup setup(co_await net::this_executor());
  co_await setup.sign_in();
  setup.session.stop_.stop(kRevoked);
  const std::string said = co_await setup.client->next();
  expect_contains(said, {"FATAL", "57P01", "terminating connection: Portolan: access to \"billing\" was taken away",
                         "revoked", "control-plane"});
  const std::string end = co_await setup.client->next();
  EXPECT_EQ(end, "end");
  setup.client->disconnect();
  co_await setup.group.join();
  CO_ASSERT_ERROR(*setup.outcome, Code::kDenied);
  const std::string server_end = co_await setup.server->raw(1);
  EXPECT_EQ(server_end, "") << "the resource's side is just closed";
}

CO_TEST(Driver, StoppedWhileTheClientCopiesIn) {
  Setup setup(co_await net::this_executor());
  co_await setup.sign_in();
  co_await setup.client->send(msg('Q', z("copy t from stdin")));
  [[maybe_unused]] auto got = co_await setup.server->next();
  co_await setup.server->send(msg('G', "\0\0\0"sv));
  got = co_await setup.client->next();
  co_await setup.client->send(msg('d', "1\n") + "d\0\0\1\0half a row"s);
  got = co_await setup.server->next();
  setup.session.stop_.stop(kRevoked);
  const std::string said = co_await setup.client->next();
  expect_contains(said, {"57P01"});
  co_await setup.client->send(std::string(10'000, 'x'));  // it does not know yet, and must not be reset
  setup.client->half_close();
  co_await setup.group.join();
  CO_ASSERT_EQ(setup.session.queries_.size(), 1u);
  EXPECT_EQ(setup.session.queries_[0].text, "copy t from stdin");
  EXPECT_EQ(setup.session.queries_[0].error, "connection lost");
}

CO_TEST(Driver, StoppedWithinAMessageOfTheServer) {
  Setup setup(co_await net::this_executor());
  co_await setup.sign_in();
  const std::string row = msg('d', std::string(100, 'r'));
  co_await setup.client->send(msg('Q', z("copy t to stdout")));
  [[maybe_unused]] auto got = co_await setup.server->next();
  co_await setup.server->send(msg('H', "\0\0\0"sv) + row.substr(0, 3));
  got = co_await setup.client->next();
  setup.session.stop_.stop(kRevoked);
  co_await net::yield_to_loop();
  co_await setup.server->send(row.substr(3) + row);
  got = co_await setup.client->next();
  EXPECT_EQ(got, "d" + std::string(100, 'r')) << "the message under way is carried to its end";
  got = co_await setup.client->next();
  expect_contains(got, {"57P01"});
  co_await until_done(setup);
}

CO_TEST(Driver, StoppedWithinAMessageThatNeverEnds) {
  Setup setup(co_await net::this_executor());
  co_await setup.sign_in();
  co_await setup.client->send(msg('Q', z("copy t to stdout")));
  [[maybe_unused]] auto got = co_await setup.server->next();
  co_await setup.server->send("d\0\0\1\0half"s);
  got = co_await setup.client->raw(9);
  setup.session.stop_.stop(kRevoked);
  const std::string rest = co_await setup.client->raw(1);
  EXPECT_EQ(rest, "") << "nothing of ours in the middle of a message";
  co_await setup.group.join();
  CO_ASSERT_ERROR(*setup.outcome, Code::kDenied);
}

CO_TEST(Driver, AQueryThatCannotBeRecordedIsNotAnswered) {
  Setup setup(co_await net::this_executor());
  co_await setup.sign_in();
  setup.session.record_fails_ = Error{Code::kLimit, "the disk is full"};
  co_await setup.client->send(msg('Q', z("select secret")));
  [[maybe_unused]] auto got = co_await setup.server->next();
  co_await setup.server->send(msg('D', "secret") + msg('C', z("SELECT 1")) + kReady);
  const std::string said = co_await setup.client->next();
  expect_contains(said, {"58030", "cannot be put on record", "the disk is full", "hop: egress"});
  co_await until_done(setup);
  CO_ASSERT_ERROR(*setup.outcome, Code::kLimit);
}

CO_TEST(Driver, UnderStrictAuditAnAnswerWaitsForItsRecord) {
  Setup setup(co_await net::this_executor());
  setup.session.mode_ = audit::Mode::kStrict;
  co_await setup.sign_in();
  co_await setup.client->send(msg('Q', z("select 1")));
  [[maybe_unused]] auto got = co_await setup.server->next();
  co_await setup.server->send(msg('C', z("SELECT 1")) + kReady);
  while (setup.session.waiters_.empty()) co_await net::yield_to_loop();
  CO_ASSERT_EQ(setup.session.queries_.size(), 1u);
  const auto nothing = setup.client->stream().try_read();
  CO_ASSERT_OK(nothing);
  EXPECT_EQ(nothing->kind, net::Chunk::Kind::kWait) << "no byte before the record is on the disk";
  setup.session.keep();
  got = co_await setup.client->next();
  EXPECT_EQ(got, "C" + z("SELECT 1"));
  setup.client->disconnect();
  co_await setup.group.join();
}

CO_TEST(Driver, UnderStrictAuditAnAnswerWithoutARecordIsNotGiven) {
  Setup setup(co_await net::this_executor());
  setup.session.mode_ = audit::Mode::kStrict;
  co_await setup.sign_in();
  co_await setup.client->send(msg('Q', z("select secret")));
  [[maybe_unused]] auto got = co_await setup.server->next();
  co_await setup.server->send(msg('D', "secret") + msg('C', z("SELECT 1")) + kReady);
  while (setup.session.waiters_.empty()) co_await net::yield_to_loop();
  setup.session.keep(fail(Code::kIo, "the disk is gone"));
  const std::string said = co_await setup.client->next();
  expect_contains(said, {"58030", "cannot be put on record", "the disk is gone"});
  co_await until_done(setup);
  CO_ASSERT_ERROR(*setup.outcome, Code::kIo);
}

CO_TEST(Driver, UnderStrictAuditALongAnswerIsOnRecordBeforeItsFirstRow) {
  Setup setup(co_await net::this_executor());
  setup.session.mode_ = audit::Mode::kStrict;
  co_await setup.sign_in();
  co_await setup.client->send(msg('Q', z("select * from big")));
  [[maybe_unused]] auto got = co_await setup.server->next();
  co_await setup.server->send(msg('D', "row"));
  while (setup.session.waiters_.empty()) co_await net::yield_to_loop();
  CO_ASSERT_EQ(setup.session.queries_.size(), 1u);
  EXPECT_EQ(setup.session.queries_[0].stage, audit::Query::Stage::kUnderWay);
  EXPECT_EQ(setup.session.queries_[0].text, "select * from big");
  setup.session.keep();
  got = co_await setup.client->next();
  EXPECT_EQ(got, "Drow");
  co_await setup.server->send(msg('D', "row"));
  got = co_await setup.client->next();
  EXPECT_EQ(setup.session.queries_.size(), 1u) << "once";
  co_await setup.server->send(msg('C', z("SELECT 2")) + kReady);
  while (setup.session.waiters_.empty()) co_await net::yield_to_loop();
  CO_ASSERT_EQ(setup.session.queries_.size(), 2u);
  EXPECT_EQ(setup.session.queries_[1].stage, audit::Query::Stage::kOver);
  EXPECT_EQ(setup.session.queries_[1].rows, 2u);
  setup.client->disconnect();
  co_await setup.group.join();
}

CO_TEST(Driver, BrokenMessagesEndTheSession) {
  for (const std::string& bad : {msg('p', "password"), msg('z'), "Q\0\0\0\3"s, "Q\x80\0\0\0"s, msg('Q', "no end")}) {
    Setup setup(co_await net::this_executor());
    co_await setup.sign_in();
    co_await setup.client->send(bad);
    const std::string said = co_await setup.client->next();
    expect_contains(said, {"FATAL", "08P01", "hop: egress"});
    const std::string passed = co_await setup.server->raw(1);
    EXPECT_EQ(passed, "") << "it is not passed on";
    co_await until_done(setup);
    CO_ASSERT_ERROR(*setup.outcome, Code::kProtocol);
  }
}

CO_TEST(Driver, AServerThatBreaksTheProtocolInMidSession) {
  Setup setup(co_await net::this_executor());
  co_await setup.sign_in();
  co_await setup.server->send("D\0\0\0\0"s);
  const std::string said = co_await setup.client->next();
  expect_contains(said, {"08P01"});
  co_await until_done(setup);
}

CO_TEST(Driver, ClientGone) {
  Setup setup(co_await net::this_executor());
  co_await setup.sign_in();
  co_await setup.client->send(msg('Q', z("select pg_sleep(60)")));
  [[maybe_unused]] auto got = co_await setup.server->next();
  setup.client->disconnect();
  co_await setup.group.join();
  CO_ASSERT_EQ(setup.session.queries_.size(), 1u);
  EXPECT_EQ(setup.session.queries_[0].error, "connection lost");
}

CO_TEST(Driver, AServerThatDiesEndsTheSessionAtOnce) {
  for (const bool busy : {false, true}) {
    Setup setup(co_await net::this_executor());
    co_await setup.sign_in();
    if (busy) {
      co_await setup.client->send(msg('Q', z("select 1")));
      [[maybe_unused]] const std::string asked = co_await setup.server->next();
    }
    setup.server->half_close();
    std::string said = co_await setup.client->next();
    expect_contains(said, {"08006", "the server has closed the connection", "hop: resource", "trace-test"});
    said = co_await setup.client->next();
    EXPECT_EQ(said, "end");
    setup.client->disconnect();
    co_await setup.group.join();
    CO_ASSERT_ERROR(*setup.outcome, Code::kEof);
    CO_ASSERT_EQ(setup.session.queries_.size(), busy ? 1u : 0u);
    if (busy) EXPECT_EQ(setup.session.queries_[0].error, "connection lost");
  }
}

CO_TEST(Driver, AServerThatSaysWhyItEndsASessionIsLeftTheLastWord) {
  Setup setup(co_await net::this_executor());
  co_await setup.sign_in();
  const std::string last = msg('E', z("SFATAL") + z("VFATAL") + z("C57P01") + z("Mshutting down") + z(""));
  co_await setup.server->send(last);
  setup.server->half_close();
  std::string said = co_await setup.client->next();
  expect_contains(said, {"57P01", "shutting down"});
  said = co_await setup.client->next();
  EXPECT_EQ(said, "end");
  setup.client->disconnect();
  co_await setup.group.join();
  EXPECT_EQ(setup.outcome->error().stable_code(), "resource_closed");
}

// What was asked before Terminate is answered, however slowly it is read.
CO_TEST(Driver, AfterTerminateTheLastAnswersStillArrive) {
  Setup setup(co_await net::this_executor(), 1024);
  co_await setup.sign_in();
  co_await setup.client->send(msg('Q', z("select 1")) + msg('X'));
  [[maybe_unused]] std::string asked = co_await setup.server->next();
  asked = co_await setup.server->next();
  EXPECT_EQ(asked, "X");
  co_await setup.server->send(msg('C', z("SELECT 1")) + kReady);
  setup.server->half_close();
  std::string got = co_await setup.client->next();
  EXPECT_EQ(got, "C" + z("SELECT 1"));
  got = co_await setup.client->next();
  EXPECT_EQ(got, "ZI");
  got = co_await setup.client->next();
  EXPECT_EQ(got, "end");
  setup.client->half_close();
  co_await setup.group.join();
  CO_ASSERT_OK(*setup.outcome);
}

CO_TEST(Driver, AServerThatVanishesAfterTerminateIsAnOrdinaryEnd) {
  for (const bool terminates : {true, false}) {
    Setup setup(co_await net::this_executor());
    co_await setup.sign_in();
    if (terminates) {
      co_await setup.client->send(msg('X'));
      [[maybe_unused]] const auto got = co_await setup.server->next();
    }
    setup.server->disconnect();
    setup.client->half_close();
    co_await setup.group.join();
    CO_ASSERT_TRUE(setup.outcome.has_value());
    EXPECT_EQ(setup.outcome->has_value(), terminates);
  }
}

CO_TEST(Driver, ACancelRequestRunsTheOfferedCancel) {
  Setup setup(co_await net::this_executor());
  int ran = 0;
  const auto key = setup.session.offer_cancel([&ran]() -> net::Task<Result<>> {
    ++ran;
    co_return Result<>{};
  });
  co_await setup.client->send(text_of(cancel_request({key.process, key.secret})));
  const std::string said = co_await setup.client->raw(1);
  EXPECT_EQ(said, "") << "PostgreSQL answers a cancel with nothing";
  co_await setup.group.join();
  CO_ASSERT_OK(*setup.outcome);
  EXPECT_EQ(ran, 1);
  EXPECT_EQ(setup.session.dials_, 0);

  Setup unknown(co_await net::this_executor());
  co_await unknown.client->send(text_of(cancel_request({1, 2})));
  co_await unknown.group.join();
  CO_ASSERT_ERROR(*unknown.outcome, Code::kNotFound);
}

CO_TEST(Driver, TheOfferedCancelSendsTheServersOwnKey) {
  const auto executor = co_await net::this_executor();
  std::unique_ptr<Peer> cancelled;
  net::TaskGroup group(executor);
  std::string received;
  auto take = [](std::unique_ptr<net::Stream> stream, std::string& into) -> net::Task<> {
    Peer peer(std::move(stream));
    into = co_await peer.first_packet();
  };
  auto listener = net::listen_tcp(executor, {"127.0.0.1", 0}, [&](std::unique_ptr<net::TcpStream> stream) {
    group.spawn("cancel", take(std::move(stream), received));
  });
  CO_ASSERT_OK(listener);
  Setup setup(executor);
  setup.session.granted_.hosts = {{"127.0.0.1", (*listener)->local().port}};
  co_await setup.sign_in();
  CO_ASSERT_EQ(setup.session.cancels_->size(), 1u);
  const auto cancel = setup.session.cancels_->begin()->second;
  co_await until_done(setup);  // it may still be called
  const auto done = co_await cancel();
  CO_ASSERT_OK(done);
  co_await group.join();
  EXPECT_EQ(received, text_of(cancel_request({7, 0x73656372})));
}

// As one whose pipe has no link just now: what it may no longer do ends at the server all the same, and at once.
CO_TEST(Driver, AQueryOfAClientThatTakesNothingInIsCancelledAtOnce) {
  const auto executor = co_await net::this_executor();
  net::Event cancelled(executor);
  net::TaskGroup group(executor);
  auto take = [](std::unique_ptr<net::Stream> stream, net::Event& done) -> net::Task<> {
    Peer peer(std::move(stream));
    [[maybe_unused]] const auto packet = co_await peer.first_packet();
    done.set();
  };
  auto listener = net::listen_tcp(executor, {"127.0.0.1", 0}, [&](std::unique_ptr<net::TcpStream> stream) {
    group.spawn("cancel", take(std::move(stream), cancelled));
  });
  CO_ASSERT_OK(listener);
  Setup setup(executor, 1024);
  setup.session.granted_.hosts = {{"127.0.0.1", (*listener)->local().port}};
  co_await setup.sign_in();
  co_await setup.client->send(msg('Q', z("select 1")) + msg('Q', z("delete from t")));
  [[maybe_unused]] auto got = co_await setup.server->next();
  got = co_await setup.server->next();
  // The answer to the first fills what the client could take; the second runs.
  co_await setup.server->send(msg('N', "M" + z(std::string(1016, 'n')) + z("")));
  for (int i = 0; i < 10; ++i) co_await net::yield_to_loop();
  const auto begun = std::chrono::steady_clock::now();
  setup.session.stop_.stop(kRevoked);
  CO_ASSERT_OK(co_await cancelled.wait(5s));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 1s);
  co_await until_done(setup);
  co_await group.join();
}

}  // namespace
}  // namespace portolan::protocols::postgres
