// Which of the certificates that were given to a node, or for a sign-in, counts. A new one takes the old one's place
// only when it is seen in use: a crash between the answer and its writing on the disk locks nobody out. All that have
// not ended are kept, so that all can be denied.
//
// Holder: Node or SignIn.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "directory/model.h"

namespace portolan::directory {

enum class Standing { kUnknown, kCurrent, kPending, kReplaced };

// That may be given out before some of them have ended.
inline constexpr std::size_t kCertificatesLimit = 16;

template <class Holder>
Standing standing_of(const Holder& holder, std::string_view serial);

// Adds the one that was just issued; one that was still pending has been given out in vain, and is replaced. `present`
// is the current one with its end, which is not on record where an older release has issued it; empty if it is not
// shown. Code::kLimit when there are too many.
template <class Holder>
Result<> add_pending(Holder& holder, HeldCertificate issued, const HeldCertificate& present, WallTime now);

// The pending one has been used: it is the current one from now on. False if there is nothing to do.
template <class Holder>
bool take_into_use(Holder& holder, std::string_view serial);

// All that have not ended, as far as is known.
template <class Holder>
std::vector<std::string> live_serials(const Holder& holder, WallTime now);

// The authority that has issued the current one; empty if it is not known.
template <class Holder>
std::string authority_of(const Holder& holder);

extern template Standing standing_of(const Node&, std::string_view);
extern template Standing standing_of(const SignIn&, std::string_view);
extern template Result<> add_pending(Node&, HeldCertificate, const HeldCertificate&, WallTime);
extern template Result<> add_pending(SignIn&, HeldCertificate, const HeldCertificate&, WallTime);
extern template bool take_into_use(Node&, std::string_view);
extern template bool take_into_use(SignIn&, std::string_view);
extern template std::vector<std::string> live_serials(const Node&, WallTime);
extern template std::vector<std::string> live_serials(const SignIn&, WallTime);
extern template std::string authority_of(const Node&);
extern template std::string authority_of(const SignIn&);

}  // namespace portolan::directory
