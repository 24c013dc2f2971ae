#include "protocols/derived_keys.h"

#include <algorithm>

namespace portolan::protocols {

std::optional<crypto::Sha256> DerivedKeys::find(ByteView name) const {
  const auto found =
      std::ranges::find_if(kept_, [name](const auto& each) { return std::ranges::equal(each.first, name); });
  if (found == kept_.end()) return std::nullopt;
  return found->second;
}

void DerivedKeys::keep(ByteView name, const crypto::Sha256& key) {
  if (ended_ || find(name)) return;
  if (kept_.size() == kLimit) {
    wipe(kept_.front().second);
    kept_.pop_front();
  }
  kept_.emplace_back(Bytes(name.begin(), name.end()), key);
}

void DerivedKeys::end() {
  for (auto& [name, key] : kept_) wipe(key);
  kept_.clear();
  ended_ = true;
}

}  // namespace portolan::protocols
