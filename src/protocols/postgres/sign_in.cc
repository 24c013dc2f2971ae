#include "protocols/postgres/sign_in.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/id.h"
#include "protocols/postgres/scram.h"
#include "protocols/postgres/text.h"

namespace portolan::protocols::postgres {
namespace {

constexpr std::uint32_t kSignInMessageLimit = 64 * 1024;
constexpr std::size_t kSignInTotal = 256 * 1024;
// Key derivation up to here costs the loop about as much as a TLS handshake; beyond, a thread of its own does it.
constexpr unsigned kIterationsOnLoop = 8192;

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

// Overwritten when it goes, whatever ends the sign-in.
struct Salted {
  crypto::Sha256 password;
  explicit Salted(const crypto::Sha256& derived) : password(derived) {}
  Salted(const Salted&) = delete;
  Salted& operator=(const Salted&) = delete;
  ~Salted() { wipe(password); }
};

struct Incoming {
  char type = 0;
  Bytes body;
};

// Speaks with the server during sign-in: whole messages, within the limits of this phase.
class Conversation {
 public:
  Conversation(net::Stream& server, const Protection& protection, const SignIn& as)
      : server_(server), reader_(server), protection_(protection), as_(as) {}

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
      if (as_.channel_binding == ChannelBinding::kRequire && !bound_ && asked.kind != Authentication::kSasl)
        co_return fail(Code::kDenied,
                       "the server signs in without channel binding, which the resource's settings require; let "
                       "pg_hba.conf ask for scram-sha-256 on a hostssl line",
                       "channel_binding_missing");
      if (asked.kind == Authentication::kOk) co_return Result<>{};
      if (std::exchange(answered, true)) co_return fail(Code::kProtocol, "the server asks for authentication twice");
      if (asked.kind == Authentication::kCleartext) {
        if (!protection_.asked_for)
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

  // Which of the two mechanisms, and what SCRAM says of channel binding; as libpq decides.
  Result<ScramBinding> choose_mechanism(ByteView mechanisms) {
    PL_TRY(const bool plain, offers_mechanism(mechanisms, kScramSha256));
    PL_TRY(const bool plus, offers_mechanism(mechanisms, kScramSha256Plus));
    if (plus && !protection_.tls)
      return fail(Code::kProtocol,
                  "the server offers SCRAM-SHA-256-PLUS on a connection without TLS: something in between has taken "
                  "the TLS off");
    const bool able = as_.channel_binding != ChannelBinding::kDisable && !protection_.end_point.empty();
    if (plus && able) return ScramBinding{ScramBinding::Kind::kEndPoint, protection_.end_point};
    if (as_.channel_binding == ChannelBinding::kRequire)
      return fail(
          Code::kDenied,
          plus ? "the server's certificate has no hash to bind the sign-in to, as the resource's settings require"
               : "the server offers no channel binding, which the resource's settings require",
          "channel_binding_missing");
    if (!plain) return fail(Code::kInvalid, "the server offers no SASL mechanism that Portolan knows (SCRAM-SHA-256)");
    return ScramBinding{able ? ScramBinding::Kind::kNotOffered : ScramBinding::Kind::kUnable, {}};
  }

  net::Task<Result<>> scram(ByteView mechanisms) {
    CO_TRY(ScramBinding binding, choose_mechanism(mechanisms));
    const bool binds = binding.kind == ScramBinding::Kind::kEndPoint;
    Scram scram(make_token(18), std::move(binding));
    const Bytes first = sasl_initial_response(binds ? kScramSha256Plus : kScramSha256, scram.first());
    CO_CHECK(co_await net::write(server_, first));
    CO_TRY(const Bytes server_first, co_await read_sasl(Authentication::kSaslContinue));
    CO_TRY(const Scram::Challenge challenge, scram.challenge(as_text(server_first)));
    CO_TRY(crypto::Sha256 derived, co_await salted_password(challenge));
    const Salted salted(derived);
    wipe(derived);
    const Bytes answer = sasl_response(scram.answer(salted.password));
    CO_CHECK(co_await net::write(server_, answer));
    const auto server_final = co_await read_sasl(Authentication::kSaslFinal);
    const Result<> proven = server_final ? scram.finish(as_text(*server_final)) : std::unexpected(server_final.error());
    // A server that does not know the password may ask for any salt: only one that does leaves a key behind.
    if (proven && as_.salted != nullptr) as_.salted->keep(name_of_salted(challenge), salted.password);
    bound_ = proven && binds;
    co_return proven;
  }

  static Bytes name_of_salted(const Scram::Challenge& challenge) {
    ByteWriter name;
    name.text("scram-sha-256");
    name.u32(challenge.iterations);
    name.bytes(challenge.salt);
    return name.take();
  }

  net::Task<Result<crypto::Sha256>> salted_password(Scram::Challenge challenge) {
    if (as_.salted != nullptr)
      if (const auto known = as_.salted->find(name_of_salted(challenge))) co_return *known;
    auto derive = [password = as_.password, challenge]() -> Result<crypto::Sha256> {
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
  const Protection& protection_;
  const SignIn& as_;
  std::size_t total_ = 0;
  bool bound_ = false;  // the sign-in is tied to the server's certificate, and the server has proven itself
};

}  // namespace

net::Task<Result<SignedIn>> sign_in(net::Stream& server, const Protection& protection, const SignIn& as) {
  Conversation conversation(server, protection, as);
  co_return co_await conversation.run();
}

}  // namespace portolan::protocols::postgres
