// TLS as a stream: bytes, ends, back-pressure, memory, layers. Who is let in: tls_verify_test.cc.
#include "net/tls.h"

#include <sys/socket.h>
#include <unistd.h>
#include <cstdlib>
#include <filesystem>

#include "base/file.h"
#include "net/join.h"
#include "net/socket_stream.h"
#include "net/test_tls.h"
#include "net/tls_connection.h"

namespace portolan::net {
namespace {

using namespace std::chrono_literals;
using boost::asio::this_coro::executor;
using testing::Pki;
using testing::Shaken;

Task<> shake_usual(Shaken& shaken) {
  const Pki pki;
  std::vector<TlsServerPurpose> purposes;
  purposes.push_back(pki.server_options());
  co_await testing::shake(pki.client_options(), std::move(purposes), shaken);
}

// Over TCP on loopback.
Task<Result<StreamPair>> tcp_pair() {
  StreamPair pair;
  auto listener = listen_tcp(co_await executor, {"127.0.0.1", 0},
                             [&](std::unique_ptr<TcpStream> stream) { pair.second = std::move(stream); });
  if (!listener) co_return std::unexpected(listener.error());
  CO_TRY(pair.first, co_await dial_tcp((*listener)->local(), 1s));
  while (!pair.second) co_await yield_to_loop();
  co_return pair;
}

Task<> shake_over(StreamPair below, Shaken& shaken) {
  const Pki pki;
  auto client = TlsClient::make(pki.client_options());
  CO_ASSERT_OK(client);
  std::vector<TlsServerPurpose> purposes;
  purposes.push_back(pki.server_options());
  auto server = TlsServer::make(std::move(purposes));
  CO_ASSERT_OK(server);
  co_await testing::shake_pair(*client, *server, std::move(below), shaken);
}

CO_TEST(Tls, ShakesHandsWithBothCertificates) {
  Shaken shaken;
  co_await shake_usual(shaken);
  CO_ASSERT_OK(shaken.client);
  CO_ASSERT_OK(shaken.server);
  auto& client = **shaken.client;
  auto& server = **shaken.server;
  CO_ASSERT_TRUE(client.peer().has_value());
  CO_ASSERT_TRUE(server.peer().has_value());
  EXPECT_EQ(client.peer()->identity().value_or(""), testing::kNode);
  EXPECT_EQ(server.peer()->identity().value_or(""), testing::kUser);
  EXPECT_EQ(client.alpn(), "portolan-user");
  EXPECT_EQ(server.alpn(), "portolan-user");
  EXPECT_EQ(client.describe(), "tls memory");
  EXPECT_EQ(SSL_version(static_cast<TlsConnection&>(client).ssl()), TLS1_3_VERSION);
}

// Only builds for tests may give their keys away.
CO_TEST(Tls, WritesKeysInTestBuildsOnly) {
  const auto path = std::filesystem::temp_directory_path() / ("portolan-keys-" + std::to_string(::getpid()));
  ::setenv("SSLKEYLOGFILE", path.c_str(), 1);
  Shaken shaken;
  co_await shake_usual(shaken);
  ::unsetenv("SSLKEYLOGFILE");
  EXPECT_TRUE(shaken.both());
#ifdef PORTOLAN_KEYLOG
  const auto keys = read_file(path);
  CO_ASSERT_OK(keys);
  EXPECT_NE(keys->find("CLIENT_TRAFFIC_SECRET_0 "), std::string::npos);
#endif
  const bool written = std::filesystem::remove(path);
#ifndef PORTOLAN_KEYLOG
  EXPECT_FALSE(written);
#else
  EXPECT_TRUE(written);
#endif
}

CO_TEST(Tls, ExportersAgreeAndDifferByConnection) {
  Shaken one;
  co_await shake_usual(one);
  Shaken two;
  co_await shake_usual(two);
  CO_ASSERT_TRUE(one.both() && two.both());
  const auto here = (*one.client)->exporter("EXPORTER-portolan-binding", 32);
  EXPECT_EQ(here.size(), 32U);
  EXPECT_EQ(here, (*one.server)->exporter("EXPORTER-portolan-binding", 32));
  EXPECT_NE(here, (*one.server)->exporter("EXPORTER-portolan-other", 32));
  EXPECT_NE(here, (*two.server)->exporter("EXPORTER-portolan-binding", 32));
}

CO_TEST(Tls, CarriesTwentyMegabytesInMemory) {
  const auto before = blocks_in_use();
  Shaken shaken;
  co_await shake_usual(shaken);
  CO_ASSERT_TRUE(shaken.both());
  EXPECT_EQ(blocks_in_use(), before);
  co_await testing::exchange(**shaken.client, **shaken.server, 10'000'000);
  EXPECT_EQ(blocks_in_use(), before);
}

CO_TEST(Tls, CarriesTwentyMegabytesOverTcp) {
  const auto before = blocks_in_use();
  auto below = co_await tcp_pair();
  CO_ASSERT_OK(below);
  Shaken shaken;
  co_await shake_over(std::move(*below), shaken);
  CO_ASSERT_OK(shaken.client);
  CO_ASSERT_OK(shaken.server);
  co_await testing::exchange(**shaken.client, **shaken.server, 10'000'000);
  EXPECT_EQ(blocks_in_use(), before);
}

CO_TEST(Tls, InTls) {
  const auto before = blocks_in_use();
  auto below = co_await tcp_pair();
  CO_ASSERT_OK(below);
  Shaken outer;
  co_await shake_over(std::move(*below), outer);
  CO_ASSERT_TRUE(outer.both());
  Shaken inner;
  co_await shake_over({std::move(*outer.client), std::move(*outer.server)}, inner);
  CO_ASSERT_TRUE(inner.both());
  EXPECT_EQ((*inner.client)->describe().substr(0, 8), "tls tls ");
  co_await testing::exchange(**inner.client, **inner.server, 3'000'000);
  EXPECT_EQ(blocks_in_use(), before);
}

CO_TEST(Tls, Joins) {
  Shaken left;
  co_await shake_usual(left);
  Shaken right;
  co_await shake_usual(right);
  CO_ASSERT_TRUE(left.both() && right.both());
  std::optional<Joined> joined;
  auto run = [](Stream& a, Stream& b, std::optional<Joined>& to) -> Task<> { to = co_await join(a, b, {}); };
  TaskGroup group(co_await executor);
  group.spawn("join", run(**left.server, **right.client, joined));
  co_await testing::exchange(**left.client, **right.server, 3'000'000);
  co_await group.join();
  CO_ASSERT_TRUE(joined.has_value());
  CO_ASSERT_OK(joined->outcome);
  EXPECT_EQ(joined->forward, 3'000'000U);
}

CO_TEST(Tls, HalfCloseLeavesTheOtherDirection) {
  Shaken shaken;
  co_await shake_usual(shaken);
  CO_ASSERT_TRUE(shaken.both());
  auto wrote = co_await write(**shaken.client, as_bytes("question"));
  CO_ASSERT_OK(wrote);
  EXPECT_GT((*shaken.client)->unsent(), 0U);
  auto finished = co_await finish(**shaken.client, 1s);
  CO_ASSERT_OK(finished);
  EXPECT_EQ((*shaken.client)->unsent(), 0U);
  Reader reader(**shaken.server);
  auto taken = co_await reader.take(8);
  CO_ASSERT_OK(taken);
  EXPECT_EQ(as_text(*taken), "question");
  auto end = co_await read(**shaken.server);
  CO_ASSERT_OK(end);
  EXPECT_TRUE(end->empty());
  wrote = co_await write(**shaken.server, as_bytes("answer"));
  CO_ASSERT_OK(wrote);
  auto got = co_await read(**shaken.client);
  CO_ASSERT_OK(got);
  EXPECT_EQ(as_text(got->data()), "answer");
  wrote = co_await write(**shaken.client, as_bytes("x"));
  CO_ASSERT_ERROR(wrote, Code::kInternal);
  finished = co_await finish(**shaken.server, 1s);
  CO_ASSERT_OK(finished);
  end = co_await read(**shaken.client);
  CO_ASSERT_OK(end);
  EXPECT_TRUE(end->empty());
}

// Whoever can cut a connection must not be able to make a part look like the whole.
CO_TEST(Tls, ATruncatedStreamIsNoEnd) {
  auto below = co_await tcp_pair();
  CO_ASSERT_OK(below);
  const int fd = static_cast<SocketStream&>(*below->first).fd();
  Shaken shaken;
  co_await shake_over(std::move(*below), shaken);
  CO_ASSERT_TRUE(shaken.both());
  auto wrote = co_await write(**shaken.client, as_bytes("part"));
  CO_ASSERT_OK(wrote);
  while ((*shaken.client)->unsent() > 0) co_await yield_to_loop();
  ::shutdown(fd, SHUT_WR);
  auto got = co_await read(**shaken.server);
  CO_ASSERT_OK(got);
  EXPECT_EQ(as_text(got->data()), "part");
  got = co_await read(**shaken.server);
  CO_ASSERT_ERROR(got, Code::kEof);
  EXPECT_NE(got.error().message.find("truncated"), std::string::npos) << got.error().message;
  got = co_await read(**shaken.server);
  CO_ASSERT_ERROR(got, Code::kEof);
}

CO_TEST(Tls, DestructionWithoutGoodbyeIsAnError) {
  Shaken shaken;
  co_await shake_usual(shaken);
  CO_ASSERT_TRUE(shaken.both());
  shaken.client->reset();
  auto got = co_await read(**shaken.server);
  CO_ASSERT_ERROR(got, Code::kIo);
  auto wrote = co_await write(**shaken.server, Bytes(1'000'000));
  CO_ASSERT_ERROR(wrote, Code::kIo);
}

// Passes bytes on, with one bit turned once `turn_at` bytes have gone.
class Tampering : public Stream {
 public:
  explicit Tampering(std::unique_ptr<Stream> below) : below_(std::move(below)) {}
  bool turn = false;
  Result<Chunk> try_read() override { return below_->try_read(); }
  Result<std::size_t> try_write(ByteView bytes) override {
    Bytes copy(bytes.begin(), bytes.end());
    if (turn && !copy.empty()) copy.back() ^= std::byte{1};
    return below_->try_write(copy);
  }
  Result<> shutdown_send() override { return below_->shutdown_send(); }
  std::size_t unsent() const override { return below_->unsent(); }
  void on_readable(Ready ready) override { below_->on_readable(std::move(ready)); }
  void on_writable(Ready ready) override { below_->on_writable(std::move(ready)); }
  void cancel_readable() override { below_->cancel_readable(); }
  void cancel_writable() override { below_->cancel_writable(); }
  const Executor& executor() const override { return below_->executor(); }
  std::string describe() const override { return below_->describe(); }

 private:
  std::unique_ptr<Stream> below_;
};

CO_TEST(Tls, AnAlteredRecordIsRefusedAndThePeerIsTold) {
  auto below = memory_pair(co_await executor);
  auto tampering = std::make_unique<Tampering>(std::move(below.first));
  auto& wire = *tampering;
  below.first = std::move(tampering);
  Shaken shaken;
  co_await shake_over(std::move(below), shaken);
  CO_ASSERT_TRUE(shaken.both());
  wire.turn = true;
  auto wrote = co_await write(**shaken.client, as_bytes("text"));
  CO_ASSERT_OK(wrote);
  auto got = co_await read(**shaken.server);
  CO_ASSERT_ERROR(got, Code::kProtocol);
  got = co_await read(**shaken.client);
  CO_ASSERT_ERROR(got, Code::kProtocol);
  EXPECT_NE(got.error().message.find("the peer refused"), std::string::npos) << got.error().message;
}

CO_TEST(Tls, AStoppedReaderStopsItsWriter) {
  const auto before = blocks_in_use();
  Shaken shaken;
  co_await shake_usual(shaken);
  CO_ASSERT_TRUE(shaken.both());
  auto& client = **shaken.client;
  std::size_t sent = 0;
  int refused = 0;
  while (refused < 5) {
    auto accepted = client.try_write(Bytes(10'000));
    CO_ASSERT_OK(accepted);
    sent += *accepted;
    if (*accepted == 0) ++refused;
    co_await yield_to_loop();
  }
  EXPECT_LT(sent, 300'000U);
  bool writable = false;
  client.on_writable([&] { writable = true; });
  co_await yield_to_loop();
  EXPECT_FALSE(writable);
  std::size_t received = 0;
  while (received < sent) {
    auto got = co_await read(**shaken.server);
    CO_ASSERT_OK(got);
    received += got->size();
  }
  EXPECT_EQ(received, sent);
  EXPECT_TRUE(writable);
  EXPECT_EQ(blocks_in_use(), before);
}

CO_TEST(Tls, ManySmallWritesLeaveTogether) {
  auto below = co_await tcp_pair();
  CO_ASSERT_OK(below);
  Shaken shaken;
  co_await shake_over(std::move(*below), shaken);
  CO_ASSERT_TRUE(shaken.both());
  for (int i = 0; i < 100; ++i) {
    auto accepted = (*shaken.client)->try_write(as_bytes("ten bytes."));
    CO_ASSERT_OK(accepted);
  }
  auto waited = co_await wait_readable(**shaken.server);
  CO_ASSERT_OK(waited);
  auto chunk = (*shaken.server)->try_read();
  CO_ASSERT_OK(chunk);
  EXPECT_EQ(chunk->buffer.size(), 1000U);
}

CO_TEST(Tls, RenewsItsKeys) {
  Shaken shaken;
  co_await shake_usual(shaken);
  CO_ASSERT_TRUE(shaken.both());
  static_cast<TlsConnection&>(**shaken.client).set_records_per_key(7);
  static_cast<TlsConnection&>(**shaken.server).set_records_per_key(5);
  co_await testing::exchange(**shaken.client, **shaken.server, 1'000'000);
}

CO_TEST(Tls, AnswersAFloodOfKeyUpdatesWithoutGrowing) {
  Shaken shaken;
  co_await shake_usual(shaken);
  CO_ASSERT_TRUE(shaken.both());
  auto& client = static_cast<TlsConnection&>(**shaken.client);
  auto& server = **shaken.server;
  // The client asks for new keys with each record, and never reads an answer.
  for (int i = 0; i < 20'000; ++i) {
    SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED);
    auto accepted = client.try_write(as_bytes("x"));
    CO_ASSERT_OK(accepted);
    co_await yield_to_loop();
    auto chunk = server.try_read();
    if (!chunk || *accepted == 0) break;
  }
  EXPECT_LT(server.unsent(), 80'000U);
  // It then takes the answers, and both go on.
  Result<> wrote = fail(Code::kInternal, "not done");
  auto send = [](Stream& stream, Result<>& result) -> Task<> { result = co_await write(stream, as_bytes("end")); };
  auto drain = [](Stream& stream, char last) -> Task<> {
    while (true) {
      auto got = co_await read(stream);
      CO_ASSERT_OK(got);
      if (as_text(got->data()).ends_with(last)) co_return;
    }
  };
  TaskGroup group(co_await executor);
  group.spawn("client reads", drain(client, 'd'));
  group.spawn("server reads", drain(server, 'd'));
  group.spawn("client writes", send(client, wrote));
  Result<> answered = fail(Code::kInternal, "not done");
  group.spawn("server writes", send(server, answered));
  co_await group.join();
  CO_ASSERT_OK(wrote);
  CO_ASSERT_OK(answered);
}

CO_TEST(Tls, CancellationAndDestructionCallNobody) {
  Shaken shaken;
  co_await shake_usual(shaken);
  CO_ASSERT_TRUE(shaken.both());
  int calls = 0;
  (*shaken.server)->on_readable([&] { calls += 1; });
  (*shaken.server)->cancel_readable();
  auto wrote = co_await write(**shaken.client, as_bytes("x"));
  CO_ASSERT_OK(wrote);
  for (int i = 0; i < 5; ++i) co_await yield_to_loop();
  EXPECT_EQ(calls, 0);
  (*shaken.server)->on_readable([&] { calls += 10; });
  (*shaken.server)->on_writable([&] { calls += 100; });
  shaken.server->reset();
  for (int i = 0; i < 5; ++i) co_await yield_to_loop();
  EXPECT_EQ(calls, 0);
}

// A waiter may destroy the stream that calls it.
CO_TEST(Tls, MayBeDestroyedByItsWaiter) {
  Shaken shaken;
  co_await shake_usual(shaken);
  CO_ASSERT_TRUE(shaken.both());
  bool destroyed = false;
  (*shaken.server)->on_readable([&] {
    shaken.server->reset();
    destroyed = true;
  });
  auto wrote = co_await write(**shaken.client, as_bytes("x"));
  CO_ASSERT_OK(wrote);
  while (!destroyed) co_await yield_to_loop();
}

}  // namespace
}  // namespace portolan::net
