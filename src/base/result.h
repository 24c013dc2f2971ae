// How every function of the project says that it failed: a Result, which is a value or an Error.
// Exceptions mean bugs and exhausted memory and are caught at task boundaries only.
#pragma once
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace portolan {

enum class Code {
  kInvalid,          // the caller's input is wrong
  kUnauthenticated,  // the caller has not proven who it is
  kDenied,           // it has, and may not
  kNotFound,
  kConflict,
  kLimit,        // a limit of size, count or rate was reached
  kUnavailable,  // something that is needed is away; a retry can help
  kTimeout,
  kCancelled,
  kEof,       // the peer ended the stream, perhaps too early
  kIo,        // the operating system refused
  kProtocol,  // the peer broke its protocol
  kInternal,
};

// Where on a connection's way an error arose (docs/wire.md, "Refusals").
enum class Hop { kUnknown, kAgent, kGateway, kEgress, kControlPlane, kResource };

struct Error {
  Code code = Code::kInternal;
  std::string message;      // lower case, from outside in, no secret; quoted() around foreign text
  std::string reason = {};  // stable code for programs, such as "no_grant"; empty: the name of `code`
  Hop hop = Hop::kUnknown;  // kUnknown: here

  // The same error seen from further out: "connect to ...: " + message.
  Error within(std::string_view outer) &&;
  Error at(Hop where) &&;
  // The stable code: `reason`, or the name of `code`.
  std::string_view stable_code() const;
  // Whether doing the same again later can succeed.
  bool retry_can_help() const;
};

template <class T = void>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(Code code, std::string message, std::string reason = {}) {
  return std::unexpected(Error{code, std::move(message), std::move(reason), Hop::kUnknown});
}

std::string_view name_of(Code code);
std::string_view name_of(Hop hop);
Code code_from(std::string_view name);  // kInternal for an unknown name
Hop hop_from(std::string_view name);    // kUnknown for an unknown name

// Foreign text fit for messages and logs: in quotes, control bytes escaped, cut at `limit` bytes.
std::string quoted(std::string_view text, std::size_t limit = 64);
// Better matches than std::quoted, which argument-dependent look-up would find for std::string.
inline std::string quoted(const std::string& text, std::size_t limit = 64) {
  return quoted(std::string_view(text), limit);
}
inline std::string quoted(std::string& text, std::size_t limit = 64) { return quoted(std::string_view(text), limit); }
inline std::string quoted(const char* text, std::size_t limit = 64) { return quoted(std::string_view(text), limit); }

}  // namespace portolan

#define PL_JOIN_INNER(a, b) a##b
#define PL_JOIN(a, b) PL_JOIN_INNER(a, b)
#define PL_TRY_INNER(ret, tmp, decl, ...)                \
  auto tmp = __VA_ARGS__;                                \
  if (!tmp) ret std::unexpected(std::move(tmp).error()); \
  decl = std::move(*tmp)
#define PL_CHECK_INNER(ret, tmp, ...) \
  if (auto tmp = __VA_ARGS__; !tmp) ret std::unexpected(std::move(tmp).error())

// Return the error, else bind the value: PL_TRY(auto key, read_key(path));
#define PL_TRY(decl, ...) PL_TRY_INNER(return, PL_JOIN(pl_result_, __COUNTER__), decl, __VA_ARGS__)
#define PL_CHECK(...) PL_CHECK_INNER(return, PL_JOIN(pl_result_, __COUNTER__), __VA_ARGS__)
// The same inside a coroutine.
#define CO_TRY(decl, ...) PL_TRY_INNER(co_return, PL_JOIN(pl_result_, __COUNTER__), decl, __VA_ARGS__)
#define CO_CHECK_INNER(tmp, ...) \
  auto tmp = __VA_ARGS__;        \
  if (!tmp) co_return std::unexpected(std::move(tmp).error())
#define CO_CHECK(...) CO_CHECK_INNER(PL_JOIN(pl_result_, __COUNTER__), __VA_ARGS__)
