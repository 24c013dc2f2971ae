// What drivers work out, slowly on purpose, from a lease's credential: kept for the life of the lease, so that only the
// first of its sessions pays for it (SCRAM's salted password at PostgreSQL). Never leaves the process's memory.
#pragma once
#include <deque>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "crypto/hash.h"

namespace portolan::protocols {

// Belongs to one credential; owned by the holder of the lease and its sessions, one loop. Overwrites what it forgets.
class DerivedKeys {
 public:
  static constexpr std::size_t kLimit = 4;  // a credential at several servers has a salt at each

  DerivedKeys() = default;
  DerivedKeys(const DerivedKeys&) = delete;
  DerivedKeys& operator=(const DerivedKeys&) = delete;
  ~DerivedKeys() { end(); }

  // What was kept under `name`, which tells all that it was made from but the credential.
  std::optional<crypto::Sha256> find(ByteView name) const;
  // In place of the oldest if there are too many; nothing after end().
  void keep(ByteView name, const crypto::Sha256& key);
  // The lease is over: forgets all, for good.
  void end();

 private:
  std::deque<std::pair<Bytes, crypto::Sha256>> kept_;  // oldest first
  bool ended_ = false;
};

}  // namespace portolan::protocols
