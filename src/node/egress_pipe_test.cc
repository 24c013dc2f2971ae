// Sessions that outlive the links that they go by (docs/wire-pipe.md), at the egress.
#include <gtest/gtest.h>

#include "net/join.h"
#include "node/egress_testing.h"

namespace portolan::node {
namespace {
using namespace std::chrono_literals;

net::Task<> carry(std::unique_ptr<net::Stream> near, std::unique_ptr<net::Stream> far) {
  [[maybe_unused]] const auto joined = co_await net::join(*near, *far, {});
}

const tunnel::LinkOptions kPiped{.pipe = tunnel::LinkOptions::PipeParts{std::make_shared<tunnel::Budget>()}};

// A link whose path can be cut.
struct Piped : Rig {
  using Rig::Rig;
  net::TaskGroup paths{executor};

  net::Task<Result<std::unique_ptr<net::Stream>>> path(tunnel::LinkOptions theirs = kPiped) {
    auto [near, middle] = net::memory_pair(executor);
    auto [other, far] = net::memory_pair(executor);
    paths.spawn("carry", carry(std::move(middle), std::move(other)));
    CO_TRY(auto accepting,
           tunnel::make_link_server(own, {tunnel::Purpose::kInner}, [](const auto&) { return Result<>{}; }));
    tasks.spawn("accept", accept(std::move(far), std::move(accepting), theirs));
    co_return std::move(near);
  }
  net::Task<Result<std::unique_ptr<tunnel::Link>>> connect_piped(tunnel::LinkOptions theirs = kPiped) {
    CO_TRY(auto near, co_await path(theirs));
    CO_TRY(auto dialling, tunnel::make_link_client(user, tunnel::Purpose::kInner, crypto::to_uri(kNode)));
    co_return co_await tunnel::dial_link(std::move(near), std::move(dialling), tunnel::Purpose::kInner, kPiped, nullptr,
                                         [](const Error&) {});
  }
  net::Task<Result<>> resume(std::shared_ptr<tunnel::Pipe> pipe, tunnel::LinkIdentity as) {
    CO_TRY(auto near, co_await path());
    CO_TRY(auto dialling, tunnel::make_link_client(as, tunnel::Purpose::kInner, crypto::to_uri(kNode)));
    co_return co_await tunnel::resume_link(std::move(near), std::move(dialling), std::move(pipe), 5s);
  }
  net::Task<> cut(const tunnel::Link& link) {
    paths.cancel();
    co_await paths.join();
    for (int i = 0; i < 1000 && link.pipe->attached(); ++i) co_await net::yield_to_loop();
  }
  net::Task<> end() {
    co_await stop();
    paths.cancel();
    co_await paths.join();
  }
};

net::Task<Result<std::string>> say(net::Stream& stream, std::string_view text) {
  CO_CHECK(co_await net::write(stream, as_bytes(text)));
  CO_TRY(const auto back, co_await net::read(stream));
  co_return std::string(as_text(back.data()));
}

CO_TEST(EgressPipe, ASessionGoesOnOverAnotherLink) {
  Piped rig(co_await net::this_executor());
  auto link = co_await rig.connect_piped();
  CO_ASSERT_OK(link);
  CO_ASSERT_TRUE((*link)->pipe != nullptr);
  const auto binding = (*link)->binding;
  auto stream = co_await rig.open(**link, api::sign_assertion(rig.good(**link), rig.user_key));
  CO_ASSERT_OK(stream);
  for (int i = 0; i < 3; ++i) {
    const auto before = co_await say(**stream, "before");
    CO_ASSERT_OK(before);
    EXPECT_EQ(*before, "before");
    co_await rig.cut(**link);
    EXPECT_TRUE((*link)->pipe->wants_link());
    CO_ASSERT_OK(co_await net::write(**stream, as_bytes("while there is none")));
    CO_ASSERT_OK(co_await rig.resume((*link)->pipe, rig.user));
    const auto after = co_await net::read(**stream);
    CO_ASSERT_OK(after);
    EXPECT_EQ(as_text(after->data()), "while there is none");
  }
  // And new ones, by assertions for the first link.
  EXPECT_EQ((*link)->binding, binding);
  const auto second = co_await rig.open(**link, api::sign_assertion(rig.good(**link), rig.user_key));
  CO_ASSERT_OK(second);
  EXPECT_EQ(rig.egress.counters().links, 1U);
  EXPECT_EQ(rig.egress.counters().resumed, 3U);
  EXPECT_EQ(rig.leases.sessions(), 2U);
  co_await rig.end();
}

CO_TEST(EgressPipe, ALinkIsReplacedWhileItStands) {
  Piped rig(co_await net::this_executor());
  auto link = co_await rig.connect_piped();
  CO_ASSERT_OK(link);
  auto stream = co_await rig.open(**link, api::sign_assertion(rig.good(**link), rig.user_key));
  CO_ASSERT_OK(stream);
  const auto unwanted = co_await rig.resume((*link)->pipe, rig.user);
  CO_ASSERT_ERROR(unwanted, Code::kConflict);
  int changes = 0;
  (*link)->pipe->on_change([&] { ++changes; });
  (*link)->pipe->replace_link();
  EXPECT_TRUE((*link)->pipe->wants_link());
  EXPECT_TRUE((*link)->pipe->attached());
  const auto meanwhile = co_await say(**stream, "on the old one");
  CO_ASSERT_OK(meanwhile);
  EXPECT_EQ(changes, 1);
  CO_ASSERT_OK(co_await rig.resume((*link)->pipe, rig.user));
  EXPECT_FALSE((*link)->pipe->wants_link());
  const auto after = co_await say(**stream, "on the new one");
  CO_ASSERT_OK(after);
  EXPECT_EQ(*after, "on the new one");
  EXPECT_EQ(rig.egress.counters().resumed, 1U);
  co_await rig.end();
}

CO_TEST(EgressPipe, ADeviceHasSeveralAndEachGoesOnByItself) {
  Piped rig(co_await net::this_executor());
  std::vector<std::unique_ptr<tunnel::Link>> links;
  std::vector<std::unique_ptr<tunnel::MuxStream>> streams;
  for (int i = 0; i < 4; ++i) {
    auto link = co_await rig.connect_piped();
    CO_ASSERT_OK(link);
    auto stream = co_await rig.open(**link, api::sign_assertion(rig.good(**link), rig.user_key));
    CO_ASSERT_OK(stream);
    links.push_back(std::move(*link));
    streams.push_back(std::move(*stream));
  }
  EXPECT_EQ(rig.egress.links(), 4U);
  for (const auto& link : links) co_await rig.cut(*link);
  for (std::size_t i = links.size(); i-- > 0;) CO_ASSERT_OK(co_await rig.resume(links[i]->pipe, rig.user));
  for (std::size_t i = 0; i < streams.size(); ++i) {
    const auto text = "on pipe " + std::to_string(i);
    const auto heard = co_await say(*streams[i], text);
    CO_ASSERT_OK(heard);
    EXPECT_EQ(*heard, text);
  }
  // An assertion is for the pipe that it was made for.
  const auto crossed = co_await rig.open(*links[0], api::sign_assertion(rig.good(*links[1]), rig.user_key));
  CO_ASSERT_ERROR(crossed, Code::kDenied);
  // One that goes leaves the others.
  links[3]->mux->close(Error{Code::kCancelled, "not needed any more"});
  for (int i = 0; i < 1000 && rig.egress.links() > 3; ++i) CO_ASSERT_OK(co_await net::sleep_for(5ms));
  EXPECT_EQ(rig.egress.links(), 3U);
  const auto still = co_await say(*streams[0], "still");
  CO_ASSERT_OK(still);
  co_await rig.end();
}

CO_TEST(EgressPipe, ADeviceHasItsShareOfThoseOfItsAccount) {
  Piped rig(co_await net::this_executor(), EgressLimits{.links_per_account = 4, .links_per_device = 2});
  const auto own = rig.user;
  const auto one = co_await rig.connect_piped();
  CO_ASSERT_OK(one);
  const auto two = co_await rig.connect_piped();
  CO_ASSERT_OK(two);
  const auto beyond = co_await rig.connect_piped();
  CO_ASSERT_ERROR(beyond, Code::kLimit);
  rig.user = rig.other_device;
  const auto others = co_await rig.connect_piped();
  CO_ASSERT_OK(others);
  rig.user = own;
  // What has ended makes room.
  (*two)->mux->close(Error{Code::kCancelled, "not needed any more"});
  for (int i = 0; i < 1000 && rig.egress.links() > 2; ++i) CO_ASSERT_OK(co_await net::sleep_for(5ms));
  const auto again = co_await rig.connect_piped();
  CO_ASSERT_OK(again);
  co_await rig.end();
}

// The same account and device, proven; but not the secret of the pipe.
CO_TEST(EgressPipe, AnotherPipeOfTheSameIdIsRefused) {
  Piped rig(co_await net::this_executor());
  auto link = co_await rig.connect_piped();
  CO_ASSERT_OK(link);
  const auto thief =
      std::make_shared<tunnel::Pipe>(rig.executor, tunnel::Pipe::Role::kDialler, (*link)->pipe->id(), Bytes(32),
                                     tunnel::PipeOptions{}, std::make_shared<tunnel::Budget>());
  (void)thief->propose(Bytes(32));
  (void)thief->propose(Bytes(32));
  const auto resumed = co_await rig.resume(thief, rig.user);
  CO_ASSERT_ERROR(resumed, Code::kIo);
  auto stream = co_await rig.open(**link, api::sign_assertion(rig.good(**link), rig.user_key));
  CO_ASSERT_OK(stream);
  const auto heard = co_await say(**stream, "unharmed");
  CO_ASSERT_OK(heard);
  co_await rig.end();
}

CO_TEST(EgressPipe, AnotherDeviceCannotResume) {
  Piped rig(co_await net::this_executor());
  auto link = co_await rig.connect_piped();
  CO_ASSERT_OK(link);
  co_await rig.cut(**link);
  const auto resumed = co_await rig.resume((*link)->pipe, rig.other_device);
  CO_ASSERT_ERROR(resumed, Code::kIo);
  EXPECT_EQ(resumed.error().reason, tunnel::kPipeUnknown);
  const auto again = co_await rig.resume((*link)->pipe, rig.user);
  CO_ASSERT_OK(again);
  co_await rig.end();
}

CO_TEST(EgressPipe, WhoIsDeniedLosesAlsoWhatHasNoLink) {
  Piped rig(co_await net::this_executor());
  auto link = co_await rig.connect_piped();
  CO_ASSERT_OK(link);
  auto stream = co_await rig.open(**link, api::sign_assertion(rig.good(**link), rig.user_key));
  CO_ASSERT_OK(stream);
  co_await rig.cut(**link);
  rig.clock.moved = 48h;  // the certificate has run out
  rig.egress.end_denied();
  rig.clock.moved += 10s;
  rig.egress.end_denied();
  for (int i = 0; i < 200 && rig.egress.links() > 0; ++i) CO_ASSERT_OK(co_await net::sleep_for(20ms));
  EXPECT_EQ(rig.egress.links(), 0U);
  const auto resumed = co_await rig.resume((*link)->pipe, rig.user);
  CO_ASSERT_ERROR(resumed, Code::kIo);
  co_await rig.end();
}

// What is taken away ends at the server at once, whether or not anybody can be told.
CO_TEST(EgressPipe, ARevocationEndsSessionsThatHaveNoLinkAtOnce) {
  Piped rig(co_await net::this_executor());
  auto link = co_await rig.connect_piped();
  CO_ASSERT_OK(link);
  auto stream = co_await rig.open(**link, api::sign_assertion(rig.good(**link), rig.user_key));
  CO_ASSERT_OK(stream);
  const auto heard = co_await say(**stream, "before");
  CO_ASSERT_OK(heard);
  co_await rig.cut(**link);
  const auto is_end = [](const api::AuditRecord& record) { return record.kind == "session.ended"; };
  EXPECT_TRUE(std::ranges::none_of(rig.spool.records, is_end));
  const auto begun = std::chrono::steady_clock::now();
  rig.leases.revoke({"l-1"}, "access was taken away", "no_grant");
  while (std::ranges::none_of(rig.spool.records, is_end)) CO_ASSERT_OK(co_await net::sleep_for(5ms));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 1s);
  // The pipe is still theirs: by another link they learn of it.
  CO_ASSERT_OK(co_await rig.resume((*link)->pipe, rig.user));
  const auto after = co_await net::with_timeout(net::read(**stream), 5s);
  EXPECT_TRUE(!after || after->empty());
  co_await rig.end();
}

// The releases before pipes: neither side insists.
CO_TEST(EgressPipe, WhereOneSideKnowsNoPipesAllIsAsItWas) {
  Piped rig(co_await net::this_executor());
  auto older_client = co_await rig.connect(kPiped);
  auto older_node = co_await rig.connect_piped(tunnel::LinkOptions{});
  for (auto* link : {&older_client, &older_node}) {
    CO_ASSERT_OK(*link);
    EXPECT_TRUE((**link)->pipe == nullptr);
    auto stream = co_await rig.open(***link, api::sign_assertion(rig.good(***link), rig.user_key));
    CO_ASSERT_OK(stream);
    const auto heard = co_await say(**stream, "plain");
    CO_ASSERT_OK(heard);
    EXPECT_EQ(*heard, "plain");
  }
  co_await rig.end();
}

}  // namespace
}  // namespace portolan::node
