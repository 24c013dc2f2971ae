// Whether the server can be used: what serve() does up to the server's ReadyForQuery, then a Sync, which makes the
// server's loop turn once and runs no statement, then Terminate. The server's log shows the application name
// "portolan-health".
#include "protocols/postgres/driver.h"
#include "protocols/postgres/forwarding.h"
#include "protocols/postgres/resource_side.h"

namespace portolan::protocols::postgres {
namespace {

constexpr std::uint32_t kAnswerLimit = 64 * 1024;  // of what comes before the answer to Sync, in all

net::Task<Result<>> round_trip(net::Stream& server) {
  const Bytes sync = message('S', {});
  CO_CHECK(co_await net::write(server, sync));
  net::Reader reader(server);
  std::size_t total = 0;
  while (true) {
    CO_CHECK(co_await reader.fill(kHeaderSize));
    CO_TRY(const Header header, parse_header(reader.data().first(kHeaderSize), kAnswerLimit));
    total += header.body + kHeaderSize;
    if (total > kAnswerLimit) co_return fail(Code::kProtocol, "the server sends too much in answer to Sync");
    reader.consume(kHeaderSize);
    CO_TRY(const Bytes body, co_await reader.take(header.body));
    switch (header.type) {
      case 'Z': co_return Result<>{};
      case 'N':
      case 'S': break;
      case 'E': co_return std::unexpected(server_error(parse_server_error(body)));
      default: co_return fail(Code::kProtocol, "unexpected message " + quoted_type(header.type) + " in answer to Sync");
    }
  }
}

// The vocabulary of driver.h for what PostgreSQL says.
std::string reason_of(const Error& error) {
  if (error.reason == "sqlstate_28P01" || error.reason == "sqlstate_28000") return "bad_credential";
  if (error.reason == "sqlstate_3D000") return "no_database";
  if (error.reason == "sqlstate_53300") return "too_many_connections";
  if (error.reason == "sqlstate_57P03") return "starting";
  return error.reason;
}

net::Task<Result<>> sign_in_and_leave(const Target& target, const Dial& dial, std::chrono::milliseconds limit) {
  const std::string database = default_database(target.settings);
  const bool any_database = database.empty();
  SignIn as{.user = target.username,
            .password = target.password,
            .database = database,
            .parameters = {{"application_name", "portolan-health"}}};
  auto reached = co_await reach({{}, target.settings, target.hosts, target.tls_key, dial, limit}, std::move(as));
  // The server looks for the database after it has believed the password. Where people choose their database, there
  // need be none with the user's name.
  if (!reached && any_database && reached.error().reason == "sqlstate_3D000") co_return Result<>{};
  if (!reached) co_return std::unexpected(std::move(reached).error());
  net::Stream& server = *reached->stream;
  if (!reached->in.rest.empty())
    co_return fail(Code::kProtocol, "the server sends on after it has said that it is ready");
  CO_CHECK(co_await round_trip(server));
  const Bytes goodbye = message('X', {});
  // It may close before it has read that, which is as good.
  [[maybe_unused]] const auto said = co_await net::write(server, goodbye);
  [[maybe_unused]] const auto gone = co_await net::finish(server, limit);
  co_return Result<>{};
}

}  // namespace

net::Task<Result<>> probe(Target target, Dial dial, std::chrono::milliseconds limit) {
  auto done = co_await sign_in_and_leave(target, dial, limit);
  if (done) co_return done;
  Error error = std::move(done).error();
  error.reason = reason_of(error);
  co_return std::unexpected(std::move(error).at(Hop::kResource));
}

}  // namespace portolan::protocols::postgres
