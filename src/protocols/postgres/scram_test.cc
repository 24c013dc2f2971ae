#include "protocols/postgres/scram.h"

#include <gtest/gtest.h>

namespace portolan::protocols::postgres {
namespace {

// RFC 7677, section 3.
constexpr std::string_view kNonce = "rOprNGfwEbeRWgbNEkqO";
constexpr std::string_view kServerFirst =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr std::string_view kServerFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

Result<> sign_in(std::string_view password, std::string_view server_final, std::string& answer) {
  Scram scram{std::string(kNonce), {}, "user"};
  PL_TRY(const Scram::Challenge challenge, scram.challenge(kServerFirst));
  answer = scram.answer(crypto::pbkdf2_sha256(password, challenge.salt, challenge.iterations));
  return scram.finish(server_final);
}

TEST(Scram, TheRfcsExample) {
  EXPECT_EQ(Scram(std::string(kNonce), {}, "user").first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  std::string answer;
  EXPECT_TRUE(sign_in("pencil", kServerFinal, answer));
  EXPECT_EQ(
      answer,
      "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
}

TEST(Scram, WhatIsSaidOfChannelBinding) {
  using Kind = ScramBinding::Kind;
  struct Case {
    Kind kind;
    std::string_view header, said;
  };
  const Case cases[] = {{Kind::kUnable, "n,,", "c=biws,"},
                        {Kind::kNotOffered, "y,,", "c=eSws,"},
                        {Kind::kEndPoint, "p=tls-server-end-point,,", "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsAQID,"}};
  for (const Case& c : cases) {
    Bytes hash = c.kind == Kind::kEndPoint ? Bytes{std::byte{1}, std::byte{2}, std::byte{3}} : Bytes{};
    Scram scram{std::string(kNonce), {c.kind, std::move(hash)}};
    EXPECT_EQ(scram.first(), std::string(c.header) + "n=,r=" + std::string(kNonce));
    ASSERT_TRUE(scram.challenge(kServerFirst));
    EXPECT_TRUE(scram.answer({}).starts_with(c.said)) << scram.answer({});
  }
}

TEST(Scram, AServerThatDoesNotKnowThePasswordIsFoundOut) {
  std::string answer;
  const auto wrong = sign_in("pencils", kServerFinal, answer);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, Code::kProtocol);
  for (std::string_view final : {"", "v=", "v=AAAA", "v=!", "x=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="})
    EXPECT_FALSE(sign_in("pencil", final, answer)) << final;
  const auto says = sign_in("pencil", "e=invalid-proof", answer);
  ASSERT_FALSE(says);
  EXPECT_EQ(says.error().code, Code::kUnauthenticated);
  EXPECT_TRUE(says.error().message.contains("invalid-proof"));
}

TEST(Scram, Challenges) {
  struct Case {
    std::string_view text;
    bool ok;
  };
  const Case cases[] = {
      {"r=abcdef,s=AAAA,i=1", true},
      {"r=abcdef,s=AAAA,i=10000000", true},
      {"r=abcdef,s=AAAA,i=4096,x=an extension", true},
      {"", false},
      {"r=abc,s=AAAA,i=4096", false},      // the server added nothing
      {"r=xabcdef,s=AAAA,i=4096", false},  // not our nonce
      {"r=abcdef,s=,i=4096", false},
      {"r=abcdef,s=A?A=,i=4096", false},
      {"r=abcdef,s=AAAA,i=0", false},
      {"r=abcdef,s=AAAA,i=-1", false},
      {"r=abcdef,s=AAAA,i=10000001", false},
      {"r=abcdef,s=AAAA,i=99999999999999999999", false},
      {"r=abcdef,s=AAAA,i=4096 ", false},
      {"r=abcdef,s=AAAA", false},
      {"s=AAAA,r=abcdef,i=4096", false},
      {"m=must-be-understood,r=abcdef,s=AAAA,i=4096", false},
  };
  for (const Case& c : cases) EXPECT_EQ(Scram("abc").challenge(c.text).has_value(), c.ok) << c.text;
}

}  // namespace
}  // namespace portolan::protocols::postgres
