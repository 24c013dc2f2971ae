// What each account may make a node hold, of a budget that all share: so that one member cannot use up a node, however
// many links they make.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "tunnel/budget.h"

namespace portolan::node {

struct ShareLimits {
  std::size_t each = 0;  // bytes
  std::size_t all = 0;
};

// One loop.
class Shares {
 public:
  explicit Shares(ShareLimits limits)
      : each_(limits.each), all_(std::make_shared<tunnel::Budget>(tunnel::Budget{.limit = limits.all})) {}

  // The same for everything of this account, as long as anything of it lives.
  std::shared_ptr<tunnel::Budget> of(const std::string& account) {
    if (const auto known = shares_.find(account); known != shares_.end())
      if (auto share = known->second.lock()) return share;
    std::erase_if(shares_, [](const auto& share) { return share.second.expired(); });
    auto share = std::make_shared<tunnel::Budget>(tunnel::Budget{.limit = each_, .whole = all_});
    shares_[account] = share;
    return share;
  }
  // For what is of no account.
  const std::shared_ptr<tunnel::Budget>& all() const { return all_; }

 private:
  std::size_t each_;
  std::shared_ptr<tunnel::Budget> all_;
  std::map<std::string, std::weak_ptr<tunnel::Budget>> shares_;
};

// Of what links (tunnel::MuxOptions::shared) make a node hold.
inline constexpr ShareLimits kLinkShares{.each = std::size_t{128} * 1024 * 1024,
                                         .all = std::size_t{1024} * 1024 * 1024};

}  // namespace portolan::node
