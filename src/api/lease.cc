#include "api/lease.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace portolan::api {
namespace {

constexpr std::uint32_t kLeaseVersion = 1;
// Features that a lease may demand and that this build has.
constexpr std::array<std::string_view, 1> kUnderstood = {kStrictAudit};

}  // namespace

Result<> check_lease(const Lease& lease) {
  if (lease.version != kLeaseVersion)
    return fail(Code::kDenied,
                "lease: its version is " + std::to_string(lease.version) + ", this node understands " +
                    std::to_string(kLeaseVersion) + "; update this node",
                "lease_not_understood");
  for (const std::string& feature : lease.must_understand)
    if (std::find(kUnderstood.begin(), kUnderstood.end(), feature) == kUnderstood.end())
      return fail(Code::kDenied,
                  "lease: it demands " + quoted(feature) + ", which this node does not have; update this node",
                  "lease_not_understood");
  return {};
}

}  // namespace portolan::api
