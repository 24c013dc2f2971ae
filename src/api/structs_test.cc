// Every struct of the API goes through JSON and back unchanged; security structures are read strictly.
#include <type_traits>

#include <gtest/gtest.h>

#include "api/admin.h"
#include "api/agent.h"
#include "api/audit.h"
#include "api/lease.h"
#include "api/local.h"
#include "api/node.h"
#include "api/sign_in.h"
#include "api/token.h"
#include "base/json.h"

namespace portolan::api {
namespace {

// Gives every member a value of its own, through vectors, maps, optionals and inner structs.
struct Filler {
  int next = 1;

  template <class T>
  void fill(T& out) {
    if constexpr (std::is_same_v<T, bool>) {
      out = true;
    } else if constexpr (std::is_arithmetic_v<T>) {
      out = static_cast<T>(next++);
    } else if constexpr (std::is_same_v<T, std::string>) {
      out = "text \"" + std::to_string(next++) + "\" ü\n";
    } else if constexpr (std::is_same_v<T, Secret>) {
      out = Secret("secret " + std::to_string(next++));
    } else if constexpr (std::is_same_v<T, WallTime>) {
      out = WallTime(std::chrono::milliseconds(1'800'000'000'000 + next++));
    } else if constexpr (json::detail::IsVector<T>::value) {
      out.resize(2);
      for (auto& element : out) fill(element);
    } else if constexpr (json::detail::IsMap<T>::value) {
      fill(out["first"]);
      fill(out["second"]);
    } else if constexpr (json::detail::IsOptional<T>::value) {
      fill(out.emplace());
    } else {
      boost::mp11::mp_for_each<boost::describe::describe_members<T, boost::describe::mod_any_access>>(
          [&](auto member) { fill(out.*member.pointer); });
    }
  }
};

template <class T>
class Struct : public testing::Test {};

using Structs =
    testing::Types<SignInRequest, SignedIn, Trust, AgentGateway, AgentResource, AgentView, AgentEvent, JoinRequest,
                   Joined, AccountEgress, PeerNode, NodeView, NodeEvent, LeaseRequest, Lease, LiveSession, LiveSessions,
                   EndedSession, LiveSessionsAnswer, AuditParameter, AuditRecord, AuditBatch, AuditAcknowledged,
                   SessionEntry, AccountView, AccountCreate, AccountUpdate, RoleView, RoleCreate, MembershipView,
                   MembershipCreate, GrantView, GrantCreate, ResourceView, ResourceCreate, ResourceUpdate,
                   NodeStatusView, JoinTokenCreate, JoinTokenMade, JoinTokenView, ApiTokenCreate, ApiTokenMade,
                   ApiTokenView, LocalResource, LocalGateway, LocalPath, AgentStatus, ConnectRequest, ActivityView,
                   ExplainView, Page<AccountView>, Page<SessionEntry>, Page<AuditRecord>>;
TYPED_TEST_SUITE(Struct, Structs);

TYPED_TEST(Struct, RoundTrips) {
  TypeParam full{};
  Filler().fill(full);
  for (const TypeParam& in : {full, TypeParam{}}) {
    const std::string text = json::encode(in);
    const auto out = json::decode<TypeParam>(text, json::Unknown::kRefuse);
    ASSERT_TRUE(out) << out.error().message;
    EXPECT_EQ(json::encode(*out), text);
  }
  EXPECT_NE(json::encode(full), json::encode(TypeParam{}));
}

TEST(Lease, IsDecodedStrictly) {
  Lease full;
  Filler().fill(full);
  json::Value value = *json::parse(json::encode(full));
  EXPECT_TRUE(json::from_value<Lease>(value, json::Unknown::kRefuse));
  value.get_object()["recording"] = "full";
  const auto more = json::from_value<Lease>(value, json::Unknown::kRefuse);
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().message, "unknown member \"recording\"");
  value.get_object().erase("recording");
  value.get_object().erase("must_understand");
  EXPECT_FALSE(json::from_value<Lease>(value, json::Unknown::kRefuse));
}

TEST(Lease, RefusesWhatThisBuildDoesNotUnderstand) {
  Lease lease;
  EXPECT_TRUE(check_lease(lease, {}));
  lease.must_understand = {"recording"};
  EXPECT_TRUE(check_lease(lease, {"masking", "recording"}));
  const auto checked = check_lease(lease, {"masking"});
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().stable_code(), "lease_not_understood");
  EXPECT_EQ(checked.error().message,
            "lease: it demands \"recording\", which this node does not have; upgrade this node");
  lease.must_understand.clear();
  for (const std::uint32_t version : {0U, 2U}) {
    lease.version = version;
    EXPECT_EQ(check_lease(lease, {"recording"}).error().stable_code(), "lease_not_understood") << version;
  }
}

}  // namespace
}  // namespace portolan::api
