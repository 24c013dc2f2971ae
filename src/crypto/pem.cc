#include "crypto/pem.h"

#include <openssl/crypto.h>
#include <openssl/pem.h>

namespace portolan::crypto {

PemReader::PemReader(std::string_view text) : too_long_(text.size() > kTextLimit) {
  if (too_long_) return;
  // A null pointer is no buffer to OpenSSL, not even an empty one.
  bio_.reset(must(BIO_new_mem_buf(text.empty() ? "" : text.data(), static_cast<int>(text.size())), "BIO_new_mem_buf"));
}

Result<std::optional<PemBlock>> PemReader::next() {
  if (too_long_) return fail(Code::kLimit, "PEM text larger than " + std::to_string(kTextLimit) + " bytes");
  const ErrorScope errors;
  char* label = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  if (PEM_read_bio_ex(bio_.get(), &label, &header, &data, &size, PEM_FLAG_SECURE) != 1) {
    const auto error = ERR_peek_last_error();
    if (ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE) return std::nullopt;
    return fail(Code::kInvalid, "broken PEM block: " + errors.reason());
  }
  const std::string_view head(header);
  PemBlock block{std::string(label),
                 Secret(std::string(as_text(std::as_bytes(std::span(data, static_cast<std::size_t>(size))))))};
  const bool plain = head.empty();
  OPENSSL_secure_free(label);
  OPENSSL_secure_free(header);
  OPENSSL_secure_clear_free(data, static_cast<std::size_t>(size));
  if (!plain) return fail(Code::kInvalid, "PEM block " + quoted(block.label) + " is encrypted: decrypt it first");
  return block;
}

}  // namespace portolan::crypto
