#include "protocols/postgres/server_state.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace portolan::protocols::postgres {
namespace {

constexpr std::uint32_t kAnswerLimit = 16 * 1024;  // to a query of ours, in all

struct WantedName {
  std::string_view name;
  Wanted wanted;
};
constexpr std::array<WantedName, 6> kNames = {{{"any", Wanted::kAny},
                                               {"read-write", Wanted::kReadWrite},
                                               {"read-only", Wanted::kReadOnly},
                                               {"primary", Wanted::kPrimary},
                                               {"standby", Wanted::kStandby},
                                               {"prefer-standby", Wanted::kPreferStandby}}};

Result<std::string> only_value(ByteView row) {
  ByteReader reader(row);
  const auto columns = reader.u16();
  const auto size = reader.u32();
  const ByteView value = reader.take(size);
  if (!reader.at_end() || columns != 1) return fail(Code::kProtocol, "the server's row has not one value");
  return std::string(as_text(value));
}

// The one value that a query of ours gives.
net::Task<Result<std::string>> ask(net::Stream& server, std::string_view query) {
  ByteWriter body;
  body.zero_terminated(query);
  const Bytes asked = message('Q', body.view());
  CO_CHECK(co_await net::write(server, asked));
  net::Reader reader(server);
  std::optional<std::string> value;
  std::size_t total = 0;
  while (true) {
    CO_CHECK(co_await reader.fill(kHeaderSize));
    CO_TRY(const Header header, parse_header(reader.data().first(kHeaderSize), kAnswerLimit));
    total += header.body + kHeaderSize;
    if (total > kAnswerLimit) co_return fail(Code::kProtocol, "the server sends too much in answer to a query");
    reader.consume(kHeaderSize);
    CO_TRY(const Bytes part, co_await reader.take(header.body));
    switch (header.type) {
      case 'D': {
        CO_TRY(value, only_value(part));
        break;
      }
      case 'Z':
        if (!value || !reader.empty()) co_return fail(Code::kProtocol, "the server answers a query with no row");
        co_return std::move(*value);
      case 'T':
      case 'C':
      case 'N':
      case 'S': break;
      case 'E': co_return std::unexpected(server_error(parse_server_error(part)));
      default:
        co_return fail(Code::kProtocol, "unexpected message " + quoted_type(header.type) + " in answer to a query");
    }
  }
}

net::Task<Result<bool>> is_standby(net::Stream& server, const SignedIn& in) {
  const auto told = told_parameter(in.greeting, "in_hot_standby");
  if (told) co_return *told == "on";
  CO_TRY(const std::string answer, co_await ask(server, "SELECT pg_catalog.pg_is_in_recovery()"));
  co_return answer == "t";
}

net::Task<Result<bool>> is_read_only(net::Stream& server, const SignedIn& in) {
  const auto standby = told_parameter(in.greeting, "in_hot_standby");
  const auto by_default = told_parameter(in.greeting, "default_transaction_read_only");
  if (standby && by_default) co_return *standby == "on" || *by_default == "on";
  CO_TRY(const std::string answer, co_await ask(server, "SHOW transaction_read_only"));
  co_return answer == "on";
}

}  // namespace

Result<Wanted> wanted_server(const Settings& settings) {
  const auto found = settings.find("target_session_attrs");
  if (found == settings.end() || found->second.empty()) return Wanted::kAny;
  const auto* named = std::ranges::find(kNames, std::string_view(found->second), &WantedName::name);
  if (named != kNames.end()) return named->wanted;
  return fail(Code::kInvalid, "setting \"target_session_attrs\": unknown value " + quoted(found->second) +
                                  "; known are any, read-write, read-only, primary, standby, prefer-standby");
}

net::Task<Result<bool>> serves(net::Stream& server, const SignedIn& in, Wanted wanted) {
  switch (wanted) {
    case Wanted::kReadWrite:
    case Wanted::kReadOnly: {
      CO_TRY(const bool read_only, co_await is_read_only(server, in));
      co_return read_only == (wanted == Wanted::kReadOnly);
    }
    case Wanted::kPrimary:
    case Wanted::kStandby:
    case Wanted::kPreferStandby: {
      CO_TRY(const bool standby, co_await is_standby(server, in));
      co_return standby == (wanted != Wanted::kPrimary);
    }
    default: co_return true;
  }
}

std::optional<std::string> told_parameter(ByteView greeting, std::string_view name) {
  std::optional<std::string> out;
  ByteReader reader(greeting);
  while (reader.ok() && !reader.at_end()) {
    const char type = static_cast<char>(reader.u8());
    const std::uint32_t length = reader.u32();
    ByteReader body(reader.take(length < 4 ? 0 : length - 4));
    if (type != 'S') continue;
    const std::string_view told = body.zero_terminated();
    const std::string_view value = body.zero_terminated();
    if (body.ok() && told == name) out = value;
  }
  return out;
}

}  // namespace portolan::protocols::postgres
