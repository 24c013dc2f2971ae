// Ownership and errors of OpenSSL objects, for crypto/, net/ and tunnel/ alone.
#pragma once
#include <memory>
#include <stdexcept>
#include <string>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace portolan::crypto {

template <auto Free>
struct FreeBy {
  template <class T>
  void operator()(T* native) const {
    Free(native);
  }
};
template <class T, auto Free>
using Owned = std::unique_ptr<T, FreeBy<Free>>;

using OwnedBio = Owned<BIO, BIO_free_all>;
using OwnedPkey = Owned<EVP_PKEY, EVP_PKEY_free>;
using OwnedX509 = Owned<X509, X509_free>;

// Takes back, at the end of a scope, whatever OpenSSL put on the thread's error queue within it: an error left behind
// would be taken for that of the next TLS operation on this thread.
class ErrorScope {
 public:
  ErrorScope() { ERR_set_mark(); }
  ErrorScope(const ErrorScope&) = delete;
  ErrorScope& operator=(const ErrorScope&) = delete;
  ~ErrorScope() { ERR_pop_to_mark(); }
  // OpenSSL's word for the latest error; empty if it gave none.
  std::string reason() const {
    const char* text = ERR_reason_error_string(ERR_peek_last_error());
    return text == nullptr ? std::string() : std::string(text);
  }
};

// For calls that fail only when memory is exhausted or we have a bug: those end in an exception, not in a Result.
inline void must(bool done, const char* what) {
  if (!done) throw std::runtime_error(std::string("crypto: ") + what + " failed");
}
template <class T>
T* must(T* made, const char* what) {
  must(made != nullptr, what);
  return made;
}

inline const unsigned char* native_bytes(const void* bytes) { return static_cast<const unsigned char*>(bytes); }
inline unsigned char* native_bytes(void* bytes) { return static_cast<unsigned char*>(bytes); }

}  // namespace portolan::crypto
