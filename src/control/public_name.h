// By which names the control plane is known to browsers and scripts.
#pragma once
#include <string>
#include <vector>

#include "base/result.h"
#include "control/options.h"

namespace portolan::control {

// Names and addresses of the public certificate when it comes from our own server CA; never empty.
std::vector<std::string> public_names(const ServerOptions& options);
// "https://portolan.example", without a slash at its end: as the operator says it, else by the first name, or the
// address that is listened on where no name is given, and the port.
std::string public_url(const ServerOptions& options);
// Whether a URL can be that: https, a host, perhaps a port, and nothing else but one slash.
Result<> check_public_url(const std::string& url);

}  // namespace portolan::control
