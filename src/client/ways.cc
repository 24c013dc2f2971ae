#include "client/ways.h"

#include <algorithm>

#include "base/id.h"
#include "base/log.h"
#include "net/tcp.h"
#include "tunnel/ticket.h"

namespace portolan::client {
namespace {

constexpr std::chrono::milliseconds kForgetAfter = std::chrono::minutes(10);
constexpr std::chrono::milliseconds kDialLimit = std::chrono::seconds(2);

// The plain connection, with its preface sent.
net::Task<Result<std::unique_ptr<net::Stream>>> dial_plain(Gateways& gateways, std::string gateway,
                                                           std::string ticket_text) {
  CO_TRY(const auto ticket, tunnel::parse_ticket(ticket_text));
  CO_TRY(auto stream, co_await gateways.dial_plain(std::move(gateway), kDialLimit));
  const auto preface = tunnel::encode_preface(ticket);
  CO_CHECK(co_await net::write(*stream, preface));
  co_return std::unique_ptr<net::Stream>(std::move(stream));
}

// For people: what cannot be read is left out.
tunnel::Hops hops_of(const net::http::Headers& answer) {
  const auto header = answer.find(tunnel::kHopsHeader);
  return header == answer.end() ? tunnel::Hops{} : tunnel::parse_hops(header->second).value_or(tunnel::Hops{});
}

}  // namespace

net::Task<Result<Way>> Ways::open(std::string gateway, std::string egress, WayLimits limits) {
  // A ticket of one bridge worker would come to another, by the balancer before them.
  if (kinds_ == PathKinds::kNestedOnly || is_id(gateway, "c"))
    co_return co_await ask(std::move(gateway), std::move(egress), false, limits);
  if (auto why = gateways_.links_only(gateway))
    co_return co_await open_nested(std::move(gateway), std::move(egress), limits, std::move(*why));
  const auto failed = failed_.find({gateway, egress});
  if (failed != failed_.end() && clock_.boot() < failed->second.until)
    co_return co_await open_nested(std::move(gateway), std::move(egress), limits, failed->second.why);
  auto way = co_await ask(gateway, egress, true, limits);
  if (way && !way->spliced) does_not_splice(gateway, egress, way->fallback);
  co_return way;
}

net::Task<Result<Way>> Ways::open_nested(std::string gateway, std::string egress, WayLimits limits, std::string why) {
  auto way = co_await ask(std::move(gateway), std::move(egress), false, limits);
  if (way) way->fallback = std::move(why);
  co_return way;
}

net::Task<Result<Way>> Ways::ask(std::string gateway, std::string egress, bool spliced, WayLimits limits) {
  auto linked = co_await gateways_.linked(std::chrono::milliseconds(0));
  if (!linked) co_return std::unexpected(std::move(linked).error());
  const auto found = std::ranges::find(*linked, gateway, &Gateways::Linked::id);
  if (found == linked->end()) co_return fail(Code::kNotFound, "the link to the gateway has just ended");
  net::http::Headers headers;
  if (spliced) headers.emplace(tunnel::kPathHeader, tunnel::kPathSpliced);
  if (limits.wait.count() > 0) headers.emplace(tunnel::kWaitHeader, std::to_string(limits.wait.count()));
  CO_TRY(auto stream, found->mux->open({egress, std::move(headers)}));
  CO_CHECK(co_await stream->answered(limits.answer));
  const auto ticket = stream->answer().find(tunnel::kTicketHeader);
  tunnel::Hops hops = hops_of(stream->answer());
  if (!spliced) co_return Way{std::move(stream), false, {}, std::move(hops)};
  if (ticket == stream->answer().end())
    co_return Way{
        std::move(stream), false,
        "gateway " + gateways_.name_of(gateway) + ", another one on the way or the relay offers no spliced path",
        std::move(hops)};
  [[maybe_unused]] const auto closed = stream->shutdown_send();
  auto plain = co_await dial_plain(gateways_, gateway, ticket->second);
  if (plain) co_return Way{std::move(*plain), true, {}, std::move(hops)};
  if (plain.error().code == Code::kCancelled) co_return std::unexpected(std::move(plain).error());
  stream.reset();
  auto nested = co_await ask(std::move(gateway), std::move(egress), false, limits);
  if (nested) nested->fallback = std::move(plain).error().message;
  co_return nested;
}

void Ways::does_not_splice(const std::string& gateway, const std::string& egress, std::string why) {
  log::info("paths by this gateway are nested", {{"gateway", gateways_.name_of(gateway)}, {"why", why}});
  failed_[{gateway, egress}] = {clock_.boot() + kForgetAfter, std::move(why)};
}

}  // namespace portolan::client
