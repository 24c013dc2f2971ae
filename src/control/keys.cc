#include "control/keys.h"

#include <map>
#include <utility>

#include "api/list.h"
#include "control/listing.h"

namespace portolan::control {
namespace {

std::string what_it_signs(std::string_view purpose) {
  if (purpose == "user") return "certificates of people's devices";
  if (purpose == kIdentityPurpose) return "identity tokens for web applications";
  return purpose == "node" ? "certificates of gateways and relays" : "the control plane's own certificates";
}

Result<std::optional<std::chrono::milliseconds>> duration_of(const std::optional<std::string>& text,
                                                             std::string_view member) {
  if (!text) return std::nullopt;
  auto parsed = parse_duration(*text);
  if (!parsed) return std::unexpected(std::move(parsed).error().within(std::string(member)));
  return *parsed;
}

// No body is an empty object.
template <class Body>
Result<Body> optional_body(const Exchange& exchange) {
  return exchange.call.request.body.empty() ? Result<Body>(Body{}) : exchange.body<Body>();
}

constexpr std::string_view kOrder[] = {"user", "node", "server", kIdentityPurpose};

int rank(std::string_view state) { return state == "signing" ? 0 : state == "announced" ? 1 : 2; }

}  // namespace

void Keys::add_to(Routes& routes) {
  routes.add_at_once("GET /v1/keys", [this](const Exchange& exchange) { return list(exchange); });
  routes.add("POST /v1/keys/{purpose}/rotate", [this](Exchange exchange) { return rotate(std::move(exchange)); });
  routes.add("POST /v1/keys/{purpose}/activate", [this](Exchange exchange) { return activate(std::move(exchange)); });
  routes.add("POST /v1/keys/{purpose}/finish", [this](Exchange exchange) { return finish(std::move(exchange)); });
}

api::KeyView Keys::view(const directory::Snapshot& snapshot, const directory::Authority& authority) const {
  api::KeyView out;
  out.id = authority.id;
  out.purpose = authority.purpose;
  out.state = authority.state;
  out.signs = what_it_signs(authority.purpose);
  out.since = authority.created;
  if (const auto certificate = crypto::Certificate::from_pem(authority.certificate)) {
    out.sha256 = certificate->fingerprint();
    out.until = certificate->not_after();
  }
  out.signs_since = authority.signs_since;
  out.activates = authority.activates;
  out.retires = authority.retires;
  if (auto kid = kid_of(authority); !kid.empty()) out.kid = std::move(kid);
  if (authority.state == "announced" && !out.kid)
    out.waiting_for = readers_.waiting_for(core_.authorities, authority.purpose);
  if (authority.state == "retiring") out.used_by = rotation_.used_by(snapshot, authority.purpose);
  return out;
}

api::KeyView Keys::sealing_view() const {
  api::KeyView out;
  out.id = core_.sealing.id();
  out.purpose = "sealing";
  out.state = name_of(core_.options.sealing);
  out.signs = "nothing: seals passwords and the authorities' keys in the database";
  out.since = core_.sealing_since;
  return out;
}

Answer Keys::list(const Exchange& exchange) const {
  const auto& request = exchange.call.request;
  PL_TRY(const auto part, list_request(request, {"purpose", "state"}));
  constexpr std::string_view kListedPurposes[] = {"user", "node", "server", kIdentityPurpose, "sealing"};
  constexpr std::string_view kListedStates[] = {"announced", "signing",    "retiring",
                                                "file",      "passphrase", "environment"};
  if (const auto purpose = request.parameter("purpose")) PL_CHECK(check_one_of("purpose", *purpose, kListedPurposes));
  if (const auto state = request.parameter("state")) PL_CHECK(check_one_of("state", *state, kListedStates));
  std::map<std::string, api::KeyView> entries;  // by their place in the list
  const auto& snapshot = exchange.lookup->snapshot();
  for (std::size_t i = 0; i < std::size(kOrder); ++i)
    for (const auto& [id, authority] : snapshot.authorities)
      if (authority.purpose == kOrder[i])
        entries[std::to_string(i) + std::to_string(rank(authority.state)) + id] = view(snapshot, authority);
  entries["9"] = sealing_view();
  const auto passes = [&](const std::string& filter, const std::string& value) {
    const auto wanted = request.parameter(filter);
    return !wanted || *wanted == value;
  };
  api::Page<api::KeyView> page;
  std::string last;
  for (auto& [place, key] : entries) {
    if (place <= part.after || !passes("purpose", key.purpose) || !passes("state", key.state)) continue;
    if (page.items.size() == part.limit) {
      page.cursor = encode_cursor(last);
      break;
    }
    last = place;
    page.items.push_back(std::move(key));
  }
  return ok(page);
}

Answer Keys::those_of(const std::string& purpose) const {
  const auto lookup = core_.lookup();
  api::Page<api::KeyView> out;
  for (const int wanted : {0, 1, 2})
    for (const auto& [id, authority] : lookup->snapshot().authorities)
      if (authority.purpose == purpose && rank(authority.state) == wanted)
        out.items.push_back(view(lookup->snapshot(), authority));
  return ok(out);
}

// The exchange outlives the use of it.
Rotation::MakeChange Keys::as(const Exchange& exchange) const {
  return [this, &exchange](Core::Edit edit) { return change_as(core_, exchange, std::move(edit)); };
}

net::Task<Answer> Keys::rotate(Exchange exchange) {
  CO_TRY(const auto asked, optional_body<api::KeyRotate>(exchange));
  Rotation::Wish wish;
  CO_TRY(wish.overlap, duration_of(asked.overlap, "overlap"));
  CO_TRY(wish.activate_after, duration_of(asked.activate_after, "activate_after"));
  wish.now = asked.now.value_or(false);
  const std::string& purpose = exchange.argument();
  CO_CHECK(co_await rotation_.rotate(as(exchange), purpose, wish));
  co_return those_of(purpose);
}

net::Task<Answer> Keys::activate(Exchange exchange) {
  const std::string& purpose = exchange.argument();
  CO_CHECK(co_await rotation_.activate(as(exchange), purpose));
  co_return those_of(purpose);
}

net::Task<Answer> Keys::finish(Exchange exchange) {
  CO_TRY(const auto asked, optional_body<api::KeyFinish>(exchange));
  const std::string& purpose = exchange.argument();
  CO_CHECK(co_await rotation_.finish(as(exchange), purpose,
                                     asked.force.value_or(false) ? Rotation::Force::kYes : Rotation::Force::kNo));
  co_return those_of(purpose);
}

}  // namespace portolan::control
