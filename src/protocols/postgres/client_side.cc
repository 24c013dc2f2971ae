#include "protocols/postgres/client_side.h"

#include <fmt/format.h>

#include "protocols/postgres/driver.h"
#include "protocols/postgres/entrance.h"

namespace portolan::protocols::postgres {
namespace {

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

Bytes version_answer(const Startup& startup) {
  std::vector<std::string> unknown;
  for (const auto& [name, value] : startup.parameters)
    if (name.starts_with("_pq_.")) unknown.push_back(name);
  return startup.minor == 0 && unknown.empty() ? Bytes{} : negotiate_version(unknown);
}

Bytes refusal(const Error& why, std::string_view trace) { return error_of(why, sqlstate_of(why), "Portolan: ", trace); }

Bytes termination(const Error& why, std::string_view trace) {
  const bool broken = why.code == Code::kIo || why.code == Code::kEof || why.code == Code::kTimeout;
  return error_of(why, broken ? "08006" : "57P01", "terminating connection: Portolan: ", trace);
}

net::Task<> say_goodbye(net::Stream& client, Bytes last, std::chrono::milliseconds limit) {
  [[maybe_unused]] const auto said = co_await net::with_timeout(write_and_drain(client, last), limit);
}

net::Task<> refuse(std::unique_ptr<net::Stream> client, Error why, std::string trace, std::chrono::milliseconds limit) {
  Entrance entrance(std::move(client), {});
  const auto arrival = co_await net::with_timeout(entrance.receive(), limit);
  // Whoever did not even send a start-up packet, speaks HTTP, or wants to cancel something, reads no answer.
  const bool listens = arrival ? std::holds_alternative<Startup>(*arrival)
                               : (arrival.error().code == Code::kProtocol || arrival.error().code == Code::kInvalid) &&
                                     arrival.error().reason != kHttpRequest;
  if (listens && entrance.stream() != nullptr) co_await say_goodbye(*entrance.stream(), refusal(why, trace));
}

}  // namespace portolan::protocols::postgres
