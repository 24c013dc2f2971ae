#include "protocols/postgres/scram.h"

#include <charconv>

#include <fmt/format.h>

namespace portolan::protocols::postgres {
namespace {

// Takes the attribute `name` with its value from the front of "a=…,b=…".
Result<std::string_view> take_attribute(std::string_view& rest, char name) {
  if (rest.size() < 2 || rest[0] != name || rest[1] != '=')
    return fail(Code::kProtocol, fmt::format("SCRAM: attribute {} is missing", name));
  const std::size_t end = std::min(rest.find(','), rest.size());
  const std::string_view value = rest.substr(2, end - 2);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return value;
}

crypto::Sha256 exclusive_or(crypto::Sha256 a, const crypto::Sha256& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] ^= b[i];
  return a;
}

}  // namespace

Scram::Scram(std::string nonce, ScramBinding binding, std::string user)
    : nonce_(std::move(nonce)), binding_(std::move(binding)), user_(std::move(user)) {}

// The flag of channel binding, and no other identity to act for.
std::string_view Scram::gs2_header() const {
  switch (binding_.kind) {
    case ScramBinding::Kind::kNotOffered: return "y,,";
    case ScramBinding::Kind::kEndPoint: return "p=tls-server-end-point,,";
    default: return "n,,";
  }
}

std::string Scram::bare() const { return fmt::format("n={},r={}", user_, nonce_); }

std::string Scram::first() const { return fmt::format("{}{}", gs2_header(), bare()); }

Result<Scram::Challenge> Scram::challenge(std::string_view server_first) {
  server_first_ = server_first;
  std::string_view rest = server_first;
  PL_TRY(const std::string_view nonce, take_attribute(rest, 'r'));
  if (nonce.size() <= nonce_.size() || !nonce.starts_with(nonce_))
    return fail(Code::kProtocol, "SCRAM: the server's nonce does not continue ours");
  combined_nonce_ = nonce;
  PL_TRY(const std::string_view salt, take_attribute(rest, 's'));
  auto salt_bytes = from_base64(salt);
  if (!salt_bytes || salt_bytes->empty()) return fail(Code::kProtocol, "SCRAM: the salt is malformed");
  PL_TRY(const std::string_view count, take_attribute(rest, 'i'));
  unsigned iterations = 0;
  const auto [end, error] = std::from_chars(count.data(), count.data() + count.size(), iterations);
  if (error != std::errc() || end != count.data() + count.size() || iterations == 0 ||
      iterations > kScramIterationLimit)
    return fail(Code::kProtocol, fmt::format("SCRAM: an iteration count of {} is not within 1 to {}", quoted(count),
                                             kScramIterationLimit));
  return Challenge{std::move(*salt_bytes), iterations};
}

std::string Scram::answer(const crypto::Sha256& salted_password) {
  ByteWriter binding;
  binding.text(gs2_header());
  binding.bytes(binding_.data);
  const std::string without_proof = fmt::format("c={},r={}", base64(binding.view()), combined_nonce_);
  const std::string all = fmt::format("{},{},{}", bare(), server_first_, without_proof);
  const crypto::Sha256 client_key = crypto::hmac_sha256(salted_password, as_bytes("Client Key"));
  const crypto::Sha256 signature = crypto::hmac_sha256(crypto::sha256(client_key), as_bytes(all));
  server_signature_ = crypto::hmac_sha256(crypto::hmac_sha256(salted_password, as_bytes("Server Key")), as_bytes(all));
  return fmt::format("{},p={}", without_proof, base64(exclusive_or(client_key, signature)));
}

Result<> Scram::finish(std::string_view server_final) const {
  if (server_final.starts_with("e="))
    return fail(Code::kUnauthenticated, "SCRAM: the server says " + quoted(server_final.substr(2)));
  std::string_view rest = server_final;
  PL_TRY(const std::string_view verifier, take_attribute(rest, 'v'));
  const auto signature = from_base64(verifier);
  if (!signature || !equal_in_constant_time(*signature, server_signature_))
    return fail(Code::kProtocol, "SCRAM: the server's signature is wrong: it does not know the password");
  return {};
}

}  // namespace portolan::protocols::postgres
