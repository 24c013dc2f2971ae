#include "directory/certificates.h"

#include <algorithm>
#include <utility>

namespace portolan::directory {

template <class Holder>
Standing standing_of(const Holder& holder, std::string_view serial) {
  if (serial.empty()) return Standing::kUnknown;
  if (holder.certificate_serial == serial) return Standing::kCurrent;
  for (const auto& held : holder.certificates) {
    if (held.serial != serial) continue;
    return held.state == "pending" ? Standing::kPending : Standing::kReplaced;
  }
  return Standing::kUnknown;
}

template <class Holder>
Result<> add_pending(Holder& holder, HeldCertificate issued, const HeldCertificate& present, WallTime now) {
  auto& all = holder.certificates;
  if (!present.serial.empty() && std::ranges::find(all, present.serial, &HeldCertificate::serial) == all.end())
    all.insert(all.begin(), {present.serial, present.authority, present.ends, "current"});
  std::erase_if(
      all, [&](const HeldCertificate& held) { return held.ends <= now && held.serial != holder.certificate_serial; });
  if (all.size() >= kCertificatesLimit)
    return fail(Code::kLimit,
                "too many certificates have been asked for: " + std::to_string(all.size()) + " have not ended yet");
  for (auto& held : all)
    if (held.state == "pending") held.state = "replaced";
  issued.state = "pending";
  all.push_back(std::move(issued));
  return {};
}

template <class Holder>
bool take_into_use(Holder& holder, std::string_view serial) {
  if (standing_of(holder, serial) != Standing::kPending) return false;
  for (auto& held : holder.certificates) held.state = held.serial == serial ? "current" : "replaced";
  holder.certificate_serial = serial;
  return true;
}

template <class Holder>
std::vector<std::string> live_serials(const Holder& holder, WallTime now) {
  std::vector<std::string> serials;
  if (!holder.certificate_serial.empty()) serials.push_back(holder.certificate_serial);
  for (const auto& held : holder.certificates)
    if (held.ends > now && held.serial != holder.certificate_serial) serials.push_back(held.serial);
  return serials;
}

template <class Holder>
std::string authority_of(const Holder& holder) {
  const auto held = std::ranges::find(holder.certificates, holder.certificate_serial, &HeldCertificate::serial);
  return held == holder.certificates.end() ? std::string() : held->authority;
}

template Standing standing_of(const Node&, std::string_view);
template Standing standing_of(const SignIn&, std::string_view);
template Result<> add_pending(Node&, HeldCertificate, const HeldCertificate&, WallTime);
template Result<> add_pending(SignIn&, HeldCertificate, const HeldCertificate&, WallTime);
template bool take_into_use(Node&, std::string_view);
template bool take_into_use(SignIn&, std::string_view);
template std::vector<std::string> live_serials(const Node&, WallTime);
template std::vector<std::string> live_serials(const SignIn&, WallTime);
template std::string authority_of(const Node&);
template std::string authority_of(const SignIn&);

}  // namespace portolan::directory
