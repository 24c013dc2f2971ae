// What an account has of something limited: counted while it lives, so that one member cannot use up a node.
#pragma once
#include <cstddef>
#include <map>
#include <string>

namespace portolan::node {

class Counts {
 public:
  std::size_t of(const std::string& account) const {
    const auto found = counts_.find(account);
    return found == counts_.end() ? 0 : found->second;
  }

  std::size_t all() const {
    std::size_t sum = 0;
    for (const auto& [account, count] : counts_) sum += count;
    return sum;
  }

 private:
  friend class Counted;
  std::map<std::string, std::size_t> counts_;
};

// One of them. `counts` outlives it.
class Counted {
 public:
  Counted(Counts& counts, std::string account) : counts_(counts.counts_), account_(std::move(account)) {
    ++counts_[account_];
  }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() {
    if (--counts_[account_] == 0) counts_.erase(account_);
  }

 private:
  std::map<std::string, std::size_t>& counts_;
  std::string account_;
};

}  // namespace portolan::node
