#include "fill.h"

#include <fmt/format.h>

#include "base/id.h"
#include "crypto/password.h"
#include "store/directory_store.h"

namespace portolan::bench {
namespace {

constexpr unsigned kFirstPort = 10'000;
constexpr unsigned kRolesOfAccount = 5;
constexpr std::array kTypes = {"postgres", "tcp"};
constexpr std::array kEnvironments = {"prod", "staging", "test", "dev"};

directory::Resource resource(unsigned number, WallTime now) {
  directory::Resource out;
  out.id = make_id("rs");
  out.name = resource_of(number);
  out.type = number < kCommon ? "postgres" : kTypes[number % kTypes.size()];
  out.host = fmt::format("db-{}.internal.example.com", number);
  out.port = 5432;
  out.local_port = static_cast<std::uint16_t>(kFirstPort + number);
  if (out.type == "postgres") {
    out.username = "app";
    out.settings["database"] = fmt::format("app_{}", number % 50);
  }
  out.created = now;
  out.tags = {{"env", kEnvironments[number % kEnvironments.size()]}, {"team", fmt::format("team-{}", number % 40)}};
  if (number == 0) out.tags["watched"] = "yes";
  return out;
}

Result<> grant(store::Change& change, const std::string& role, const std::string& resource, WallTime now) {
  directory::Grant out;
  out.id = make_id("g");
  out.role = role;
  out.resource = resource;
  out.created = now;
  return change.put(std::move(out));
}

Result<> join(store::Change& change, const std::string& account, const std::string& role, WallTime now) {
  directory::Membership out;
  out.id = make_id("m");
  out.account = account;
  out.role = role;
  out.created = now;
  return change.put(std::move(out));
}

Result<std::string> add_role(store::Change& change, std::string name, WallTime now) {
  directory::Role out;
  out.id = make_id("r");
  out.name = std::move(name);
  out.created = now;
  std::string id = out.id;
  PL_CHECK(change.put(std::move(out)));
  return id;
}

Result<> fill_in(store::Change& change, const std::string& hash, const Size& size) {
  const WallTime now = Clock::real().wall();
  PL_TRY(const auto everybody, add_role(change, "everybody", now));
  std::vector<std::string> roles;
  for (unsigned i = 1; i < size.roles; ++i) {
    PL_TRY(auto id, add_role(change, fmt::format("role-{:03}", i), now));
    roles.push_back(std::move(id));
  }
  for (unsigned i = 0; i < size.resources; ++i) {
    auto made = resource(i, now);
    const std::string id = made.id;
    PL_CHECK(change.put(std::move(made)));
    PL_CHECK(grant(change, i < kCommon ? everybody : roles[i % roles.size()], id, now));
  }
  for (unsigned i = 0; i < size.accounts; ++i) {
    directory::Account account;
    account.id = make_id("a");
    account.email = email_of(i);
    account.name = fmt::format("Person {}", i);
    account.password_hash = hash;
    account.created = now;
    const std::string id = account.id;
    PL_CHECK(change.put(std::move(account)));
    PL_CHECK(join(change, id, everybody, now));
    for (unsigned k = 0; k + 1 < kRolesOfAccount; ++k)
      PL_CHECK(join(change, id, roles[(i * 7 + k * 41) % roles.size()], now));
  }
  return {};
}

}  // namespace

std::string email_of(unsigned account) { return fmt::format("person-{:04}@example.com", account); }

std::string resource_of(unsigned resource) {
  return resource == 0 ? std::string(kChanging) : fmt::format("resource-{:05}", resource);
}

Result<> fill(const std::filesystem::path& data, const Secret& password, const Size& size) {
  PL_TRY(const auto hash, crypto::hash_password(password));
  PL_TRY(const auto store, store::DirectoryStore::open(data / "directory.db"));
  PL_CHECK(store->change("system", [&](store::Change& change) { return fill_in(change, hash, size); }));
  return {};
}

}  // namespace portolan::bench
