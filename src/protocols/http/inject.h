// What a resource adds to each request: credentials, headers that tell who the person is, a token that proves it. What
// a client sends under such a name goes first, in whatever spelling an application might take for the same. Pure.
#pragma once
#include <vector>

#include "protocols/http/fields.h"
#include "protocols/session.h"

namespace portolan::protocols::http {

struct Options;

// The setting "headers": a line each, "X-Remote-User: {email}". Known in braces: account, device, email, name,
// resource.
Result<std::vector<Field>> parse_headers(std::string_view lines);
// Whether a header of this name may be added: not one that decides about the message, nor one that is the client's.
Result<> check_injected_name(std::string_view name);

class Injection {
 public:
  // From the options and the lease. `token`: what identity_token() gives. Fails if something that the settings ask for
  // is not there: nobody is let in as nobody.
  static Result<Injection> make(const Options& options, const Granted& granted, const Secret& token);

  void apply(Fields& fields) const;
  // Whether a client's own field of this name has no place, in headers or trailers.
  bool is_reserved(std::string_view name) const;
  // Whether the application is signed in to by Authorization, so that a client cannot answer its challenges.
  bool authorizes() const { return is_reserved("authorization"); }

 private:
  Result<> add(std::string_view name, std::string value);

  std::vector<std::pair<std::string, Secret>> fields_;
  std::vector<std::string> reserved_;  // loose names
};

}  // namespace portolan::protocols::http
