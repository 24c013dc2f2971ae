// Replacing the key that seals secrets in the database, while no control plane runs on the folder: what runs holds the
// old key in memory, and the next start needs the new one.
#pragma once
#include <cstddef>
#include <string>

#include "base/result.h"
#include "control/options.h"

namespace portolan::control {

struct Resealed {
  std::string old_key;  // ids
  std::string new_key;
  std::size_t values = 0;
};

// Opens the folder with options.sealing and seals everything with the key that `next` gives: a key file that is missing
// is made. All in one transaction: until it is committed the old key opens everything, and from then on it opens
// nothing, also not in what the database file still holds of the past. Code::kConflict if a control plane runs on the
// folder, or if it is the same key. Blocks.
Result<Resealed> reseal(const ServerOptions& options, const SealingSource& next);

}  // namespace portolan::control
