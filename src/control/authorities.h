// The organisation's certificate authorities: one for people's devices, one for nodes, one for the control plane's own
// server certificates. Made at the first start, their keys sealed; separate keys for separate audiences (architecture
// §5).
#pragma once
#include <string>

#include "base/result.h"
#include "control/options.h"
#include "crypto/certificate.h"
#include "crypto/sealing.h"
#include "store/directory_store.h"

namespace portolan::control {

struct Authorities {
  std::string organization;
  std::string control_name;  // the internal server name: "control.ORG.portolan.internal"
  crypto::Authority user;
  crypto::Authority node;
  crypto::Authority server;
};

struct Opened {
  Authorities authorities;
  crypto::SealingKey sealing;
  bool first_start = false;
};

// Opens what the store holds, or makes it at the first start. Code::kDenied when the sealing key is another than the
// one that sealed it. Blocks.
Result<Opened> open_authorities(store::DirectoryStore& store, const ServerOptions& options);

// One DNS-fit name of [a-z0-9.-], since it is a part of the internal server name.
Result<> check_organization(const std::string& name);

}  // namespace portolan::control
