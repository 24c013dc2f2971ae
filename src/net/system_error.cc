#include "net/system_error.h"

#include <cctype>
#include <cerrno>
#include <system_error>

namespace portolan::net {

std::string errno_text(int error) {
  auto text = std::generic_category().message(error);
  if (!text.empty()) text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

std::unexpected<Error> io_error(std::string_view what, int error) {
  return std::unexpected(Error{Code::kIo, errno_text(error)}.within(what));
}

std::unexpected<Error> connect_error(int error) {
  Code code = Code::kUnavailable;
  if (error == ENOENT) code = Code::kNotFound;
  if (error == EACCES || error == EPERM) code = Code::kDenied;
  if (error == EADDRINUSE) code = Code::kConflict;
  if (error == EMFILE || error == ENFILE) code = Code::kLimit;
  if (error == EADDRNOTAVAIL || error == EAFNOSUPPORT) code = Code::kInvalid;
  return fail(code, errno_text(error), error == ECONNREFUSED ? "connection_refused" : "");
}

}  // namespace portolan::net
