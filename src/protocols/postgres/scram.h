// SCRAM-SHA-256, the client's part: RFC 5802 and 7677, as PostgreSQL uses it
// (https://www.postgresql.org/docs/current/sasl-authentication.html). Pure: text in, text out.
//
// Both sides prove themselves: finish() checks the server's signature, so that a server that does not know the password
// is found out. Passwords go through as they are: SASLprep changes nothing in ASCII, and PostgreSQL itself takes a
// password raw where it cannot prepare it.
#pragma once
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/hash.h"

namespace portolan::protocols::postgres {

inline constexpr std::string_view kScramSha256 = "SCRAM-SHA-256";
inline constexpr std::string_view kScramSha256Plus = "SCRAM-SHA-256-PLUS";  // with channel binding
// A server that asks for more than this would make us work for it.
inline constexpr unsigned kScramIterationLimit = 10'000'000;

// What the client says of channel binding (RFC 5802 §6). It is part of what both sides sign: whoever takes
// SCRAM-SHA-256-PLUS off the server's list is found out by kNotOffered.
struct ScramBinding {
  enum class Kind {
    kUnable,      // "n": the client does not do it
    kNotOffered,  // "y": the client would, and thinks that the server cannot
    kEndPoint,    // "p=tls-server-end-point", RFC 5929 §4
  };
  Kind kind = Kind::kUnable;
  Bytes data = {};  // for kEndPoint: the hash of the server's certificate
};

// One sign-in: first(), challenge(), the key derivation by the caller, answer(), finish(), in this order.
class Scram {
 public:
  // `nonce` is printable, random and used once. PostgreSQL takes the user's name from the start-up packet and ignores
  // this one.
  explicit Scram(std::string nonce, ScramBinding binding = {}, std::string user = {});

  std::string first() const;

  // What the server asks: the caller derives the salted password from it, perhaps on another thread, since that is slow
  // on purpose.
  struct Challenge {
    Bytes salt;
    unsigned iterations = 0;
  };
  Result<Challenge> challenge(std::string_view server_first);
  std::string answer(const crypto::Sha256& salted_password);
  Result<> finish(std::string_view server_final) const;

 private:
  std::string bare() const;
  std::string_view gs2_header() const;

  std::string nonce_;
  ScramBinding binding_;
  std::string user_;
  std::string server_first_;
  std::string combined_nonce_;
  crypto::Sha256 server_signature_{};
};

}  // namespace portolan::protocols::postgres
