#include "client/clocks.h"

#include "api/assertion.h"
#include "api/health.h"

namespace portolan::client {
namespace {

constexpr std::chrono::milliseconds kAskLimit = std::chrono::seconds(5);

std::string in_words(std::chrono::milliseconds apart) {
  return format_duration(std::chrono::round<std::chrono::minutes>(apart));
}

}  // namespace

std::optional<std::string> clocks_apart(WallTime here, WallTime there, const crypto::Certificate& refused) {
  const auto ahead = std::chrono::round<std::chrono::milliseconds>(there - here);
  if (std::chrono::abs(ahead) <= api::kClockSlack) return std::nullopt;
  const std::string offset = in_words(std::chrono::abs(ahead)) + (ahead.count() > 0 ? " ahead of" : " behind");
  const std::string remedy = "; certificates are not taken until it is set, by NTP";
  // It has issued this certificate itself, with a beginning that lies before that moment.
  if (there < refused.not_before())
    return "the clock of the control plane is wrong: " + offset +
           " this machine's, and earlier than when it let you in" + remedy;
  return "the clock of the control plane is " + offset + " this machine's: one of the two is wrong" + remedy;
}

net::Task<std::optional<std::string>> ask_for_clocks(api::ControlAddress address, crypto::Certificate refused) {
  address.identity.reset();
  const auto client = api::ControlClient::make(std::move(address), Secret(), {.connect = kAskLimit, .call = kAskLimit});
  if (!client) co_return std::nullopt;
  const auto health = co_await (*client)->get<api::ServerHealth>("/v1/health");
  if (!health || !health->time) co_return std::nullopt;
  co_return clocks_apart(Clock::real().wall(), *health->time, refused);
}

}  // namespace portolan::client
