#include "protocols/postgres/resource_side.h"

#include <arpa/inet.h>
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/id.h"
#include "net/tcp.h"
#include "protocols/postgres/scram.h"
#include "protocols/postgres/text.h"

namespace portolan::protocols::postgres {
namespace {

constexpr std::uint32_t kSignInMessageLimit = 64 * 1024;
constexpr std::size_t kSignInTotal = 256 * 1024;
constexpr std::chrono::milliseconds kCancelLimit = std::chrono::seconds(5);
// Key derivation up to here costs the loop about as much as a TLS handshake; beyond, a thread of its own does it.
constexpr unsigned kIterationsOnLoop = 8192;

struct ModeName {
  std::string_view name;
  TlsChoice::Mode mode;
};
constexpr std::array<ModeName, 5> kModes = {{{"disable", TlsChoice::Mode::kDisable},
                                             {"prefer", TlsChoice::Mode::kPrefer},
                                             {"require", TlsChoice::Mode::kRequire},
                                             {"verify-ca", TlsChoice::Mode::kVerifyCa},
                                             {"verify-full", TlsChoice::Mode::kVerifyFull}}};

std::string_view setting(const Settings& settings, const std::string& name) {
  const auto it = settings.find(name);
  return it == settings.end() ? std::string_view() : std::string_view(it->second);
}

bool is_address(const std::string& host) {
  std::array<unsigned char, 16> ignored{};
  return inet_pton(AF_INET, host.c_str(), ignored.data()) == 1 ||
         inet_pton(AF_INET6, host.c_str(), ignored.data()) == 1;
}

}  // namespace

Error server_error(const ServerError& said) {
  std::string words = to_utf8(said.message, 512);
  // It comes to a person's terminal under our name.
  std::ranges::replace_if(words, [](char c) { return (c >= 0 && c < ' ' && c != '\n') || c == 0x7f; }, ' ');
  Error error{Code::kUnavailable, "the server says: " + words};
  const bool proper = said.code.size() == 5 && std::ranges::all_of(said.code, [](char c) {
                        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
                      });
  error.reason = "sqlstate_" + (proper ? said.code : "XX000");
  if (said.code.starts_with("28")) error.code = Code::kUnauthenticated;
  if (said.code.starts_with("3D")) error.code = Code::kNotFound;
  if (said.code.starts_with("42")) error.code = Code::kDenied;
  if (said.code.starts_with("53")) error.code = Code::kLimit;
  return error;
}

namespace {

struct Incoming {
  char type = 0;
  Bytes body;
};

// Speaks with the server during sign-in: whole messages, within the limits of this phase.
class Conversation {
 public:
  Conversation(net::Stream& server, bool encrypted, const SignIn& as)
      : server_(server), reader_(server), encrypted_(encrypted), as_(as) {}

  net::Task<Result<SignedIn>> run() {
    Parameters parameters = {{"user", as_.user}};
    if (!as_.database.empty()) parameters.emplace_back("database", as_.database);
    parameters.insert(parameters.end(), as_.parameters.begin(), as_.parameters.end());
    const Bytes startup = startup_message(parameters);
    CO_CHECK(co_await net::write(server_, startup));
    CO_CHECK(co_await authenticate());
    co_return co_await read_greeting();
  }

 private:
  net::Task<Result<Incoming>> read() {
    CO_CHECK(co_await reader_.fill(kHeaderSize));
    CO_TRY(const Header header, parse_header(reader_.data().first(kHeaderSize), kSignInMessageLimit));
    total_ += header.body + kHeaderSize;
    if (total_ > kSignInTotal) co_return fail(Code::kProtocol, "the server sends too much before it is ready");
    reader_.consume(kHeaderSize);
    CO_TRY(Bytes body, co_await reader_.take(header.body));
    if (header.type == 'E') co_return std::unexpected(server_error(parse_server_error(body)));
    co_return Incoming{header.type, std::move(body)};
  }

  net::Task<Result<>> send_secret(Bytes message) {
    const auto written = co_await net::write(server_, message);
    wipe(message);
    co_return written;
  }

  // Until AuthenticationOk. Each request is answered once, and only in its order.
  net::Task<Result<>> authenticate() {
    bool answered = false;
    while (true) {
      CO_TRY(const Incoming incoming, co_await read());
      if (incoming.type == 'N') continue;
      if (incoming.type != 'R') co_return unexpected_type(incoming.type);
      CO_TRY(const Authentication asked, parse_authentication(incoming.body));
      if (asked.kind == Authentication::kOk) co_return Result<>{};
      if (std::exchange(answered, true)) co_return fail(Code::kProtocol, "the server asks for authentication twice");
      if (asked.kind == Authentication::kCleartext) {
        if (!encrypted_)
          co_return fail(Code::kDenied,
                         "the server wants the password in clear text on a connection that need not be TLS; set tls to "
                         "require or more");
        CO_CHECK(co_await send_secret(password_message(as_.password.reveal())));
      } else if (asked.kind == Authentication::kMd5) {
        CO_CHECK(co_await send_secret(password_message(md5_answer(asked.data))));
      } else if (asked.kind == Authentication::kSasl) {
        CO_CHECK(co_await scram(asked.data));
      } else if (asked.kind == Authentication::kSaslContinue || asked.kind == Authentication::kSaslFinal) {
        co_return fail(Code::kProtocol, "the server goes on with a SASL exchange that did not begin");
      } else {
        co_return fail(
            Code::kInvalid,
            fmt::format("the server asks for authentication method {}, which is not supported; let pg_hba.conf ask "
                        "for scram-sha-256",
                        asked.kind));
      }
    }
  }

  std::string md5_answer(ByteView salt) const {
    std::string salted = crypto::md5_hex(as_bytes(as_.password.reveal() + as_.user));
    salted += as_text(salt);
    return "md5" + crypto::md5_hex(as_bytes(salted));
  }

  net::Task<Result<Bytes>> read_sasl(std::uint32_t kind) {
    CO_TRY(const Incoming incoming, co_await read());
    if (incoming.type != 'R') co_return unexpected_type(incoming.type);
    CO_TRY(const Authentication asked, parse_authentication(incoming.body));
    if (asked.kind != kind) co_return fail(Code::kProtocol, "the server does not keep to the order of SCRAM");
    co_return Bytes(asked.data.begin(), asked.data.end());
  }

  net::Task<Result<>> scram(ByteView mechanisms) {
    CO_TRY(const bool offered, offers_mechanism(mechanisms, kScramSha256));
    if (!offered)
      co_return fail(Code::kInvalid, "the server offers no SASL mechanism that Portolan knows (SCRAM-SHA-256)");
    Scram scram(make_token(18));
    const Bytes first = sasl_initial_response(kScramSha256, scram.first());
    CO_CHECK(co_await net::write(server_, first));
    CO_TRY(const Bytes server_first, co_await read_sasl(Authentication::kSaslContinue));
    CO_TRY(const Scram::Challenge challenge, scram.challenge(as_text(server_first)));
    CO_TRY(crypto::Sha256 salted, co_await salted_password(as_.password, challenge));
    const Bytes answer = sasl_response(scram.answer(salted));
    wipe(salted);
    CO_CHECK(co_await net::write(server_, answer));
    CO_TRY(const Bytes server_final, co_await read_sasl(Authentication::kSaslFinal));
    co_return scram.finish(as_text(server_final));
  }

  static net::Task<Result<crypto::Sha256>> salted_password(Secret password, Scram::Challenge challenge) {
    auto derive = [password, challenge]() -> Result<crypto::Sha256> {
      return crypto::pbkdf2_sha256(password.reveal(), challenge.salt, challenge.iterations);
    };
    if (challenge.iterations <= kIterationsOnLoop) co_return derive();
    net::BlockingPool thread("scram", 1, 1);
    co_return co_await net::run_blocking(thread, derive);
  }

  net::Task<Result<SignedIn>> read_greeting() {
    SignedIn out;
    while (true) {
      CO_TRY(const Incoming incoming, co_await read());
      const Bytes whole = message(incoming.type, incoming.body);
      switch (incoming.type) {
        case 'S':
        case 'N': out.greeting.insert(out.greeting.end(), whole.begin(), whole.end()); break;
        case 'K': {
          CO_TRY(out.key, parse_backend_key(incoming.body));
          break;
        }
        case 'Z':
          out.ready = whole;
          out.rest = reader_.take_rest();
          co_return out;
        default: co_return unexpected_type(incoming.type);
      }
    }
  }

  static std::unexpected<Error> unexpected_type(char type) {
    return fail(Code::kProtocol, "unexpected message " + quoted_type(type) + " from the server during sign-in");
  }

  net::Stream& server_;
  net::Reader reader_;
  bool encrypted_;
  const SignIn& as_;
  std::size_t total_ = 0;
};

// Asks the server whether it speaks TLS.
net::Task<Result<bool>> ask_for_tls(net::Stream& server) {
  const Bytes request = ssl_request();
  CO_CHECK(co_await net::write(server, request));
  net::Reader reader(server);
  CO_TRY(const Bytes answer, co_await reader.take(1));
  // What came in clear with the answer would be taken for the server's word under TLS (CVE-2021-23214, CVE-2021-23222).
  if (!reader.empty()) co_return fail(Code::kProtocol, "the server sent bytes in clear text before the TLS handshake");
  const std::string_view said = as_text(answer);
  if (said == "S") co_return true;
  if (said == "N") co_return false;
  co_return fail(Code::kProtocol, "the server answered the request for TLS with " + quoted(said));
}

net::Task<Result<>> cancel_on(std::string host, std::uint16_t port, TlsChoice choice, BackendKey key) {
  CO_TRY(auto raw, co_await net::dial_tcp({host, port}, kCancelLimit));
  CO_TRY(Leg leg, co_await protect(std::move(raw), std::move(choice), kCancelLimit));
  const Bytes request = cancel_request(key);
  CO_CHECK(co_await net::write(*leg.stream, request));
  // The server answers nothing; it closes when the signal is on its way. A reset says the same.
  [[maybe_unused]] const auto end = co_await net::read(*leg.stream);
  co_return Result<>{};
}

}  // namespace

Result<TlsChoice> tls_choice(const Settings& settings, const std::string& host) {
  TlsChoice choice;
  const std::string_view name = setting(settings, "tls");
  if (!name.empty()) {
    const auto* found = std::ranges::find(kModes, name, &ModeName::name);
    if (found == kModes.end())
      return fail(Code::kInvalid, "setting \"tls\": unknown value " + quoted(name) +
                                      "; known are disable, prefer, require, verify-ca, verify-full");
    choice.mode = found->mode;
  }
  const bool verifies = choice.mode == TlsChoice::Mode::kVerifyCa || choice.mode == TlsChoice::Mode::kVerifyFull;
  const std::string_view ca = setting(settings, "tls_ca");
  if (!ca.empty() && !verifies)
    return fail(Code::kInvalid, "setting \"tls_ca\" has no effect unless \"tls\" is verify-ca or verify-full");
  if (!ca.empty()) {
    auto trust = crypto::Certificate::all_from_pem(ca);
    if (!trust) return std::unexpected(std::move(trust).error().within("setting \"tls_ca\""));
    choice.options.trust = std::move(*trust);
  }
  std::string server_name(setting(settings, "tls_server_name"));
  if (!server_name.empty() && choice.mode == TlsChoice::Mode::kDisable)
    return fail(Code::kInvalid, "setting \"tls_server_name\" has no effect while \"tls\" is disable");
  if (server_name.empty()) server_name = host;
  choice.options.versions = net::TlsVersions::k12And13;
  choice.options.verify_chain = verifies;
  choice.options.system_trust = verifies && ca.empty();
  if (!is_address(server_name)) choice.options.server_name = server_name;
  if (choice.mode == TlsChoice::Mode::kVerifyFull) choice.options.verify_host = server_name;
  return choice;
}

net::Task<Result<Leg>> protect(std::unique_ptr<net::Stream> raw, TlsChoice choice, std::chrono::milliseconds limit) {
  if (choice.mode == TlsChoice::Mode::kDisable) co_return Leg{std::move(raw), false};
  CO_TRY(const bool speaks_tls, co_await net::with_timeout(ask_for_tls(*raw), limit));
  if (!speaks_tls && choice.mode == TlsChoice::Mode::kPrefer) co_return Leg{std::move(raw), false};
  if (!speaks_tls)
    co_return fail(Code::kDenied, "the server does not speak TLS, which the resource's settings require",
                   "tls_missing");
  const bool asked_for = choice.mode != TlsChoice::Mode::kPrefer;
  CO_TRY(const auto client, net::TlsClient::make(std::move(choice.options)));
  CO_TRY(auto stream, co_await client->connect(std::move(raw), limit));
  co_return Leg{std::move(stream), asked_for};
}

net::Task<Result<SignedIn>> sign_in(net::Stream& server, bool encrypted, const SignIn& as) {
  Conversation conversation(server, encrypted, as);
  co_return co_await conversation.run();
}

net::Task<Result<>> cancel_at(std::string host, std::uint16_t port, TlsChoice choice, BackendKey key) {
  auto done = co_await net::with_timeout(cancel_on(host, port, std::move(choice), key), kCancelLimit);
  if (!done) co_return std::unexpected(std::move(done).error().within("cancel at the resource").at(Hop::kResource));
  co_return done;
}

}  // namespace portolan::protocols::postgres
