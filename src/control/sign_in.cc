#include "control/sign_in.h"

#include <algorithm>
#include <utility>

#include "base/id.h"
#include "base/log.h"
#include "control/accounts.h"
#include "crypto/identity.h"
#include "crypto/password.h"

namespace portolan::control {
namespace {

constexpr std::size_t kDeviceNameLimit = 100;
constexpr std::string_view kSystem = "system";  // as the actor of what nobody who is known has done
constexpr std::chrono::milliseconds kLockNoted = std::chrono::milliseconds(100);

std::unexpected<Error> wrong() { return fail(Code::kUnauthenticated, "wrong e-mail or password", "wrong_password"); }

// Sign-ins of the account that have ended go, so that they do not pile up; those that were ended early stay until their
// certificate has ended too, for the deny lists.
Result<> drop_old(store::Change& change, const std::string& account, WallTime now) {
  std::vector<std::string> old;
  for (const auto& [id, sign_in] : change.now().sign_ins)
    if (sign_in.account == account && sign_in.ends <= now) old.push_back(id);
  for (const auto& id : old) PL_CHECK(change.remove<directory::SignIn>(id));
  return {};
}

// All of one device's.
Result<> end_sign_ins(store::Change& change, const std::string& account, const std::string& device) {
  std::vector<directory::SignIn> ended;
  for (const auto& [id, sign_in] : change.now().sign_ins)
    if (sign_in.account == account && sign_in.device == device && !sign_in.ended) ended.push_back(sign_in);
  for (auto& sign_in : ended) {
    sign_in.ended = true;
    PL_CHECK(change.put(sign_in));
  }
  return {};
}

// All of the account's but this one.
Result<> end_other_sign_ins(store::Change& change, const std::string& account, const std::string& kept) {
  std::vector<directory::SignIn> ended;
  for (const auto& [id, sign_in] : change.now().sign_ins)
    if (sign_in.account == account && id != kept && !sign_in.ended) ended.push_back(sign_in);
  for (auto& sign_in : ended) {
    sign_in.ended = true;
    PL_CHECK(change.put(sign_in));
  }
  return {};
}

// Made from what was verified; nothing of it may have changed since.
Core::Edit record(directory::Account verified, directory::Device device, directory::SignIn sign_in) {
  return [verified = std::move(verified), device = std::move(device),
          sign_in = std::move(sign_in)](store::Change& change) -> Result<> {
    const auto account = change.now().accounts.find(verified.id);
    if (account == change.now().accounts.end() || account->second.suspended ||
        account->second.password_hash != verified.password_hash)
      return wrong();
    PL_CHECK(drop_old(change, verified.id, sign_in.created));
    auto registered = device;
    const auto known = change.now().devices.find(device.id);
    if (known != change.now().devices.end()) {
      if (known->second.account != verified.id) return wrong();
      registered.created = known->second.created;
      // A device that comes with a new key has given up the old one: what was certified for that ends.
      if (known->second.public_key != device.public_key) PL_CHECK(end_sign_ins(change, verified.id, device.id));
    }
    PL_CHECK(change.put(registered));
    return change.put(sign_in);
  };
}

// An installation keeps its device id from sign-in to sign-in; somebody else's id, or one that is gone, is not taken
// over.
std::string device_id(const directory::Snapshot& snapshot, const std::optional<std::string>& asked,
                      const std::string& account) {
  if (asked)
    if (const auto known = snapshot.devices.find(*asked);
        known != snapshot.devices.end() && known->second.account == account)
      return *asked;
  return make_id("d");
}

}  // namespace

SignIns::SignIns(Core& core, const Certificates& certificates) : core_(core), certificates_(certificates) {
  dummy_hash_ = crypto::hash_password(Secret(make_token())).value_or("");
}

void SignIns::add_to(Routes& routes) {
  routes.add("POST /v1/sign-ins", [this](Exchange exchange) { return create(std::move(exchange)); });
  routes.add("POST /v1/whoami/password", [this](Exchange exchange) { return change_password(std::move(exchange)); });
  routes.add("DELETE /v1/sign-ins/current", [this](Exchange exchange) { return end(std::move(exchange)); });
}

net::Task<Result<directory::Account>> SignIns::authenticate(std::string typed, Secret password, std::string address) {
  // No account has such an address; counted under one name, it costs as much as any other.
  const std::string email = directory::normalize_email(typed).value_or("not an address");
  auto account = co_await by_password(email, std::move(password));
  if (account || account.error().code == Code::kCancelled) co_return account;
  // What is no account's address is not logged: it may be a password that was typed in the wrong place.
  const bool known = core_.lookup()->snapshot().account_by_email(email) != nullptr;
  log::info("sign-in refused",
            {{"account", known ? email : "not known"}, {"address", address}, {"why", account.error()}});
  if (account.error().reason == "wrong_password" && core_.attempts.failed(email))
    co_await note_lock(email, std::move(address));
  co_return account;
}

// Of an account that there is. For any other address it takes as long, as far as one can tell from outside.
net::Task<> SignIns::note_lock(std::string email, std::string address) {
  const BootTime until = Clock::real().boot() + kLockNoted;
  const auto lookup = core_.lookup();
  if (const auto* account = lookup->snapshot().account_by_email(email)) {
    log::warn("account locked: too many wrong passwords", {{"account", email}, {"address", address}});
    const std::string told = json::print(
        boost::json::object{{"email", email}, {"address", address}, {"wrong_passwords", core_.attempts.limit()}});
    const auto noted =
        co_await core_.change(std::string(kSystem), [id = account->id, email, told](store::Change& change) {
          return change.note("account.locked", id, email, told);
        });
    if (!noted) log::warn("cannot put a lock on record", {{"account", email}, {"why", noted.error()}});
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::real().boot());
  if (left.count() > 0) static_cast<void>(co_await net::sleep_for(left));
}

net::Task<Result<directory::Account>> SignIns::by_password(std::string email, Secret password) {
  CO_CHECK(core_.attempts.begin(email));
  if (password.reveal().size() > kPasswordLimit) co_return wrong();
  const auto lookup = core_.lookup();
  const auto* account = lookup->snapshot().account_by_email(email);
  const bool possible = account && !account->password_hash.empty();
  auto verified = co_await core_.verify_password(possible ? account->password_hash : dummy_hash_, std::move(password));
  if (!verified) {
    core_.attempts.withdraw(email);
    if (verified.error().code == Code::kLimit)
      co_return fail(Code::kUnavailable, "too many people are signing in just now; try again in a moment", "busy");
    co_return std::unexpected(std::move(verified).error());
  }
  if (!possible || !*verified) co_return wrong();
  core_.attempts.succeeded(email);
  if (account->suspended)
    co_return fail(Code::kDenied, "the account " + quoted(email) + " is suspended; ask an admin", "account_suspended");
  co_return *account;
}

Result<SignIns::Installation> SignIns::check(const std::string& public_key, std::string name,
                                             std::optional<std::string> device, std::optional<bool> renews) {
  PL_TRY(auto key, crypto::PublicKey::from_pem(public_key));
  if (name.size() > kDeviceNameLimit)
    return fail(Code::kInvalid, "device_name: at most " + std::to_string(kDeviceNameLimit) + " bytes");
  return Installation{std::move(key), std::move(name), std::move(device), renews.value_or(false)};
}

net::Task<Answer> SignIns::create(Exchange exchange) {
  CO_TRY(auto request, exchange.body<api::SignInRequest>());
  CO_TRY(auto installation,
         check(request.public_key, std::move(request.device_name), std::move(request.device), request.renews));
  CO_TRY(auto account,
         co_await authenticate(std::move(request.email), std::move(request.password), exchange.call.connection->peer));
  CO_TRY(const auto signed_in, co_await sign_in(std::move(account), std::move(installation)));
  co_return created(signed_in);
}

net::Task<Result<api::SignedIn>> SignIns::sign_in(directory::Account account, Installation installation) {
  const auto& authorities = core_.authorities;
  const WallTime now = core_.now();
  const std::chrono::milliseconds life = core_.options.sign_in_life;
  directory::Device device{.id = device_id(core_.lookup()->snapshot(), installation.device, account.id),
                           .account = account.id,
                           .name = std::move(installation.name),
                           .public_key = installation.key.pem(),
                           .created = now};
  // An agent of an older release does not renew: its certificate lasts as long as the sign-in.
  const auto certificate_life = installation.renews ? certificates_.life_for_people() : life;
  CO_TRY(auto issued, issue_for_device(core_, device, account.email, now + life, certificate_life));
  const auto& certificate = issued.certificate;
  issued.held.state = "current";
  const std::string token = "pst1." + make_token();
  directory::SignIn sign_in{.id = make_id("si"),
                            .account = account.id,
                            .device = device.id,
                            .token_hash = token_hash(token),
                            .certificate_serial = certificate.serial(),
                            .created = now,
                            .ends = now + life,
                            .ended = false,
                            .certificates = {std::move(issued.held)}};
  const api::SignedIn answer{.organization = authorities.organization,
                             .account = account.id,
                             .email = account.email,
                             .admin = account.admin,
                             .device = device.id,
                             .certificate = certificate.pem(),
                             .node_ca = authorities.node.bundle(),
                             .server_ca = authorities.server.bundle(),
                             .token = Secret(token),
                             .ends = sign_in.ends};
  CO_CHECK(co_await core_.change(answer.account, record(std::move(account), std::move(device), std::move(sign_in))));
  co_return answer;
}

// All of this device's sign-ins: who signs out wants nothing of it to go on.
net::Task<Answer> SignIns::end(Exchange exchange) {
  CO_CHECK(co_await change_as(
      core_, exchange, [account = exchange.caller.account, device = exchange.caller.device](store::Change& change) {
        return end_sign_ins(change, account, device);
      }));
  co_return no_content();
}

// By the old password, which counts towards the lock like any other: a sign-in that somebody has found open is not
// enough.
net::Task<Answer> SignIns::change_password(Exchange exchange) {
  CO_TRY(auto request, exchange.body<api::PasswordChange>());
  CO_CHECK(check_password(request.new_password));
  const auto found = exchange.lookup->snapshot().accounts.find(exchange.caller.account);
  auto verified =
      co_await authenticate(found->second.email, std::move(request.old_password), exchange.call.connection->peer);
  // The caller is known, and stays so.
  if (!verified && verified.error().reason == "wrong_password")
    co_return fail(Code::kDenied, "the old password is wrong", "wrong_password");
  if (!verified) co_return std::unexpected(std::move(verified).error());
  CO_TRY(const auto hash, co_await core_.hash_password(std::move(request.new_password)));
  CO_CHECK(co_await change_as(
      core_, exchange,
      [verified = std::move(*verified), hash, sign_in = exchange.caller.sign_in,
       others = request.sign_out_others.value_or(false)](store::Change& change) -> Result<> {
        const auto account = change.now().accounts.find(verified.id);
        if (account == change.now().accounts.end() || account->second.password_hash != verified.password_hash)
          return fail(Code::kConflict, "the password has just been changed by somebody else; try again");
        auto changed = account->second;
        changed.password_hash = hash;
        PL_CHECK(change.put(changed));
        return others ? end_other_sign_ins(change, verified.id, sign_in) : Result<>{};
      }));
  co_return no_content();
}

}  // namespace portolan::control
