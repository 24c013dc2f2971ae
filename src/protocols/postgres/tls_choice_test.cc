#include "protocols/postgres/tls_choice.h"

#include <gtest/gtest.h>

namespace portolan::protocols::postgres {
namespace {

TEST(TlsChoice, FromSettings) {
  using Mode = TlsChoice::Mode;
  struct Case {
    Settings settings;
    std::string host;
    Mode mode;
    bool verify_chain, system_trust;
    std::string server_name, verify_host;
  };
  const Case cases[] = {
      {{}, "db.example", Mode::kPrefer, false, false, "db.example", ""},
      {{{"tls", "disable"}}, "db.example", Mode::kDisable, false, false, "db.example", ""},
      {{{"tls", "require"}}, "10.0.0.1", Mode::kRequire, false, false, "", ""},
      {{{"tls", "verify-ca"}}, "db.example", Mode::kVerifyCa, true, true, "db.example", ""},
      {{{"tls", "verify-full"}}, "db.example", Mode::kVerifyFull, true, true, "db.example", "db.example"},
      {{{"tls", "verify-full"}}, "::1", Mode::kVerifyFull, true, true, "", "::1"},
      {{{"tls", "verify-full"}, {"tls_server_name", "pg.internal"}},
       "10.0.0.1",
       Mode::kVerifyFull,
       true,
       true,
       "pg.internal",
       "pg.internal"},
  };
  for (const Case& c : cases) {
    const auto choice = tls_choice(c.settings, c.host);
    ASSERT_TRUE(choice);
    EXPECT_EQ(choice->mode, c.mode);
    EXPECT_EQ(choice->options.verify_chain, c.verify_chain);
    EXPECT_EQ(choice->options.system_trust, c.system_trust);
    EXPECT_EQ(choice->options.server_name, c.server_name);
    EXPECT_EQ(choice->options.verify_host, c.verify_host);
    EXPECT_TRUE(choice->options.alpn.empty());
    EXPECT_EQ(choice->options.versions, net::TlsVersions::k12And13);
  }
}

TEST(TlsChoice, ChannelBinding) {
  EXPECT_EQ(tls_choice({}, "h")->channel_binding, ChannelBinding::kPrefer);
  EXPECT_EQ(tls_choice({{"channel_binding", "disable"}, {"tls", "disable"}}, "h")->channel_binding,
            ChannelBinding::kDisable);
  EXPECT_EQ(tls_choice({{"channel_binding", "require"}}, "h")->channel_binding, ChannelBinding::kRequire);
  EXPECT_FALSE(tls_choice({{"channel_binding", "require"}, {"tls", "disable"}}, "h"));
  EXPECT_FALSE(tls_choice({{"channel_binding", "yes"}}, "h"));
}

TEST(TlsChoice, TheCertificateThatIsShown) {
  const auto at = Clock::real().wall();
  const auto authority = crypto::Authority::create("people", crypto::Profile::kServer, at, std::chrono::hours(1));
  const auto key = crypto::PrivateKey::generate();
  const auto leaf = authority.issue({.profile = crypto::Profile::kServer,
                                     .key = key.public_key(),
                                     .common_name = "app",
                                     .dns_names = {"app"},
                                     .addresses = {}},
                                    at);
  ASSERT_TRUE(leaf);
  const Settings settings = {{"tls", "require"}, {"tls_certificate", crypto::to_pem({*leaf, authority.certificate()})}};
  auto choice = tls_choice(settings, "h");
  ASSERT_TRUE(choice);
  EXPECT_FALSE(choice->options.identity);
  EXPECT_FALSE(show_certificate(*choice, settings, Secret())) << "no key";
  EXPECT_FALSE(show_certificate(*choice, settings, Secret("nonsense")));
  ASSERT_TRUE(show_certificate(*choice, settings, key.pem()));
  ASSERT_TRUE(choice->options.identity);
  EXPECT_EQ(choice->options.identity->chain.size(), 2u);

  auto none = tls_choice({}, "h");
  EXPECT_TRUE(show_certificate(*none, {}, Secret()));
  EXPECT_FALSE(none->options.identity);
  EXPECT_FALSE(tls_choice({{"tls", "disable"}, {"tls_certificate", leaf->pem()}}, "h"));
  EXPECT_FALSE(tls_choice({{"tls_certificate", "not a certificate"}}, "h"));
}

}  // namespace
}  // namespace portolan::protocols::postgres
