// For tests: keys and signatures made apart from ed25519.h, as a script with openssl makes them.
#pragma once
#include <array>
#include <string>

#include <openssl/evp.h>

#include "crypto/ed25519.h"
#include "crypto/openssl.h"

namespace portolan::crypto {

class Ed25519TestKey {
 public:
  Ed25519TestKey() : native_(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")) {}

  std::string public_pem() const {
    std::array<unsigned char, 32> raw{};
    std::size_t size = raw.size();
    must(EVP_PKEY_get_raw_public_key(native_.get(), raw.data(), &size) == 1, "EVP_PKEY_get_raw_public_key");
    std::string der("\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", 12);
    der.append(reinterpret_cast<const char*>(raw.data()), size);
    return "-----BEGIN PUBLIC KEY-----\n" + base64(as_bytes(der)) + "\n-----END PUBLIC KEY-----\n";
  }

  Bytes sign(std::string_view message) const {
    const Owned<EVP_MD_CTX, EVP_MD_CTX_free> ctx(must(EVP_MD_CTX_new(), "EVP_MD_CTX_new"));
    must(EVP_DigestSignInit(ctx.get(), nullptr, nullptr, nullptr, native_.get()) == 1, "EVP_DigestSignInit");
    Bytes out(64);
    std::size_t size = out.size();
    must(EVP_DigestSign(ctx.get(), reinterpret_cast<unsigned char*>(out.data()), &size,
                        reinterpret_cast<const unsigned char*>(message.data()), message.size()) == 1,
         "EVP_DigestSign");
    return out;
  }

 private:
  OwnedPkey native_;
};

}  // namespace portolan::crypto
