#include "api/lease.h"

#include <algorithm>

namespace portolan::api {
namespace {

constexpr std::uint32_t kLeaseVersion = 1;

}  // namespace

Result<> check_lease(const Lease& lease, const std::vector<std::string>& understood) {
  if (lease.version != kLeaseVersion)
    return fail(Code::kDenied,
                "lease: its version is " + std::to_string(lease.version) + ", this node understands " +
                    std::to_string(kLeaseVersion) + "; upgrade this node",
                std::string(kLeaseNotUnderstood));
  for (const std::string& feature : lease.must_understand)
    if (std::ranges::find(understood, feature) == understood.end())
      return fail(Code::kDenied,
                  "lease: it demands " + quoted(feature) + ", which this node does not have; upgrade this node",
                  std::string(kLeaseNotUnderstood));
  return {};
}

}  // namespace portolan::api
