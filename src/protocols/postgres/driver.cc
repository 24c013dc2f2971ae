// One session in three phases, each with an end of its own:
//   start     the client's first packets, within 10 s: a start-up, or a CancelRequest for another session
//   sign-in   dial, TLS, authentication with the leased credential, up to the server's ReadyForQuery, within 15 s;
//             only then is the client told that it is in, so that it sees every failure as an ErrorResponse
//   copying   net::join with the inspection between: records are kept before the client sees the answer
#include "protocols/postgres/driver.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/log.h"
#include "net/join.h"
#include "protocols/postgres/client_side.h"
#include "protocols/postgres/inspect.h"
#include "protocols/postgres/resource_side.h"

namespace portolan::protocols::postgres {
namespace {

constexpr std::chrono::milliseconds kStartLimit = std::chrono::seconds(10);
constexpr std::chrono::milliseconds kSignInLimit = std::chrono::seconds(15);
// What is still carried of a message that was under way when the session was stopped.
constexpr std::size_t kLastMessageLimit = 1024 * 1024;
constexpr std::chrono::milliseconds kLastMessageTime = std::chrono::seconds(1);

bool records_parameters(const Settings& settings) {
  const auto set = settings.find("record_parameters");
  return set != settings.end() && set->second == "on";
}

// Between the two streams: inspection, and where the client's side stands.
class Tap final : public net::Inspector {
 public:
  explicit Tap(Session& session)
      : inspect_(
            session.clock(),
            [&session](audit::Query query) -> Result<> {
              auto kept = session.record(std::move(query));
              if (kept) return kept;
              Error error = std::move(kept).error().within("this query cannot be put on record, so the session ends");
              if (error.reason.empty()) error.reason = "sqlstate_58030";
              return std::unexpected(std::move(error));
            },
            records_parameters(session.granted().settings) ? ValuesReader::Keep::kValues
                                                           : ValuesReader::Keep::kNothing) {}

  Result<> inspect(net::Direction direction, ByteView bytes) override {
    if (direction == net::Direction::kForward) return inspect_.from_client(bytes);
    PL_CHECK(inspect_.from_server(bytes));
    inspected_ += bytes.size();
    at_boundary_ = inspect_.at_server_boundary();
    return {};
  }
  // Whether, after `passed` bytes, a message of ours can follow on the client's stream.
  bool may_speak_after(std::uint64_t passed) const { return at_boundary_ && passed == inspected_; }
  Inspect& inspect() { return inspect_; }
  std::uint64_t inspected() const { return inspected_; }

 private:
  Inspect inspect_;
  std::uint64_t inspected_ = 0;  // from the server, without error
  bool at_boundary_ = true;
};

class PostgresDriver final : public Driver {
 public:
  explicit PostgresDriver(Session& session) : session_(session) {}

  net::Task<Result<>> serve(std::unique_ptr<net::Stream> client) override {
    net::Reader reader(*client);
    auto arrival = co_await net::with_timeout(receive_start(*client, reader), kStartLimit);
    if (!arrival) co_return co_await turn_away(*client, std::move(arrival).error());
    if (const auto* key = std::get_if<BackendKey>(&*arrival))
      co_return co_await session_.cancel({key->process, key->secret});
    const Startup startup = std::get<Startup>(std::move(*arrival));

    SignedIn in;
    auto server = co_await reach_server(startup, in);
    if (!server) co_return co_await turn_away(*client, std::move(server).error());

    const Bytes welcome = welcome_of(startup, in);
    CO_CHECK(co_await net::with_timeout(net::write(*client, welcome), kStartLimit));
    auto from_client = net::prepend(reader.take_rest(), std::move(client));
    auto from_server = net::prepend(std::move(in.rest), std::move(*server));
    co_return co_await carry(std::move(from_client), std::move(from_server));
  }

 private:
  // Says why, and gives the reason on. A stranger that is silent, gone or a web page is told nothing.
  net::Task<Result<>> turn_away(net::Stream& client, Error why) {
    why = std::move(why).at(Hop::kEgress);
    const bool silent = why.reason == kHttpRequest ||
                        (why.hop == Hop::kEgress && (why.code == Code::kTimeout || why.code == Code::kEof));
    if (!silent) co_await say_goodbye(client, refusal(why, session_.trace()));
    co_return std::unexpected(std::move(why));
  }

  net::Task<Result<std::unique_ptr<net::Stream>>> reach_server(const Startup& startup, SignedIn& in) {
    const Granted& granted = session_.granted();
    SignIn as{granted.username, granted.password, {}, {}};
    CO_TRY(as.database, choose_database(startup, granted));
    CO_TRY(as.parameters, forwarded_parameters(startup));
    CO_TRY(const TlsChoice tls, tls_choice(granted.settings, granted.host));
    session_.describe_client(std::string(startup.find("application_name")),
                             as.database.empty() ? as.user : as.database);
    CO_TRY(auto raw, co_await session_.dial());
    auto leg = co_await protect(std::move(raw), tls, kSignInLimit);
    if (!leg) co_return at_resource(std::move(leg).error(), "reach");
    auto done = co_await net::with_timeout(sign_in(*leg->stream, leg->encrypted, as), kSignInLimit);
    if (!done) co_return at_resource(std::move(done).error(), fmt::format("sign in as {} to", quoted(as.user)));
    in = std::move(*done);
    cancel_ = [host = granted.host, port = granted.port, tls, key = in.key] { return cancel_at(host, port, tls, key); };
    offered_ = session_.offer_cancel(cancel_);
    co_return std::move(leg->stream);
  }

  std::unexpected<Error> at_resource(Error error, std::string_view doing) const {
    return std::unexpected(std::move(error)
                               .within(fmt::format("{} resource {}", doing, quoted(session_.granted().name)))
                               .at(Hop::kResource));
  }

  Bytes welcome_of(const Startup& startup, const SignedIn& in) const {
    Bytes out;
    const auto add = [&out](const Bytes& part) { out.insert(out.end(), part.begin(), part.end()); };
    add(version_answer(startup));
    add(authentication_ok());
    add(in.greeting);
    add(backend_key_data({offered_.process, offered_.secret}));
    add(in.ready);
    return out;
  }

  net::Task<Result<>> carry(std::unique_ptr<net::Stream> client, std::unique_ptr<net::Stream> server) {
    Tap tap(session_);
    net::StopSignal& stop = session_.stop();
    net::Joined joined = co_await net::join(*client, *server, {.inspector = &tap, .stop = &stop});
    session_.count_bytes(joined.forward, joined.backward);
    if (stop.stopped() && joined.backward == tap.inspected()) {
      auto rest = end_of_message(*client, *server, tap, joined.backward);
      [[maybe_unused]] const auto whole = co_await net::with_timeout(std::move(rest), kLastMessageTime);
    }
    server.reset();  // at once: what the client may no longer do ends here, before any goodbye
    const bool runs_on = stop.stopped() && tap.inspect().waits_for_answers();
    auto lost = tap.inspect().connection_lost();
    // Both sides close at once after Terminate, and either may find the other gone.
    if (!joined.outcome && joined.outcome.error().code == Code::kIo && tap.inspect().terminated()) joined.outcome = {};
    if (!stop.stopped() && joined.outcome) co_return lost;

    Error why = stop.stopped() ? *stop.reason() : std::move(joined.outcome).error().at(Hop::kEgress);
    Bytes last = stop.stopped() ? termination(why, session_.trace()) : refusal(why, session_.trace());
    if (tap.may_speak_after(joined.backward)) co_await say_goodbye(*client, std::move(last));
    client.reset();
    // A server at work does not look whether anybody is there any more: what was taken away would go on to its end.
    if (runs_on) {
      const auto cancelled = co_await cancel_();
      if (!cancelled)
        log::warn("a query may go on after its session", {{"session", session_.id()}, {"why", cancelled.error()}});
    }
    co_return std::unexpected(std::move(why));
  }

  // Carries the rest of the server's message that was under way, so that a message of ours can follow it.
  static net::Task<Result<>> end_of_message(net::Stream& client, net::Stream& server, Tap& tap, std::uint64_t& passed) {
    net::Reader reader(server);
    std::size_t carried = 0;
    while (const std::size_t wanted = tap.inspect().server_bytes_wanted()) {
      carried += wanted;
      if (carried > kLastMessageLimit) co_return fail(Code::kLimit, "the message under way is too long to wait for");
      CO_TRY(const Bytes part, co_await reader.take(wanted));
      CO_CHECK(tap.inspect(net::Direction::kBackward, part));
      CO_CHECK(co_await net::write(client, part));
      passed += part.size();
    }
    co_return Result<>{};
  }

  Session& session_;
  std::function<net::Task<Result<>>()> cancel_;
  CancelKey offered_;
};

}  // namespace

Result<> check(const Settings& settings, std::string_view username) {
  for (const auto& [name, value] : settings) {
    if (std::ranges::find(kSettingNames, name) == kSettingNames.end())
      return fail(Code::kInvalid, fmt::format("unknown setting {} for postgres; known are {}", quoted(name),
                                              fmt::join(kSettingNames, ", ")));
    if (value.contains('\0')) return fail(Code::kInvalid, "setting " + quoted(name) + " holds a zero byte");
  }
  if (username.empty()) return fail(Code::kInvalid, "postgres needs a user name to sign in to the server with");
  if (username.contains('\0')) return fail(Code::kInvalid, "the user name holds a zero byte");
  PL_CHECK(tls_choice(settings, ""));
  if (const auto set = settings.find("record_parameters");
      set != settings.end() && set->second != "on" && set->second != "off")
    return fail(Code::kInvalid, "setting record_parameters is " + quoted(set->second) + "; it is off or on");
  return {};
}

std::unique_ptr<Driver> make(Session& session) { return std::make_unique<PostgresDriver>(session); }

}  // namespace portolan::protocols::postgres
