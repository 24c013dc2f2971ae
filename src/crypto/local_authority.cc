#include "crypto/local_authority.h"

#include <algorithm>
#include <array>
#include <span>

#include "base/id.h"
#include "crypto/building.h"
#include "crypto/openssl.h"
#include "crypto/profile.h"

namespace portolan::crypto {

using namespace building;

namespace {

constexpr const char* kServerAuth = "1.3.6.1.5.5.7.3.1";  // RFC 5280 §4.2.1.12
constexpr std::size_t kLabelLimit = 40;
// No host name: where a certificate has none of its own, some compare this with the host.
constexpr const char* kLeafName = "Portolan on this machine";

using Subtrees = STACK_OF(GENERAL_SUBTREE);
using OwnedConstraints = Owned<NAME_CONSTRAINTS, NAME_CONSTRAINTS_free>;
using OwnedAddress = Owned<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free>;

OwnedAddress read_address(const std::string& host) {
  const ErrorScope errors;
  // OpenSSL overlooks what follows a space.
  return OwnedAddress(is_plain(host, ".:") ? a2i_IPADDRESS(host.c_str()) : nullptr);
}

bool is_host_name(const std::string& host) {
  const bool upper = std::ranges::any_of(host, [](char c) { return c >= 'A' && c <= 'Z'; });
  return is_plain(host, ".-_") && !upper && host.size() <= 253 && !host.starts_with('.') && !host.ends_with('.') &&
         !host.contains("..");
}

void add_subtree(Subtrees** trees, int type, ASN1_STRING* text) {
  if (*trees == nullptr) *trees = must(sk_GENERAL_SUBTREE_new_null(), "sk_GENERAL_SUBTREE_new_null");
  GENERAL_SUBTREE* tree = must(GENERAL_SUBTREE_new(), "GENERAL_SUBTREE_new");
  GENERAL_NAME_set0_value(tree->base, type, text);
  must(sk_GENERAL_SUBTREE_push(*trees, tree) > 0, "sk_GENERAL_SUBTREE_push");
}

// An address and its mask.
ASN1_OCTET_STRING* address_range(std::span<const unsigned char> address, unsigned char mask) {
  std::vector<unsigned char> bytes(address.begin(), address.end());
  bytes.insert(bytes.end(), address.size(), mask);
  ASN1_OCTET_STRING* out = must(ASN1_OCTET_STRING_new(), "ASN1_OCTET_STRING_new");
  must(ASN1_OCTET_STRING_set(out, bytes.data(), static_cast<int>(bytes.size())) == 1, "ASN1_OCTET_STRING_set");
  return out;
}

// These hosts, and nothing else of either kind: where a kind of name is not mentioned, all of it would be permitted.
Result<OwnedConstraints> constraints_for(const std::vector<std::string>& hosts) {
  OwnedConstraints constraints(must(NAME_CONSTRAINTS_new(), "NAME_CONSTRAINTS_new"));
  bool names = false;
  std::array<bool, 2> families{};  // IPv4, IPv6
  for (const std::string& host : hosts) {
    if (const OwnedAddress address = read_address(host)) {
      const std::span bytes(ASN1_STRING_get0_data(address.get()),
                            static_cast<std::size_t>(ASN1_STRING_length(address.get())));
      add_subtree(&constraints->permittedSubtrees, GEN_IPADD, address_range(bytes, 0xff));
      families[bytes.size() == 4 ? 0 : 1] = true;
      continue;
    }
    if (!is_host_name(host)) return fail(Code::kInvalid, quoted(host) + " is neither a host name nor an address");
    add_subtree(&constraints->permittedSubtrees, GEN_DNS, ascii(host));
    names = true;
  }
  constexpr std::array<unsigned char, 16> kZeros{};
  if (!names) add_subtree(&constraints->excludedSubtrees, GEN_DNS, ascii(""));
  if (!families[0])
    add_subtree(&constraints->excludedSubtrees, GEN_IPADD, address_range(std::span(kZeros).first(4), 0));
  if (!families[1]) add_subtree(&constraints->excludedSubtrees, GEN_IPADD, address_range(kZeros, 0));
  return constraints;
}

std::string text_of(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<std::size_t>(ASN1_STRING_length(string))};
}

// The text of an address in a constraint, if that is for this address alone.
std::string address_of(const ASN1_STRING* range) {
  const std::span bytes(ASN1_STRING_get0_data(range), static_cast<std::size_t>(ASN1_STRING_length(range)));
  if (bytes.size() != 8 && bytes.size() != 32) return {};
  const auto half = bytes.size() / 2;
  if (!std::ranges::all_of(bytes.subspan(half), [](unsigned char byte) { return byte == 0xff; })) return {};
  std::string out;
  for (std::size_t i = 0; i < half; ++i) {
    if (half == 4) {
      out += (i == 0 ? "" : ".") + std::to_string(bytes[i]);
    } else {
      constexpr std::string_view kDigits = "0123456789abcdef";
      if (i > 0 && i % 2 == 0) out += ':';
      out += kDigits[bytes[i] / 16];
      out += kDigits[bytes[i] % 16];
    }
  }
  return out;
}

// The hosts of critical constraints; an error for any that we would not have written.
Result<std::vector<std::string>> hosts_of(const Certificate& certificate) {
  const ErrorScope errors;
  const auto odd = [] { return fail(Code::kInvalid, "authority for web applications with other names than hosts"); };
  int critical = 0;
  const OwnedConstraints constraints(
      static_cast<NAME_CONSTRAINTS*>(X509_get_ext_d2i(certificate.native(), NID_name_constraints, &critical, nullptr)));
  if (constraints == nullptr || critical != 1) return odd();
  std::vector<std::string> names;
  std::vector<std::string> addresses;
  const auto* permitted = constraints->permittedSubtrees;
  for (int i = 0; i < sk_GENERAL_SUBTREE_num(permitted); ++i) {
    const GENERAL_NAME* base = sk_GENERAL_SUBTREE_value(permitted, i)->base;
    if (base->type == GEN_DNS && is_host_name(text_of(base->d.dNSName)))
      names.push_back(text_of(base->d.dNSName));
    else if (base->type == GEN_IPADD && !address_of(base->d.iPAddress).empty())
      addresses.push_back(address_of(base->d.iPAddress));
    else
      return odd();
  }
  names.insert(names.end(), addresses.begin(), addresses.end());
  if (names.empty() || names.size() > LocalAuthority::kHostsLimit) return odd();
  return names;
}

// An address in the one spelling in which they are compared; a name as it is.
std::string one_spelling(const std::string& host) {
  const OwnedAddress address = read_address(host);
  if (address == nullptr) return host;
  const std::span bytes(ASN1_STRING_get0_data(address.get()),
                        static_cast<std::size_t>(ASN1_STRING_length(address.get())));
  const OwnedAddress range(address_range(bytes, 0xff));
  return address_of(range.get());
}

// All but the names of subject and issuer.
Result<> fill_authority(X509* native, const std::vector<std::string>& hosts, long path_length, const PublicKey& own,
                        const PublicKey& signer) {
  PL_TRY(const OwnedConstraints constraints, constraints_for(hosts));
  add_constraints(native, Role::kRoot, path_length);
  add_key_usage(native, Role::kRoot);
  add_extended_usage(native, {kServerAuth});
  add_key_ids(native, own, signer);
  add(native, NID_name_constraints, constraints.get(), Critical::kYes);
  return {};
}

Result<> check_hosts(const std::vector<std::string>& hosts) {
  if (hosts.empty()) return fail(Code::kInvalid, "an authority for no host at all");
  std::size_t bytes = 0;
  for (const std::string& host : hosts) bytes += host.size();
  if (hosts.size() > LocalAuthority::kHostsLimit || bytes > LocalAuthority::kHostsBytes)
    return fail(Code::kLimit, "an authority for more than " + std::to_string(LocalAuthority::kHostsLimit) +
                                  " hosts or " + std::to_string(LocalAuthority::kHostsBytes) + " bytes of their names");
  return {};
}

}  // namespace

Result<LocalAuthority> LocalAuthority::create(const std::string& label, const std::vector<std::string>& hosts,
                                              WallTime now, std::chrono::seconds life) {
  PL_CHECK(check_hosts(hosts));
  if (label.empty() || label.size() > kLabelLimit) return fail(Code::kInvalid, "label without text or too long");
  if (life <= std::chrono::seconds(0)) return fail(Code::kInvalid, "an authority for no time at all");
  // Names by which people tell one from another in a trust store.
  const std::string mark = make_id("x").substr(2, 8);
  const PrivateKey root_key = PrivateKey::generate();
  PrivateKey key = PrivateKey::generate();
  const PublicKey root_public = root_key.public_key();
  const PublicKey issuer_public = key.public_key();

  OwnedX509 root = begin(root_public, now - kBackdate, now + life);
  add_common_name(X509_get_subject_name(root.get()), label + " " + mark);
  must(X509_set_issuer_name(root.get(), X509_get_subject_name(root.get())) == 1, "X509_set_issuer_name");
  PL_CHECK(fill_authority(root.get(), hosts, 1, root_public, root_public));
  Certificate trusted = finish(std::move(root), root_key);

  OwnedX509 issuer = begin(issuer_public, now - kBackdate, now + life);
  add_common_name(X509_get_subject_name(issuer.get()), label + " issuer " + mark);
  must(X509_set_issuer_name(issuer.get(), X509_get_subject_name(trusted.native())) == 1, "X509_set_issuer_name");
  PL_CHECK(fill_authority(issuer.get(), hosts, 0, issuer_public, root_public));
  return from(std::move(trusted), finish(std::move(issuer), root_key), std::move(key));
}

Result<LocalAuthority> LocalAuthority::from(Certificate root, Certificate issuer, PrivateKey key) {
  const ErrorScope errors;
  const auto is_authority = [](const Certificate& certificate, long path_length) {
    return (X509_get_extension_flags(certificate.native()) & EXFLAG_CA) != 0 &&
           X509_get_pathlen(certificate.native()) == path_length && has_p256_key(certificate.native());
  };
  if (!is_authority(root, 1) || !is_authority(issuer, 0) || !is_issued_by(issuer, root))
    return fail(Code::kInvalid, "the authority for web applications is not what was made");
  if (!issuer.certifies(key))
    return fail(Code::kInvalid, "the key of the authority for web applications is another one's");
  PL_TRY(auto hosts, hosts_of(issuer));
  return LocalAuthority(std::move(root), std::move(issuer), std::move(key), std::move(hosts));
}

bool LocalAuthority::covers(std::string_view host) const {
  return std::ranges::find(hosts_, one_spelling(std::string(host))) != hosts_.end();
}

Result<Certificate> LocalAuthority::issue(const std::string& host, const PublicKey& key, WallTime now,
                                          std::chrono::seconds life) const {
  const WallTime end = issuer_.not_after();
  if (end <= now) return fail(Code::kInvalid, "the authority for web applications has ended");
  if (!covers(host)) return fail(Code::kDenied, "the authority for web applications is not for " + quoted(host, 253));
  if (life <= std::chrono::seconds(0)) return fail(Code::kInvalid, "a certificate for no time at all");
  const WallTime not_after = life > std::chrono::floor<std::chrono::seconds>(end - now) ? end : now + life;
  OwnedX509 native = begin(key, now - kBackdate, not_after);
  add_common_name(X509_get_subject_name(native.get()), kLeafName);
  must(X509_set_issuer_name(native.get(), X509_get_subject_name(issuer_.native())) == 1, "X509_set_issuer_name");
  add_constraints(native.get(), Role::kLeaf);
  add_key_usage(native.get(), Role::kLeaf);
  add_extended_usage(native.get(), {kServerAuth});
  add_key_ids(native.get(), key, issuer_.public_key());
  const Owned<GENERAL_NAMES, GENERAL_NAMES_free> names(must(GENERAL_NAMES_new(), "GENERAL_NAMES_new"));
  if (OwnedAddress address = read_address(host))
    push(names.get(), GEN_IPADD, address.release());
  else
    push(names.get(), GEN_DNS, ascii(host));
  add(native.get(), NID_subject_alt_name, names.get(), Critical::kNo);
  return finish(std::move(native), key_);
}

}  // namespace portolan::crypto
