#include "protocols/postgres/test_peer.h"

namespace portolan::protocols::postgres {
namespace {

const Error kStopping{Code::kUnavailable, "gateway g1 is stopping", "node_stopping", Hop::kGateway};
const Error kLost{Code::kIo, "the link to gateway g1 was lost", "gateway_lost", Hop::kGateway};

// What a client is told after its session has begun with `first` and has been given these pieces.
net::Task<std::string> told_after(std::string first, std::vector<std::string> pieces, Error why) {
  auto [ours, theirs] = net::memory_pair(co_await net::this_executor());
  const auto onlooker = look_on(as_bytes(first));
  for (const std::string& piece : pieces) onlooker->passed(as_bytes(piece));
  co_await onlooker->say_why(*ours, std::move(why), "t-1", 20ms);
  ours.reset();
  Peer client(std::move(theirs));
  const std::string said = co_await client.next();
  co_return said;
}

const std::string kStart = startup({{"user", "alice"}});
const std::string kRow = msg('D', "\0\1\0\0\0\1x"sv);

CO_TEST(Onlooker, SpeaksBetweenMessages) {
  const std::vector<std::vector<std::string>> histories = {
      {},
      {"N"},
      {"N", "N" + kAuthenticationOk, kReady},
      {kAuthenticationOk + kReady},
      {kAuthenticationOk + kReady + kRow.substr(0, 3), kRow.substr(3)},
      {kAuthenticationOk.substr(0, 1), kAuthenticationOk.substr(1) + kReady, kRow + kRow},
      {kAuthenticationOk + kReady + msg('N', "SNOTICE\0\0"sv)},
  };
  for (const auto& history : histories) {
    const std::string said = co_await told_after(kStart, history, kStopping);
    expect_contains(said, {"SFATAL\0"sv, "C57P01\0"sv, "terminating connection: Portolan: gateway g1 is stopping\0"sv,
                           "hop: gateway; code: node_stopping; trace: t-1", "Trying again can help."});
  }
}

CO_TEST(Onlooker, TellsABreakFromAnIntention) {
  const std::string said = co_await told_after(kStart, {kAuthenticationOk + kReady}, kLost);
  expect_contains(said, {"SFATAL\0"sv, "C08006\0"sv, "was lost\0"sv, "code: gateway_lost", "can help"});
}

CO_TEST(Onlooker, IsSilentWhereNothingCanFollow) {
  const std::string tls_hello = "\x16\x03\x01";
  const std::vector<std::pair<std::string, std::vector<std::string>>> histories = {
      {kStart, {kAuthenticationOk + kReady + kRow.substr(0, 3)}},
      {kStart, {kAuthenticationOk + kReady + kRow.substr(0, kRow.size() - 1)}},
      {kStart, {kAuthenticationOk.substr(0, 1)}},
      {text_of(ssl_request()), {"S"}},
      {text_of(ssl_request()), {"S", "\x16\x03\x03"}},
      {tls_hello, {}},
      {tls_hello, {"\x16\x03\x03"}},
      {kStart, {"HTTP/1.1 400 Bad Request"}},
      {kStart, {kAuthenticationOk + "D\0\0\0\1"s}},  // a length that cannot be
  };
  for (const auto& [first, history] : histories) {
    const std::string said = co_await told_after(first, history, kStopping);
    EXPECT_EQ(said, "end") << quoted(first) << " " << history.size();
  }
}

// However a conversation is cut, it speaks at the ends of messages and nowhere else.
CO_TEST(Onlooker, FollowsAnyCut) {
  const std::vector<std::string> messages = {kAuthenticationOk, kReady, kRow, msg('C', "SELECT 1\0"sv), kReady};
  std::string all;
  std::set<std::size_t> ends = {0};
  for (const auto& message : messages) {
    all += message;
    ends.insert(all.size());
  }
  for (std::size_t cut = 0; cut <= all.size(); ++cut) {
    const std::string said =
        co_await told_after(kStart, {all.substr(0, cut / 2), all.substr(cut / 2, cut - cut / 2)}, kStopping);
    EXPECT_EQ(said != "end", ends.contains(cut)) << cut;
  }
}

}  // namespace
}  // namespace portolan::protocols::postgres
