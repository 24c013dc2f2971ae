// RFC 9106. A stored hash is read before it is given to the library: its parameters decide how much memory and time the
// check takes, and a row that someone altered must not take gigabytes.
#include "crypto/password.h"

#include <array>
#include <charconv>

#include <argon2.h>

#include "base/id.h"

namespace portolan::crypto {
namespace {

// OWASP's password storage recommendation: 19 MiB, two passes, one lane.
constexpr std::uint32_t kMemoryKib = 19'456;
constexpr std::uint32_t kPasses = 2;
constexpr std::uint32_t kLanes = 1;
constexpr std::size_t kSaltSize = 16;
constexpr std::size_t kHashSize = 32;
constexpr std::size_t kPasswordLimit = 1024;
constexpr std::size_t kTextLimit = 256;

// What a stored hash may ask for: room for stronger parameters of later releases.
constexpr std::uint32_t kMemoryKibLimit = 256 * 1024;
constexpr std::uint32_t kPassesLimit = 10;
constexpr std::uint32_t kLanesLimit = 4;

// Takes `name` and a number of at most `limit` off the front of `rest`.
bool take_parameter(std::string_view& rest, std::string_view name, std::uint32_t limit) {
  if (!rest.starts_with(name)) return false;
  rest.remove_prefix(name.size());
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (error != std::errc() || value == 0 || value > limit) return false;
  rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  return true;
}

bool is_affordable(std::string_view hash) {
  if (hash.size() > kTextLimit || hash.find('\0') != std::string_view::npos) return false;
  return take_parameter(hash, "$argon2id$v=", ARGON2_VERSION_NUMBER) && take_parameter(hash, "$m=", kMemoryKibLimit) &&
         take_parameter(hash, ",t=", kPassesLimit) && take_parameter(hash, ",p=", kLanesLimit) && hash.starts_with('$');
}

}  // namespace

Result<std::string> hash_password(const Secret& password) {
  const std::string& text = password.reveal();
  if (text.empty()) return fail(Code::kInvalid, "the password is empty");
  if (text.size() > kPasswordLimit) return fail(Code::kInvalid, "the password is longer than 1024 bytes");
  std::array<std::byte, kSaltSize> salt;
  fill_random(salt);
  std::array<char, kTextLimit> out{};
  const int status = argon2id_hash_encoded(kPasses, kMemoryKib, kLanes, text.data(), text.size(), salt.data(),
                                           salt.size(), kHashSize, out.data(), out.size());
  if (status != ARGON2_OK)
    return fail(Code::kInternal, std::string("hash a password: ") + argon2_error_message(status));
  return std::string(out.data());
}

bool verify_password(std::string_view hash, const Secret& password) {
  const std::string& text = password.reveal();
  if (text.empty() || text.size() > kPasswordLimit || !is_affordable(hash)) return false;
  return argon2id_verify(std::string(hash).c_str(), text.data(), text.size()) == ARGON2_OK;
}

}  // namespace portolan::crypto
