#include "protocols/postgres/client_side.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "protocols/postgres/driver.h"

namespace portolan::protocols::postgres {
namespace {

constexpr std::chrono::milliseconds kGoodbyeLimit = std::chrono::seconds(2);
// GSSENCRequest, SSLRequest, StartupMessage: a client asks for each encryption once.
constexpr int kPacketsBeforeStart = 3;
constexpr std::string_view kReasonPrefix = "sqlstate_";

std::string sqlstate_of(const Error& error) {
  if (error.reason.starts_with(kReasonPrefix)) return error.reason.substr(kReasonPrefix.size());
  switch (error.code) {
    case Code::kUnauthenticated:
    case Code::kDenied: return "28000";
    case Code::kLimit: return "53300";
    case Code::kUnavailable:
    case Code::kTimeout:
    case Code::kEof:
    case Code::kIo: return "08006";
    case Code::kProtocol: return "08P01";
    default: return "XX000";
  }
}

Bytes error_of(const Error& why, std::string sqlstate, std::string_view prefix, std::string_view trace) {
  ErrorFields fields{.code = sqlstate, .message = std::string(prefix) + why.message};
  if (why.hop != Hop::kUnknown) fields.detail = fmt::format("hop: {}; ", name_of(why.hop));
  fields.detail += fmt::format("code: {}", why.stable_code());
  if (!trace.empty()) fields.detail += fmt::format("; trace: {}", trace);
  fields.hint =
      why.retry_can_help() ? "Trying again can help." : "Trying again will not help until the cause is removed.";
  return error_response(fields);
}

net::Task<Result<>> drain(net::Stream& stream) {
  while (true) {
    CO_TRY(const net::Buffer buffer, co_await net::read(stream));
    if (buffer.empty()) co_return Result<>{};
  }
}

net::Task<Result<>> write_and_drain(net::Stream& client, ByteView last) {
  CO_CHECK(co_await net::write(client, last));
  CO_CHECK(co_await net::finish(client, kGoodbyeLimit));
  co_return co_await drain(client);
}

}  // namespace

net::Task<Result<Arrival>> receive_start(net::Stream& client, net::Reader& reader) {
  for (int i = 0; i < kPacketsBeforeStart; ++i) {
    CO_CHECK(co_await reader.fill(4));
    if (begins_like_http(reader.data()))
      co_return fail(Code::kProtocol, "the client speaks HTTP, not PostgreSQL", std::string(kHttpRequest));
    CO_TRY(const std::size_t size, first_packet_size(reader.data().first(4)));
    CO_TRY(const Bytes packet, co_await reader.take(size));
    CO_TRY(FirstPacket first, parse_first_packet(packet));
    if (auto* startup = std::get_if<Startup>(&first)) co_return Arrival(std::move(*startup));
    if (auto* key = std::get_if<BackendKey>(&first)) co_return Arrival(*key);
    CO_CHECK(co_await net::write(client, as_bytes("N")));
  }
  co_return fail(Code::kProtocol, "start-up packet: one request for encryption after another");
}

Bytes version_answer(const Startup& startup) {
  std::vector<std::string> unknown;
  for (const auto& [name, value] : startup.parameters)
    if (name.starts_with("_pq_.")) unknown.push_back(name);
  return startup.minor == 0 && unknown.empty() ? Bytes{} : negotiate_version(unknown);
}

Result<std::string> choose_database(const Startup& startup, const Granted& granted) {
  const std::string_view wish = startup.find("database");
  const auto pinned = granted.settings.find("database");
  if (pinned == granted.settings.end() || pinned->second.empty()) return std::string(wish);
  // The client's own user name is what clients ask for when the person named no database.
  if (wish.empty() || wish == pinned->second || wish == startup.find("user") || wish == granted.name)
    return pinned->second;
  return fail(Code::kDenied,
              fmt::format("resource {} opens only the database {}, not {}; connect to that one", quoted(granted.name),
                          quoted(pinned->second), quoted(wish)),
              "sqlstate_3D000");
}

Result<Parameters> forwarded_parameters(const Startup& startup) {
  constexpr std::array<std::string_view, 5> kNoReplication = {"", "false", "off", "no", "0"};
  if (std::ranges::find(kNoReplication, startup.find("replication")) == kNoReplication.end())
    return fail(Code::kDenied, "replication connections are not allowed through Portolan", "sqlstate_0A000");
  Parameters out;
  for (const auto& [name, value] : startup.parameters)
    if (name != "user" && name != "database" && name != "replication" && !name.starts_with("_pq_."))
      out.emplace_back(name, value);
  return out;
}

Bytes refusal(const Error& why, std::string_view trace) { return error_of(why, sqlstate_of(why), "Portolan: ", trace); }

Bytes termination(const Error& why, std::string_view trace) {
  return error_of(why, "57P01", "terminating connection: Portolan: ", trace);
}

net::Task<> say_goodbye(net::Stream& client, Bytes last) {
  [[maybe_unused]] const auto said = co_await net::with_timeout(write_and_drain(client, last), kGoodbyeLimit);
}

net::Task<> refuse(std::unique_ptr<net::Stream> client, Error why, std::string trace, std::chrono::milliseconds limit) {
  net::Reader reader(*client);
  const auto arrival = co_await net::with_timeout(receive_start(*client, reader), limit);
  // Whoever did not even send a start-up packet, speaks HTTP, or wants to cancel something, reads no answer.
  const bool listens = arrival ? std::holds_alternative<Startup>(*arrival)
                               : (arrival.error().code == Code::kProtocol || arrival.error().code == Code::kInvalid) &&
                                     arrival.error().reason != kHttpRequest;
  if (listens) co_await say_goodbye(*client, refusal(why, trace));
}

}  // namespace portolan::protocols::postgres
