// What people read of a request to a web resource: beside it, --json has all that is on record.
#pragma once
#include <string>

#include "api/audit.h"

namespace portolan::cli {

// "200 GET https://wiki.corp.example/a?b=c  -- 120 bytes in, 5321 out"; of a WebSocket its messages too. `text` is the
// record's.
std::string request_in_words(const std::string& text, const api::AuditHttp& request);

}  // namespace portolan::cli
