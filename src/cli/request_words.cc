#include "cli/request_words.h"

#include <fmt/format.h>

namespace portolan::cli {

std::string request_in_words(const std::string& text, const api::AuditHttp& request) {
  // Without the short form, of a release that does not write it, the parts will do.
  std::string out = text.empty() ? fmt::format("{} {}{}{}", request.method, request.host, request.path,
                                               request.query ? "?" + *request.query : "")
                                 : text;
  if (request.status) out = fmt::format("{} {}", *request.status, out);
  if (request.messages_in || request.messages_out)
    return out + fmt::format("  -- {} messages in, {} out; {} bytes in, {} out", request.messages_in.value_or(0),
                             request.messages_out.value_or(0), request.bytes_in, request.bytes_out);
  if (request.bytes_in == 0 && request.bytes_out == 0) return out;
  return out + fmt::format("  -- {} bytes in, {} out", request.bytes_in, request.bytes_out);
}

}  // namespace portolan::cli
