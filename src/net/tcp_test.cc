#include "net/tcp.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <filesystem>
#include <fstream>

#include <boost/asio/this_coro.hpp>

#include "net/co_test.h"
#include "net/join.h"
#include "net/segments.h"
#include "net/socket_stream.h"
#include "net/test_bytes.h"

namespace portolan::net {
namespace {

using namespace std::chrono_literals;
using boost::asio::this_coro::executor;

// A listener that hands over what it accepts.
struct TcpPlace {
  std::unique_ptr<Listener> listener;
  std::vector<std::unique_ptr<TcpStream>> accepted;

  TcpPlace(const Executor& on, std::string host = "127.0.0.1") {
    auto made = listen_tcp(on, {std::move(host), 0},
                           [this](std::unique_ptr<TcpStream> stream) { accepted.push_back(std::move(stream)); });
    if (made) listener = std::move(*made);
  }
  Endpoint at() const { return listener->local(); }
};

Task<Result<>> wait_until_accepted(TcpPlace& place, std::size_t count) {
  while (place.accepted.size() < count) {
    CO_CHECK(co_await sleep_for(1ms));
  }
  co_return Result<>{};
}

struct TcpPair {
  std::unique_ptr<TcpStream> client, server;
};

Task<Result<TcpPair>> tcp_pair(std::string host = "127.0.0.1") {
  TcpPlace place(co_await executor, std::move(host));
  if (!place.listener) co_return fail(Code::kInternal, "cannot listen");
  TcpPair pair;
  CO_TRY(pair.client, co_await dial_tcp(place.at(), 1s));
  CO_CHECK(co_await wait_until_accepted(place, 1));
  pair.server = std::move(place.accepted[0]);
  co_return pair;
}

TEST(Endpoint, Parses) {
  struct Case {
    std::string text;
    std::uint16_t standard;
    std::optional<Endpoint> expected;
  };
  const Case cases[] = {
      {"db.example:5432", 0, Endpoint{"db.example", 5432}},
      {"127.0.0.1:0", 0, Endpoint{"127.0.0.1", 0}},
      {"[::1]:5000", 0, Endpoint{"::1", 5000}},
      {"[fe80::1%lo]:5000", 0, Endpoint{"fe80::1%lo", 5000}},
      {"[::1]", 443, Endpoint{"::1", 443}},
      {"::1", 443, Endpoint{"::1", 443}},
      {":5000", 0, Endpoint{"", 5000}},
      {"host", 443, Endpoint{"host", 443}},
      {"host", 0, {}},
      {"::1", 0, {}},
      {"::1:5000x", 0, {}},
      {"", 443, {}},
      {":", 443, {}},
      {"host:", 443, {}},
      {"host:65536", 0, {}},
      {"host:-1", 0, {}},
      {"host:00080", 0, Endpoint{"host", 80}},
      {"host:000080", 0, {}},
      {"ho st:80", 0, {}},
      {"[host]:80", 0, {}},
      {"[::1", 80, {}},
      {"[::1]80", 80, {}},
      {"[fe80::1%]:80", 80, {}},
      {"[fe80::1%a]b]:80", 80, {}},
      {std::string("::\0001", 4), 80, {}},
      {"http://host:80", 0, {}},
      {std::string(254, 'a') + ":80", 0, {}},
  };
  for (const auto& each : cases) {
    const auto parsed = parse_endpoint(each.text, each.standard);
    EXPECT_EQ(parsed.has_value(), each.expected.has_value()) << each.text;
    if (parsed && each.expected) EXPECT_EQ(*parsed, *each.expected) << each.text;
    if (!parsed) EXPECT_EQ(parsed.error().code, Code::kInvalid);
  }
  EXPECT_EQ(to_text({"::1", 5}), "[::1]:5");
  EXPECT_EQ(to_text({"h", 5}), "h:5");
}

Task<> echo_10_mb(std::string host) {
  auto pair = co_await tcp_pair(std::move(host));
  CO_ASSERT_OK(pair);
  EXPECT_EQ(pair->client->local(), pair->server->peer());
  EXPECT_EQ(pair->client->peer(), pair->server->local());
  testing::Digest sent, received;
  const auto before = blocks_in_use();
  TaskGroup group(co_await executor);
  group.spawn("echo", testing::echo(std::move(pair->server)));
  group.spawn("send", testing::send_random(*pair->client, 10'000'000, 7, sent));
  group.spawn("receive", testing::receive_all(*pair->client, received));
  co_await group.join();
  EXPECT_EQ(received.size, 10'000'000U);
  EXPECT_EQ(received.hash(), sent.hash());
  EXPECT_EQ(blocks_in_use(), before);
}

CO_TEST(Tcp, EchoesTenMegabytesOverIpv4) { co_await echo_10_mb("127.0.0.1"); }
CO_TEST(Tcp, EchoesTenMegabytesOverIpv6) { co_await echo_10_mb("::1"); }

CO_TEST(Tcp, ListensAtAllAddressesAndLooksNamesUp) {
  TcpPlace place(co_await executor, "");
  CO_ASSERT_TRUE(place.listener != nullptr);
  for (const char* host : {"127.0.0.1", "::1", "localhost"}) {
    auto dialled = co_await dial_tcp({host, place.at().port}, 2s);
    CO_ASSERT_OK(dialled);
  }
  auto all = co_await wait_until_accepted(place, 3);
  CO_ASSERT_OK(all);
  EXPECT_EQ(place.accepted[0]->peer().host, "127.0.0.1");
  EXPECT_EQ(place.accepted[1]->peer().host, "::1");
}

CO_TEST(Tcp, AStoppedReaderStopsItsWriterAndHoldsNoBlock) {
  auto pair = co_await tcp_pair();
  CO_ASSERT_OK(pair);
  const auto before = blocks_in_use();
  std::size_t sent = 0;
  while (true) {
    auto accepted = pair->client->try_write(Bytes(64 * 1024));
    CO_ASSERT_OK(accepted);
    if (*accepted == 0) break;
    sent += *accepted;
    CO_ASSERT_TRUE(sent < 64'000'000);
  }
  bool writable = false;
  pair->client->on_writable([&] { writable = true; });
  auto nap = co_await sleep_for(20ms);
  CO_ASSERT_OK(nap);
  EXPECT_FALSE(writable);
  EXPECT_EQ(blocks_in_use(), before);
  std::size_t received = 0;
  while (received < sent) {
    auto got = co_await read(*pair->server);
    CO_ASSERT_OK(got);
    received += got->size();
  }
  while (!writable) co_await yield_to_loop();
}

CO_TEST(Tcp, HalfCloseLeavesTheOtherDirection) {
  auto pair = co_await tcp_pair();
  CO_ASSERT_OK(pair);
  auto finished = co_await finish(*pair->client, 1s);
  CO_ASSERT_OK(finished);
  auto end = co_await read(*pair->server);
  CO_ASSERT_OK(end);
  EXPECT_TRUE(end->empty());
  auto wrote = co_await write(*pair->server, as_bytes("late"));
  CO_ASSERT_OK(wrote);
  auto got = co_await read(*pair->client);
  CO_ASSERT_OK(got);
  EXPECT_EQ(as_text(got->data()), "late");
}

CO_TEST(Tcp, AResetIsAnError) {
  auto pair = co_await tcp_pair();
  CO_ASSERT_OK(pair);
  const linger hard{1, 0};
  ::setsockopt(static_cast<SocketStream&>(*pair->client).fd(), SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
  pair->client.reset();
  auto got = co_await read(*pair->server);
  CO_ASSERT_ERROR(got, Code::kIo);
  EXPECT_NE(got.error().message.find("read from 127.0.0.1:"), std::string::npos) << got.error().message;
  auto wrote = co_await write(*pair->server, as_bytes("x"));
  CO_ASSERT_ERROR(wrote, Code::kIo);
}

CO_TEST(Tcp, NoCallAfterDestructionAndNoneForTheForgotten) {
  auto pair = co_await tcp_pair();
  CO_ASSERT_OK(pair);
  int calls = 0;
  pair->server->on_readable([&] { calls += 1; });
  pair->server->cancel_readable();
  auto wrote = co_await write(*pair->client, as_bytes("x"));
  CO_ASSERT_OK(wrote);
  auto nap = co_await sleep_for(5ms);
  CO_ASSERT_OK(nap);
  EXPECT_EQ(calls, 0);
  pair->server->on_readable([&] { calls += 10; });
  EXPECT_EQ(calls, 0);
  pair->server.reset();
  nap = co_await sleep_for(5ms);
  CO_ASSERT_OK(nap);
  EXPECT_EQ(calls, 0);
}

CO_TEST(Tcp, JoinsTwoConnections) {
  auto left = co_await tcp_pair();
  CO_ASSERT_OK(left);
  auto right = co_await tcp_pair();
  CO_ASSERT_OK(right);
  testing::Digest sent, received;
  std::optional<Joined> joined;
  auto run = [](Stream& a, Stream& b, std::optional<Joined>& to) -> Task<> { to = co_await join(a, b, {}); };
  TaskGroup group(co_await executor);
  group.spawn("join", run(*left->server, *right->client, joined));
  group.spawn("echo", testing::echo(std::move(right->server)));
  group.spawn("send", testing::send_random(*left->client, 5'000'000, 3, sent));
  group.spawn("receive", testing::receive_all(*left->client, received));
  co_await group.join();
  EXPECT_EQ(received.hash(), sent.hash());
  CO_ASSERT_TRUE(joined.has_value());
  CO_ASSERT_OK(joined->outcome);
  EXPECT_EQ(joined->backward, 5'000'000U);
}

// A free port that nobody listens at.
std::uint16_t free_port(const Executor& on) { return TcpPlace(on).at().port; }

CO_TEST(Dial, RefusedNamesTheEndpoint) {
  const auto port = std::to_string(free_port(co_await executor));
  auto dialled = co_await dial_tcp({"127.0.0.1", static_cast<std::uint16_t>(std::stoi(port))}, 1s);
  CO_ASSERT_ERROR(dialled, Code::kUnavailable);
  EXPECT_EQ(dialled.error().message, "connect to 127.0.0.1:" + port + ": connection refused");
}

CO_TEST(Dial, KeepsSegmentsShortBothWays) {
  const Executor on = co_await executor;
  std::unique_ptr<TcpStream> accepted;
  auto listener =
      listen_tcp(on, {"127.0.0.1", 0}, [&](std::unique_ptr<TcpStream> stream) { accepted = std::move(stream); });
  CO_ASSERT_OK(listener);
  auto dialled = co_await dial_tcp_in_segments((*listener)->local(), 1s, 536);
  CO_ASSERT_OK(dialled);
  for (int i = 0; i < 200 && !accepted; ++i)
    if (const auto slept = co_await sleep_for(5ms); !slept) break;
  CO_ASSERT_TRUE(accepted != nullptr);
  for (TcpStream* stream : {dialled->get(), accepted.get()}) {
    int longest = 0;
    socklen_t size = sizeof longest;
    ::getsockopt(static_cast<SocketStream&>(*stream).fd(), IPPROTO_TCP, TCP_MAXSEG, &longest, &size);
    EXPECT_GT(longest, 0);
    EXPECT_LE(longest, 536);
  }
}

CO_TEST(Dial, TimeoutNamesTheEndpoint) {
  // A listener that never accepts, with its queue full: the kernel answers no further SYN.
  SocketAddress address = *numeric_address({"127.0.0.1", 0});
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  CO_ASSERT_EQ(::bind(fd.get(), address.raw(), address.size), 0);
  CO_ASSERT_EQ(::listen(fd.get(), 0), 0);
  ::getsockname(fd.get(), address.raw(), &address.size);
  const auto at = to_endpoint(address);
  std::vector<std::unique_ptr<TcpStream>> fillers;
  Result<std::unique_ptr<TcpStream>> dialled = fail(Code::kInternal, "");
  for (int i = 0; i < 10; ++i) {
    dialled = co_await dial_tcp(at, 100ms);
    if (!dialled) break;
    fillers.push_back(std::move(*dialled));
  }
  CO_ASSERT_ERROR(dialled, Code::kTimeout);
  EXPECT_EQ(dialled.error().message, "connect to " + to_text(at) + ": timed out after 100ms");
}

CO_TEST(Dial, AnUnknownNameIsNotFound) {
  auto dialled = co_await dial_tcp({"no-such-host.invalid", 1}, 5s);
  CO_ASSERT_TRUE(!dialled);
  EXPECT_NE(dialled.error().message.find("connect to no-such-host.invalid:1: look up \"no-such-host.invalid\": "),
            std::string::npos)
      << dialled.error().message;
}

Task<> dial_and_note(Endpoint to, Result<std::unique_ptr<TcpStream>>& result) { result = co_await dial_tcp(to, 5s); }

CO_TEST(Dial, CanBeCancelled) {
  Result<std::unique_ptr<TcpStream>> dialled;
  TaskGroup group(co_await executor);
  group.spawn("dial", dial_and_note({"127.0.0.1", free_port(co_await executor)}, dialled));
  group.cancel();
  co_await group.join();
  CO_ASSERT_ERROR(dialled, Code::kCancelled);
}

CO_TEST(Listener, ATakenPortIsAConflictAndNamesItsHolder) {
  TcpPlace place(co_await executor);
  auto second = listen_tcp(co_await executor, place.at(), [](std::unique_ptr<TcpStream>) {});
  CO_ASSERT_ERROR(second, Code::kConflict);
  const auto port = std::to_string(place.at().port);
  EXPECT_NE(second.error().message.find("port " + port + " is taken by net_test (pid " + std::to_string(::getpid())),
            std::string::npos)
      << second.error().message;
  const auto holder = find_port_holder(place.at());
  CO_ASSERT_TRUE(holder.has_value());
  EXPECT_EQ(holder->user, ::geteuid());
  EXPECT_EQ(holder->pid, ::getpid());
  EXPECT_FALSE(find_port_holder({"127.0.0.1", free_port(co_await executor)}));
  // Somebody on another address of this machine is in nobody's way.
  EXPECT_FALSE(find_port_holder({"127.0.0.2", place.at().port}));
  EXPECT_TRUE(find_port_holder({"", place.at().port}));
}

CO_TEST(Listener, MayBeDestroyedWhileItAccepts) {
  std::unique_ptr<Listener> listener;
  int accepted = 0;
  auto made = listen_tcp(co_await executor, {"127.0.0.1", 0}, [&](std::unique_ptr<TcpStream>) {
    ++accepted;
    listener.reset();
  });
  CO_ASSERT_OK(made);
  listener = std::move(*made);
  const auto at = listener->local();
  std::vector<UniqueFd> clients;
  auto address = numeric_address(at);
  CO_ASSERT_OK(address);
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    CO_ASSERT_EQ(::connect(clients.back().get(), address->raw(), address->size), 0);
  }
  while (accepted == 0) co_await yield_to_loop();
  auto nap = co_await sleep_for(5ms);
  CO_ASSERT_OK(nap);
  EXPECT_EQ(accepted, 1);
  auto dialled = co_await dial_tcp(at, 1s);
  CO_ASSERT_ERROR(dialled, Code::kUnavailable);
}

CO_TEST(Listener, OutOfDescriptorsItWaitsAndRecovers) {
  TcpPlace place(co_await executor);
  auto client = co_await dial_tcp(place.at(), 1s);
  CO_ASSERT_OK(client);
  auto first = co_await wait_until_accepted(place, 1);
  CO_ASSERT_OK(first);
  auto address = numeric_address(place.at());
  CO_ASSERT_OK(address);
  UniqueFd waiting(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  rlimit before = {};
  ::getrlimit(RLIMIT_NOFILE, &before);
  const rlimit none{static_cast<rlim_t>(waiting.get()) + 1, before.rlim_max};
  std::vector<UniqueFd> fill;
  ::setrlimit(RLIMIT_NOFILE, &none);
  while (true) {
    UniqueFd filler(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!filler) break;
    fill.push_back(std::move(filler));
  }
  CO_ASSERT_EQ(::connect(waiting.get(), address->raw(), address->size), 0);
  timespec used_before = {};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used_before);
  auto nap = co_await sleep_for(150ms);
  timespec used_after = {};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used_after);
  ::setrlimit(RLIMIT_NOFILE, &before);
  CO_ASSERT_OK(nap);
  EXPECT_EQ(place.accepted.size(), 1U);
  const auto used =
      (used_after.tv_sec - used_before.tv_sec) * 1000 + (used_after.tv_nsec - used_before.tv_nsec) / 1'000'000;
  EXPECT_LT(used, 50);  // it does not spin
  auto recovered = co_await wait_until_accepted(place, 2);
  CO_ASSERT_OK(recovered);
}

struct TemporaryFolder {
  std::filesystem::path path;
  TemporaryFolder() {
    char name[] = "/tmp/portolan-net-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
};

CO_TEST(Unix, IsPrivateAndKnowsItsPeer) {
  const TemporaryFolder folder;
  const std::string path = folder.path / "agent.sock";
  std::unique_ptr<Stream> accepted;
  uid_t user = 4711;
  auto listener = listen_unix(co_await executor, path, [&](std::unique_ptr<Stream> stream, uid_t peer) {
    accepted = std::move(stream);
    user = peer;
  });
  CO_ASSERT_OK(listener);
  struct stat made = {};
  CO_ASSERT_EQ(::lstat(path.c_str(), &made), 0);
  EXPECT_EQ(made.st_mode & 0777U, 0600U);
  auto dialled = co_await dial_unix(path, 1s);
  CO_ASSERT_OK(dialled);
  while (!accepted) co_await yield_to_loop();
  EXPECT_EQ(user, ::geteuid());
  testing::Digest sent, received;
  TaskGroup group(co_await executor);
  group.spawn("echo", testing::echo(std::move(accepted)));
  group.spawn("send", testing::send_random(**dialled, 1'000'000, 5, sent));
  group.spawn("receive", testing::receive_all(**dialled, received));
  co_await group.join();
  EXPECT_EQ(received.hash(), sent.hash());
  auto second = listen_unix(co_await executor, path, [](std::unique_ptr<Stream>, uid_t) {});
  CO_ASSERT_ERROR(second, Code::kConflict);
  listener->reset();
  EXPECT_FALSE(std::filesystem::exists(path));
}

CO_TEST(Unix, ReplacesAStaleSocketAndNothingElse) {
  const TemporaryFolder folder;
  const std::string path = folder.path / "agent.sock";
  auto address = unix_address(path);
  CO_ASSERT_OK(address);
  {
    const UniqueFd killed(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    CO_ASSERT_EQ(::bind(killed.get(), address->raw(), address->size), 0);
  }
  CO_ASSERT_TRUE(std::filesystem::exists(path));
  auto dialled = co_await dial_unix(path, 1s);
  CO_ASSERT_ERROR(dialled, Code::kUnavailable);
  auto listener = listen_unix(co_await executor, path, [](std::unique_ptr<Stream>, uid_t) {});
  CO_ASSERT_OK(listener);
  dialled = co_await dial_unix(path, 1s);
  CO_ASSERT_OK(dialled);
  const std::string file = folder.path / "file";
  std::ofstream(file) << "precious";
  auto refused = listen_unix(co_await executor, file, [](std::unique_ptr<Stream>, uid_t) {});
  CO_ASSERT_ERROR(refused, Code::kConflict);
  EXPECT_TRUE(std::filesystem::exists(file));
  dialled = co_await dial_unix(folder.path / "nothing.sock", 1s);
  CO_ASSERT_ERROR(dialled, Code::kNotFound);
  dialled = co_await dial_unix(std::string(200, 'x'), 1s);
  CO_ASSERT_ERROR(dialled, Code::kInvalid);
}

// A child process of another user (of the same one, if this is not run by root) that connects and, told so, closes or
// stays.
struct OtherUser {
  static constexpr uid_t kNobody = 65534;
  pid_t pid = -1;
  UniqueFd control;

  OtherUser(const SocketAddress& to, bool close_at_once) {
    int ends[2] = {-1, -1};
    ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
    control = UniqueFd(ends[0]);
    pid = ::fork();
    if (pid == 0) {
      if (::geteuid() == 0 && ::setuid(kNobody) != 0) ::_exit(1);
      const int fd = ::socket(to.family(), SOCK_STREAM, 0);
      if (::connect(fd, to.raw(), to.size) != 0) ::_exit(1);
      if (close_at_once) ::close(fd);
      char byte = 'x';
      (void)!::write(ends[1], &byte, 1);
      ::close(ends[0]);
      (void)!::read(ends[1], &byte, 1);
      ::_exit(0);
    }
    ::close(ends[1]);
    char byte = 0;
    (void)!::read(control.get(), &byte, 1);
  }
  ~OtherUser() {
    control = UniqueFd();
    ::waitpid(pid, nullptr, 0);
  }
  static uid_t user() { return ::geteuid() == 0 ? kNobody : ::geteuid(); }
};

CO_TEST(PeerUser, OfLoopbackConnections) {
  for (const std::string host : {"127.0.0.1", "::1"}) {
    auto pair = co_await tcp_pair(host);
    CO_ASSERT_OK(pair);
    auto user = pair->server->peer_user();
    CO_ASSERT_OK(user);
    EXPECT_EQ(*user, ::geteuid());
    user = pair->client->peer_user();
    CO_ASSERT_OK(user);
    EXPECT_EQ(*user, ::geteuid());
  }
}

CO_TEST(PeerUser, OfAnotherUser) {
  for (const std::string host : {"127.0.0.1", "::1", "::ffff:127.0.0.1"}) {
    TcpPlace place(co_await executor, host.starts_with("::f") ? "127.0.0.1" : host);
    auto to = numeric_address({host, place.at().port});
    CO_ASSERT_OK(to);
    const OtherUser other(*to, false);
    auto accepted = co_await wait_until_accepted(place, 1);
    CO_ASSERT_OK(accepted);
    auto user = place.accepted[0]->peer_user();
    CO_ASSERT_OK(user);
    EXPECT_EQ(*user, OtherUser::user()) << host;
  }
}

CO_TEST(PeerUser, OfAListenerAtAllAddresses) {
  TcpPlace place(co_await executor, "");
  auto to = numeric_address({"127.0.0.1", place.at().port});
  CO_ASSERT_OK(to);
  const OtherUser other(*to, false);
  auto accepted = co_await wait_until_accepted(place, 1);
  CO_ASSERT_OK(accepted);
  auto user = place.accepted[0]->peer_user();
  CO_ASSERT_OK(user);
  EXPECT_EQ(*user, OtherUser::user());
}

CO_TEST(PeerUser, OfAClosedSocketIsUnknownAndNotRoot) {
  TcpPlace place(co_await executor);
  auto to = numeric_address(place.at());
  CO_ASSERT_OK(to);
  const OtherUser other(*to, true);
  auto accepted = co_await wait_until_accepted(place, 1);
  CO_ASSERT_OK(accepted);
  auto user = place.accepted[0]->peer_user();
  CO_ASSERT_ERROR(user, Code::kNotFound);
}

CO_TEST(PeerUser, OfAForeignMachineIsNotThatOfAListenerHere) {
  TcpPlace place(co_await executor, "");
  // As if a connection had come from another machine's port of the same number.
  auto user = user_of_peer(*numeric_address({"127.0.0.1", 5000}), *numeric_address({"127.0.0.1", place.at().port}));
  CO_ASSERT_ERROR(user, Code::kNotFound);
}

}  // namespace
}  // namespace portolan::net
