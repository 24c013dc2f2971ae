// Signing in and out: what `portolan login` and `logout` do, without their questions to the person.
#pragma once
#include <functional>
#include <optional>
#include <string>

#include "api/sign_in.h"
#include "client/home.h"
#include "net/task.h"
#include "net/tcp.h"

namespace portolan::client {

// What to believe of a control plane at first contact. Exactly one is set.
struct FirstContact {
  std::optional<std::string> ca_pem;     // --ca-file
  std::optional<std::string> ca_sha256;  // --ca-sha256, or the fingerprint that the person has confirmed
};

// The fingerprint of the server CA that the address claims to have, unproven, to show to the person.
net::Task<Result<std::string>> claimed_fingerprint(net::Endpoint control);

// Signs in with a new device key (or the one kept from before), and saves all of it in `home`.
net::Task<Result<ClientState>> sign_in(Home home, net::Endpoint control, FirstContact contact, std::string email,
                                       Secret password);
// The same by a browser (RFC 8628): `show` gets the code and the page where the person approves it; then this waits for
// it. Denied there: Code::kDenied; nobody came in time: kTimeout. An old control plane, which knows only passwords:
// Code::kUnavailable with the reason kNoBrowserSignIn.
inline constexpr std::string_view kNoBrowserSignIn = "no_browser_sign_in";
net::Task<Result<ClientState>> sign_in_by_browser(Home home, net::Endpoint control, FirstContact contact,
                                                  std::function<void(const api::DeviceCode&)> show);

// Tells the control plane, and forgets the sign-in in any case; the error says if the control plane could not be told.
net::Task<Result<>> sign_out(Home home);

}  // namespace portolan::client
