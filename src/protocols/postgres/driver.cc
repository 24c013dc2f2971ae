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
#include "net/wait.h"
#include "protocols/postgres/client_side.h"
#include "protocols/postgres/entrance.h"
#include "protocols/postgres/forwarding.h"
#include "protocols/postgres/inspect.h"
#include "protocols/postgres/resource_side.h"
#include "protocols/postgres/server_state.h"

namespace portolan::protocols::postgres {
namespace {

constexpr std::chrono::milliseconds kStartLimit = std::chrono::seconds(10);
constexpr std::chrono::milliseconds kSignInLimit = std::chrono::seconds(15);
// What is still carried of a message that was under way when the session was stopped.
constexpr std::size_t kLastMessageLimit = 1024 * 1024;
constexpr std::chrono::milliseconds kLastMessageTime = std::chrono::seconds(1);

Error not_on_record(Error why) {
  Error error = std::move(why).within("this query cannot be put on record, so the session ends");
  if (error.reason.empty()) error.reason = "sqlstate_58030";
  return error;
}

bool records_parameters(const Settings& settings) {
  const auto set = settings.find("record_parameters");
  return set != settings.end() && set->second == "on";
}

// Between the two streams: inspection, and where the client's side stands.
class Tap final : public net::Inspector {
 public:
  explicit Tap(Session& session)
      : session_(session),
        inspect_(
            session.clock(),
            [&session](audit::Query query) -> Result<> {
              auto kept = session.record(std::move(query));
              if (kept) return kept;
              return std::unexpected(not_on_record(std::move(kept).error()));
            },
            records_parameters(session.granted().settings) ? ValuesReader::Keep::kValues
                                                           : ValuesReader::Keep::kNothing) {}

  Result<> inspect(net::Direction direction, ByteView bytes) override {
    if (direction == net::Direction::kForward) return inspect_.from_client(bytes);
    PL_CHECK(inspect_.from_server(bytes));
    // Of a long answer a part goes on before its outcome is known.
    if (session_.audit_mode() == audit::Mode::kStrict) PL_CHECK(inspect_.note_under_way());
    last_ = {inspected_, at_boundary_};
    inspected_ += bytes.size();
    at_boundary_ = inspect_.at_server_boundary();
    return {};
  }
  bool must_wait(net::Direction direction) override {
    return direction == net::Direction::kBackward && session_.must_wait();
  }
  void may_pass(net::Direction, std::move_only_function<void(Result<>)> then) override {
    session_.when_kept([then = std::move(then)](Result<> kept) mutable {
      if (kept) return then({});
      then(std::unexpected(not_on_record(std::move(kept).error())));
    });
  }
  // A server closes when it is done with a client, and at no other time. A client that is not done has to be told, and
  // not only when it speaks next.
  Result<> at_end(net::Direction direction) override {
    if (direction == net::Direction::kForward) client_ended_ = true;
    if (client_ended_ || inspect_.terminated()) return {};
    return std::unexpected(
        Error{Code::kEof, "the server has closed the connection", "resource_closed", Hop::kResource});
  }
  // Whether, after `passed` bytes, a message of ours can follow on the client's stream.
  bool may_speak_after(std::uint64_t passed) const {
    return (at_boundary_ && passed == inspected_) || (last_.at_boundary && passed == last_.inspected);
  }
  Inspect& inspect() { return inspect_; }
  std::uint64_t inspected() const { return inspected_; }

 private:
  Session& session_;
  Inspect inspect_;
  std::uint64_t inspected_ = 0;  // from the server, without error
  struct {
    std::uint64_t inspected = 0;
    bool at_boundary = true;
  } last_ = {};  // as it was before the last piece, which may have to wait
  bool at_boundary_ = true;
  bool client_ended_ = false;
};

class PostgresDriver final : public Driver {
 public:
  explicit PostgresDriver(Session& session) : session_(session) {}

  net::Task<Result<>> serve(std::unique_ptr<net::Stream> client) override {
    CO_TRY(Ends ends, co_await let_in(std::move(client)));
    if (!ends.client) co_return Result<>{};
    co_return co_await carry(std::move(ends.client), std::move(ends.server));
  }

 private:
  struct Ends {  // of what is to be carried; none after a CancelRequest
    std::unique_ptr<net::Stream> client;
    std::unique_ptr<net::Stream> server;
  };

  // The phases before the copying: what they know is gone, and its memory, while the session goes on.
  net::Task<Result<Ends>> let_in(std::unique_ptr<net::Stream> client) {
    Entrance entrance(std::move(client), client_tls());
    auto arrival = co_await net::with_timeout(entrance.receive(), kStartLimit);
    if (!arrival) co_return std::unexpected(co_await turn_away(entrance.stream(), std::move(arrival).error()));
    if (const auto* key = std::get_if<BackendKey>(&*arrival)) {
      CO_CHECK(co_await session_.cancel({key->process, key->secret}));
      co_return Ends{};
    }
    const Startup startup = std::get<Startup>(std::move(*arrival));

    auto reached = co_await reach_server(startup);
    if (!reached) co_return std::unexpected(co_await turn_away(entrance.stream(), std::move(reached).error()));

    const Bytes welcome = welcome_of(startup, reached->in);
    CO_CHECK(co_await net::with_timeout(net::write(*entrance.stream(), welcome), kStartLimit));
    co_return Ends{entrance.take(), net::prepend(std::move(reached->in.rest), std::move(reached->stream))};
  }

  // Says why, and gives the reason on. A stranger that is silent, gone or a web page is told nothing.
  net::Task<Error> turn_away(net::Stream* client, Error why) {
    why = std::move(why).at(Hop::kEgress);
    const bool silent = client == nullptr || why.reason == kHttpRequest ||
                        (why.hop == Hop::kEgress && (why.code == Code::kTimeout || why.code == Code::kEof));
    if (!silent) co_await say_goodbye(*client, refusal(why, session_.trace()));
    co_return why;
  }

  Entrance::Tls client_tls() const {
    const Granted& granted = session_.granted();
    const auto asked = granted.settings.find("client_tls");
    return {asked != granted.settings.end() && asked->second == "offer", granted.name, session_.clock()};
  }

  net::Task<Result<Reached>> reach_server(const Startup& startup) {
    const Granted& granted = session_.granted();
    SignIn as{.user = granted.username, .password = granted.password, .salted = &session_.derived_keys()};
    CO_TRY(as.database, choose_database(startup, granted));
    CO_TRY(as.parameters, forwarded_parameters(startup, granted));
    session_.describe_client(std::string(startup.find("application_name")),
                             as.database.empty() ? as.user : as.database);
    const auto dial = [&session = session_](std::size_t host) { return session.dial(host); };
    CO_TRY(Reached reached,
           co_await reach({granted.name, granted.settings, granted.hosts, granted.tls_key, dial, kSignInLimit},
                          std::move(as)));
    cancel_ = [host = reached.host, tls = reached.tls, key = reached.in.key] { return cancel_at(host, tls, key); };
    offered_ = session_.offer_cancel(cancel_);
    session_.let_in();
    co_return reached;
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
    net::Joined joined = co_await net::join(*client, *server, {.inspector = &tap, .stop = &session_.stop()});
    co_return co_await part(std::move(client), std::move(server), tap, std::move(joined));
  }

  // What is still to be done when the copying has ended; apart, so that its memory is taken only then.
  net::Task<Result<>> part(std::unique_ptr<net::Stream> client, std::unique_ptr<net::Stream> server, Tap& tap,
                           net::Joined joined) {
    net::StopSignal& stop = session_.stop();
    session_.count_bytes(joined.forward, joined.backward);
    if (stop.stopped() && joined.backward == tap.inspected()) {
      auto rest = end_of_message(*client, *server, tap, joined.backward);
      [[maybe_unused]] const auto whole = co_await net::with_timeout(std::move(rest), kLastMessageTime);
    }
    server.reset();  // at once: what the client may no longer do ends here, before any goodbye
    // A server at work does not look whether anybody is there any more: what was taken away would go on to its end. Nor
    // may it go on for as long as a client that takes nothing in can make the goodbye last.
    net::TaskGroup beside(client->executor());
    if (stop.stopped() && tap.inspect().waits_for_answers()) beside.spawn("cancel", end_at_server());
    auto lost = tap.inspect().connection_lost();
    // Both sides close at once after Terminate, and either may find the other gone.
    if (!joined.outcome && joined.outcome.error().code == Code::kIo && tap.inspect().terminated()) joined.outcome = {};
    if (!stop.stopped() && joined.outcome) co_return lost;

    Error why = stop.stopped() ? *stop.reason() : std::move(joined.outcome).error().at(Hop::kEgress);
    Bytes last = stop.stopped() ? termination(why, session_.trace()) : refusal(why, session_.trace());
    // What the server has said of its end stands for itself.
    if (!stop.stopped() && tap.inspect().server_said_why()) last.clear();
    if (tap.may_speak_after(joined.backward)) co_await say_goodbye(*client, std::move(last));
    client.reset();
    co_await beside.join();
    co_return std::unexpected(std::move(why));
  }

  net::Task<> end_at_server() {
    const auto cancelled = co_await cancel_();
    if (!cancelled)
      log::warn("a query may go on after its session", {{"session", session_.id()}, {"why", cancelled.error()}});
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
      if (tap.must_wait(net::Direction::kBackward)) {
        CO_CHECK(co_await net::wait_for_call(
            [&tap](net::CallBack then) { tap.may_pass(net::Direction::kBackward, std::move(then)); }));
      }
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
  PL_CHECK(check_forwarding(settings));
  PL_CHECK(wanted_server(settings));
  PL_CHECK(hosts_of("", 1, settings));
  const auto client_tls = settings.find("client_tls");
  if (client_tls != settings.end() && client_tls->second != "offer" && client_tls->second != "direct")
    return fail(Code::kInvalid,
                "setting \"client_tls\": unknown value " + quoted(client_tls->second) + "; known are direct, offer");
  if (const auto set = settings.find("record_parameters");
      set != settings.end() && set->second != "on" && set->second != "off")
    return fail(Code::kInvalid, "setting record_parameters is " + quoted(set->second) + "; it is off or on");
  return {};
}

std::unique_ptr<Driver> make(Session& session) { return std::make_unique<PostgresDriver>(session); }

}  // namespace portolan::protocols::postgres
