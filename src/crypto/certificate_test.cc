#include "crypto/certificate.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <set>

#include "base/file.h"
#include "base/id.h"
#include "crypto/identity.h"
#include "crypto/openssl.h"

namespace portolan::crypto {
namespace {

using namespace std::chrono_literals;

const WallTime kNow = *from_rfc3339("2026-11-23T20:24:01.500Z");
const std::string kUri = to_uri(UserIdentity{"example.org", "a-1", "d-1"});
constexpr Profile kProfiles[] = {Profile::kUser, Profile::kNode, Profile::kServer};

CertificateRequest request_for(const PublicKey& key, Profile profile = Profile::kUser) {
  return {.profile = profile,
          .key = key,
          .common_name = "alice",
          .uris = {kUri},
          .dns_names = {},
          .addresses = {},
          .life = 1h};
}

// The certificate changed by `change` and signed anew.
Certificate reshape(const Certificate& from, const PrivateKey& signer, const std::function<void(X509*)>& change) {
  const OwnedX509 copy(X509_dup(from.native()));
  change(copy.get());
  EXPECT_GT(X509_sign(copy.get(), signer.native(), EVP_sha256()), 0);
  return *Certificate::from_der(Certificate(std::shared_ptr<X509>(copy.get(), [](X509*) {})).der());
}

void remove_extension(X509* native, int nid) {
  X509_EXTENSION_free(X509_delete_ext(native, X509_get_ext_by_NID(native, nid, -1)));
}

void set_extension(X509* native, int nid, const char* text) {
  if (X509_get_ext_by_NID(native, nid, -1) >= 0) remove_extension(native, nid);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, text);
  ASSERT_NE(extension, nullptr) << text;
  ASSERT_EQ(X509_add_ext(native, extension, -1), 1);
  X509_EXTENSION_free(extension);
}

struct World {
  Authority root = Authority::create("users", Profile::kUser, kNow, 24h);
  PrivateKey key = PrivateKey::generate();
  Certificate leaf = *root.issue(request_for(key.public_key()), kNow);
};

TEST(Certificate, BearsWhatWasAsked) {
  const World w;
  EXPECT_EQ(w.leaf.uris(), std::vector<std::string>{kUri});
  EXPECT_EQ(*w.leaf.identity(), kUri);
  EXPECT_EQ(w.leaf.public_key(), w.key.public_key());
  EXPECT_EQ(to_rfc3339(w.leaf.not_before()), "2026-11-23T20:19:01.000Z");
  EXPECT_EQ(to_rfc3339(w.leaf.not_after()), "2026-11-23T21:24:01.000Z");
  EXPECT_EQ(w.leaf.fingerprint().size(), 64U);
  EXPECT_TRUE(verify_leaf(w.leaf, w.root.certificate(), Profile::kUser, kNow));
}

TEST(Certificate, RoundTrips) {
  const World w;
  EXPECT_EQ(Certificate::from_der(w.leaf.der())->fingerprint(), w.leaf.fingerprint());
  EXPECT_EQ(Certificate::from_pem(w.leaf.pem())->fingerprint(), w.leaf.fingerprint());
  const auto chain =
      Certificate::all_from_pem("a comment\n" + w.key.pem().reveal() + to_pem({w.leaf, w.root.certificate()}));
  ASSERT_TRUE(chain) << chain.error().message;
  ASSERT_EQ(chain->size(), 2U);
  EXPECT_EQ((*chain)[1].fingerprint(), w.root.certificate().fingerprint());
}

TEST(Certificate, SerialsAreLongAndDiffer) {
  const World w;
  std::set<std::string> seen;
  std::size_t longest = 0;
  for (int i = 0; i < 20; ++i) {
    const auto leaf = w.root.issue(request_for(w.key.public_key()), kNow);
    EXPECT_EQ(leaf->serial().find_first_not_of("0123456789abcdef"), std::string::npos);
    longest = std::max(longest, leaf->serial().size());
    seen.insert(leaf->serial());
  }
  EXPECT_EQ(seen.size(), 20U);
  EXPECT_EQ(longest, 32U);
}

TEST(Certificate, ReadsOnlyWhatIsWholeAndSmall) {
  const World w;
  const Bytes der = w.leaf.der();
  for (std::size_t n = 0; n < der.size(); ++n) EXPECT_FALSE(Certificate::from_der(ByteView(der).first(n))) << n;
  Bytes longer = der;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(Certificate::from_der(longer));
  EXPECT_EQ(Certificate::from_der(Bytes(64 * 1024 + 1)).error().code, Code::kLimit);
  EXPECT_EQ(Certificate::from_pem("").error().code, Code::kInvalid);
  EXPECT_EQ(Certificate::all_from_pem(w.key.pem().reveal()).error().code, Code::kInvalid);
  EXPECT_FALSE(Certificate::from_pem(w.leaf.pem().substr(0, 300)));
  EXPECT_FALSE(Certificate::all_from_pem(w.leaf.pem() + w.leaf.pem().substr(0, 300)));
  EXPECT_TRUE(Certificate::all_from_pem(to_pem(std::vector(16, w.leaf))));
  EXPECT_EQ(Certificate::all_from_pem(to_pem(std::vector(17, w.leaf))).error().code, Code::kLimit);
  EXPECT_EQ(Certificate::all_from_pem(std::string(3 << 20, '\n')).error().code, Code::kLimit);
  EXPECT_EQ(ERR_peek_error(), 0U) << "an error was left for the next TLS operation";
}

// RFC 5929 §4.1; what OpenSSL's own tools and PostgreSQL make of the same certificates.
TEST(Certificate, EndPointIsHashedAsItsSignatureIs) {
  const World w;
  struct Case {
    const EVP_MD* signature;
    const EVP_MD* hash;
  };
  for (const Case& c : {Case{EVP_sha256(), EVP_sha256()}, Case{EVP_sha384(), EVP_sha384()},
                        Case{EVP_sha512(), EVP_sha512()}, Case{EVP_sha1(), EVP_sha256()}}) {
    const OwnedX509 copy(X509_dup(w.leaf.native()));
    ASSERT_GT(X509_sign(copy.get(), w.root.key().native(), c.signature), 0);
    const Certificate certificate(std::shared_ptr<X509>(copy.get(), [](X509*) {}));
    const Bytes der = certificate.der();
    Bytes expected(static_cast<std::size_t>(EVP_MD_get_size(c.hash)));
    ASSERT_EQ(EVP_Digest(der.data(), der.size(), native_bytes(expected.data()), nullptr, c.hash, nullptr), 1);
    EXPECT_EQ(certificate.end_point(), expected) << EVP_MD_get0_name(c.signature);
  }
  const OwnedPkey ed25519(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  const OwnedX509 copy(X509_dup(w.leaf.native()));
  ASSERT_GT(X509_sign(copy.get(), ed25519.get(), nullptr), 0);
  EXPECT_TRUE(Certificate(std::shared_ptr<X509>(copy.get(), [](X509*) {})).end_point().empty());
}

TEST(Certificate, IdentityIsTheOneUri) {
  const World w;
  CertificateRequest request = request_for(w.key.public_key());
  request.uris.push_back("spiffe://example.org/node/n-1");
  const auto two = w.root.issue(request, kNow);
  EXPECT_EQ(two->uris().size(), 2U);
  EXPECT_EQ(two->identity().error().code, Code::kInvalid);
  request.uris.clear();
  request.dns_names = {"host.example.org"};
  EXPECT_EQ(w.root.issue(request, kNow)->identity().error().code, Code::kInvalid);
}

TEST(Certificate, EachProfileIsTakenForNoOther) {
  for (const Profile made : kProfiles) {
    const Authority root = Authority::create("root", made, kNow, 24h);
    const auto leaf = root.issue(request_for(PrivateKey::generate().public_key(), made), kNow);
    ASSERT_TRUE(leaf);
    for (const Profile asked : kProfiles) {
      EXPECT_EQ(leaf->has_profile(asked), made == asked);
      EXPECT_EQ(verify_leaf(*leaf, root.certificate(), asked, kNow).has_value(), made == asked);
      EXPECT_FALSE(root.certificate().has_profile(asked));
      EXPECT_EQ(Authority::from(root.certificate(), root.key(), asked).has_value(), made == asked);
      EXPECT_EQ(root.issue(request_for(PrivateKey::generate().public_key(), asked), kNow).has_value(), made == asked);
    }
  }
}

// Signed by the right root, and still not what it should be.
TEST(Certificate, ProfileDemandsExactlyItsForm) {
  const World w;
  struct Case {
    const char* what;
    std::function<void(X509*)> change;
  };
  const std::vector<Case> table = {
      {"an authority", [](X509* x) { set_extension(x, NID_basic_constraints, "critical,CA:TRUE"); }},
      {"an authority by usage",
       [](X509* x) { set_extension(x, NID_key_usage, "critical,digitalSignature,keyCertSign"); }},
      {"no basic constraints", [](X509* x) { remove_extension(x, NID_basic_constraints); }},
      {"no key usage", [](X509* x) { remove_extension(x, NID_key_usage); }},
      {"no extended usage", [](X509* x) { remove_extension(x, NID_ext_key_usage); }},
      {"only the standard usage", [](X509* x) { set_extension(x, NID_ext_key_usage, "clientAuth"); }},
      {"only its own usage", [](X509* x) { set_extension(x, NID_ext_key_usage, "1.3.6.1.4.1.59999.1.1"); }},
      {"two profiles",
       [](X509* x) { set_extension(x, NID_ext_key_usage, "clientAuth,1.3.6.1.4.1.59999.1.1,1.3.6.1.4.1.59999.1.2"); }},
      {"usage twice",
       [](X509* x) { set_extension(x, NID_ext_key_usage, "clientAuth,1.3.6.1.4.1.59999.1.1,1.3.6.1.4.1.59999.1.1"); }},
      {"any usage", [](X509* x) { set_extension(x, NID_ext_key_usage, "anyExtendedKeyUsage"); }},
      {"any usage too",
       [](X509* x) { set_extension(x, NID_ext_key_usage, "clientAuth,1.3.6.1.4.1.59999.1.1,anyExtendedKeyUsage"); }},
      {"an unknown critical extension", [](X509* x) { set_extension(x, NID_netscape_comment, "critical,hello"); }},
      {"a key on another curve",
       [](X509* x) { X509_set_pubkey(x, std::shared_ptr<EVP_PKEY>(EVP_EC_gen("P-384"), EVP_PKEY_free).get()); }},
      {"an RSA key",
       [](X509* x) { X509_set_pubkey(x, std::shared_ptr<EVP_PKEY>(EVP_RSA_gen(2048), EVP_PKEY_free).get()); }},
  };
  EXPECT_TRUE(verify_leaf(reshape(w.leaf, w.root.key(), [](X509*) {}), w.root.certificate(), Profile::kUser, kNow));
  for (const Case& c : table) {
    const Certificate changed = reshape(w.leaf, w.root.key(), c.change);
    EXPECT_FALSE(changed.has_profile(Profile::kUser)) << c.what;
    const auto verified = verify_leaf(changed, w.root.certificate(), Profile::kUser, kNow);
    ASSERT_FALSE(verified) << c.what;
    EXPECT_EQ(verified.error().code, Code::kDenied) << c.what;
  }
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST(Certificate, LeafIsNoAuthority) {
  const World w;
  EXPECT_EQ(Authority::from(w.leaf, w.key, Profile::kUser).error().code, Code::kInvalid);
  // Signed by a leaf's key in the leaf's name.
  const Certificate below = reshape(w.leaf, w.key, [&](X509* x) {
    X509_set_issuer_name(x, X509_get_subject_name(w.leaf.native()));
    remove_extension(x, NID_authority_key_identifier);
  });
  EXPECT_FALSE(verify_leaf(below, w.leaf, Profile::kUser, kNow));
  EXPECT_FALSE(verify_leaf(below, w.root.certificate(), Profile::kUser, kNow));
  EXPECT_FALSE(verify_leaf(w.leaf, w.leaf, Profile::kUser, kNow));
  EXPECT_FALSE(verify_leaf(w.root.certificate(), w.root.certificate(), Profile::kUser, kNow));
}

TEST(Certificate, AnotherAuthoritySignsForItselfAlone) {
  const World w;
  const Authority twin = Authority::create("users", Profile::kUser, kNow, 24h);  // the same name, another key
  EXPECT_FALSE(verify_leaf(w.leaf, twin.certificate(), Profile::kUser, kNow));
  // Everything but the signature is the right root's.
  const auto forged =
      verify_leaf(reshape(w.leaf, twin.key(), [](X509*) {}), w.root.certificate(), Profile::kUser, kNow);
  ASSERT_FALSE(forged);
  EXPECT_NE(forged.error().message.find("signature"), std::string::npos) << forged.error().message;
  // The right key, in another name.
  EXPECT_FALSE(
      verify_leaf(reshape(w.leaf, w.root.key(), [&](X509* x) { X509_set_issuer_name(x, X509_get_subject_name(x)); }),
                  w.root.certificate(), Profile::kUser, kNow));
  EXPECT_EQ(Authority::from(w.root.certificate(), twin.key(), Profile::kUser).error().code, Code::kInvalid);
}

TEST(Certificate, AnyAlteredByteIsSeen) {
  const World w;
  const Bytes der = w.leaf.der();
  for (std::size_t i = 0; i < der.size(); ++i) {
    Bytes altered = der;
    altered[i] ^= std::byte{0x10};
    const auto read = Certificate::from_der(altered);
    if (read) EXPECT_FALSE(verify_leaf(*read, w.root.certificate(), Profile::kUser, kNow)) << i;
  }
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST(Certificate, IsValidForItsTimeOnly) {
  const World w;
  const auto valid = [&](WallTime at) {
    return verify_leaf(w.leaf, w.root.certificate(), Profile::kUser, at).has_value();
  };
  EXPECT_FALSE(valid(w.leaf.not_before() - 1ms));
  EXPECT_TRUE(valid(w.leaf.not_before()));
  EXPECT_TRUE(valid(w.leaf.not_after() - 1ms));
  EXPECT_FALSE(valid(w.leaf.not_after()));
}

TEST(Authority, NothingOutlivesTheRoot) {
  const World w;
  CertificateRequest request = request_for(w.key.public_key());
  const WallTime end = w.root.certificate().not_after();
  EXPECT_EQ(w.root.issue(request, end - 10min)->not_after(), end);
  request.life = std::chrono::seconds::max();
  EXPECT_EQ(w.root.issue(request, kNow)->not_after(), end);
  EXPECT_EQ(w.root.issue(request, end).error().code, Code::kInvalid);
  request.life = 0s;
  EXPECT_EQ(w.root.issue(request, kNow).error().code, Code::kInvalid);
}

TEST(Authority, SurvivesStorage) {
  const World w;
  const auto read = Authority::from(*Certificate::from_pem(w.root.certificate().pem()),
                                    *PrivateKey::from_pem(w.root.key().pem()), Profile::kUser);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_TRUE(
      verify_leaf(*read->issue(request_for(w.key.public_key()), kNow), w.root.certificate(), Profile::kUser, kNow));
}

TEST(Authority, RefusesNamesThatAreNotWellFormed) {
  const World w;
  const CertificateRequest good = request_for(w.key.public_key());
  const auto refused = [&](const std::function<void(CertificateRequest&)>& change) {
    CertificateRequest request = good;
    change(request);
    return !w.root.issue(request, kNow).has_value();
  };
  EXPECT_TRUE(refused([](auto& r) { r.uris = {}; }));
  EXPECT_TRUE(refused([](auto& r) { r.uris = {""}; }));
  EXPECT_TRUE(refused([](auto& r) { r.uris = {"spiffe://o/user/a-1/device/d-1,URI:spiffe://o/user/a-2/device/d-1"}; }));
  EXPECT_TRUE(refused([](auto& r) { r.uris = {"spiffe://o/%2e"}; }));
  EXPECT_TRUE(refused([](auto& r) { r.uris = {std::string("spiffe://o\0/", 12)}; }));
  EXPECT_TRUE(refused([](auto& r) { r.dns_names = {"a b"}; }));
  EXPECT_TRUE(refused([](auto& r) { r.dns_names = {std::string("a.example\0.evil", 15)}; }));
  EXPECT_TRUE(refused([](auto& r) { r.addresses = {"127.0.0.1.1"}; }));
  EXPECT_TRUE(refused([](auto& r) { r.addresses = {std::string("127.0.0.1\0", 10)}; }));
  EXPECT_TRUE(refused([](auto& r) { r.common_name.assign(65, 'a'); }));
  EXPECT_TRUE(refused([](auto& r) { r.dns_names.assign(64, "a.example"); }));
  EXPECT_TRUE(
      refused([](auto& r) { r.key = PublicKey(std::shared_ptr<EVP_PKEY>(EVP_EC_gen("P-384"), EVP_PKEY_free)); }));
  EXPECT_FALSE(refused([](auto& r) { r.addresses = {"127.0.0.1", "::1"}; }));
  EXPECT_FALSE(refused([](auto& r) { r.common_name = ""; }));
  EXPECT_EQ(ERR_peek_error(), 0U);
}

// The judgement of another program: the openssl command with its strictest checks.
TEST(Authority, OpensslCommandAgrees) {
  const auto folder = std::filesystem::temp_directory_path() / ("portolan-" + make_token(6));
  ASSERT_TRUE(make_folder(folder, Privacy::kPrivate));
  const WallTime now = Clock::real().wall();
  const auto verify = [&](const std::string& purpose, const std::string& names = "") {
    const std::string command = "openssl verify -x509_strict -no-CApath -no-CAstore -CAfile " +
                                (folder / "root.pem").string() + " -purpose " + purpose + " " + names + " " +
                                (folder / "leaf.pem").string() + " >" + (folder / "out").string() + " 2>&1";
    return std::system(command.c_str()) == 0;
  };
  for (const Profile profile : kProfiles) {
    const Authority root = Authority::create("portolan test", profile, now, 24h);
    CertificateRequest request = request_for(PrivateKey::generate().public_key(), profile);
    request.dns_names = {"host.example.org"};
    request.addresses = {"127.0.0.1"};
    ASSERT_TRUE(write_file(folder / "root.pem", root.certificate().pem(), Privacy::kPublic));
    ASSERT_TRUE(write_file(folder / "leaf.pem", root.issue(request, now)->pem(), Privacy::kPublic));
    EXPECT_EQ(verify("sslclient"), profile != Profile::kServer) << read_file(folder / "out").value_or("");
    EXPECT_EQ(verify("sslserver"), profile != Profile::kUser) << read_file(folder / "out").value_or("");
    EXPECT_FALSE(verify("smimesign"));
    if (profile == Profile::kServer) {
      EXPECT_TRUE(verify("sslserver", "-verify_hostname host.example.org"));
      EXPECT_TRUE(verify("sslserver", "-verify_ip 127.0.0.1"));
      EXPECT_FALSE(verify("sslserver", "-verify_hostname other.example.org"));
    }
    ASSERT_TRUE(write_file(folder / "root.pem",
                           Authority::create("portolan test", profile, now, 24h).certificate().pem(),
                           Privacy::kPublic));
    EXPECT_FALSE(verify("any"));
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace portolan::crypto
