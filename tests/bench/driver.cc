// portolan_bench fill DATA ACCOUNTS RESOURCES ROLES          fills the folder of a control plane that does not run
// portolan_bench measure HOST:PORT CA_SHA256 ADMIN quick|all   puts loads on one that runs; a line of JSON for each
// figure
//
// The password of everybody is in the environment, BENCH_PASSWORD. Started by tests/bench/run, which knows the limits.
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <fmt/format.h>

#include "base/json.h"
#include "fill.h"
#include "measures.h"
#include "net/loop.h"

namespace portolan::bench {
namespace {

struct Plan {
  unsigned people;
  unsigned lease_seconds;
  unsigned pages;
  unsigned rounds;
};
constexpr Plan kAll{.people = 200, .lease_seconds = 30, .pages = 300, .rounds = 30};
constexpr Plan kQuick{.people = 200, .lease_seconds = 8, .pages = 100, .rounds = 8};
constexpr unsigned kLeaseClients = 8;
constexpr unsigned kSignIns = 64;
constexpr std::chrono::seconds kWarmUp = std::chrono::seconds(2);

struct Given {
  net::Endpoint control;
  std::string ca_sha256;
  std::string admin;
  Secret password;
  Plan plan;
};

void say(const std::string& what) { std::fprintf(stderr, "bench: %s\n", what.c_str()); }

struct People {
  std::vector<Person> signed_in;
  std::optional<Error> failed;
};

net::Task<> sign_in_some(const Control& control, unsigned first, unsigned step, unsigned end, Secret password,
                         People& people) {
  for (unsigned i = first; i < end && !people.failed; i += step) {
    auto person = co_await sign_in(control, email_of(i), password);
    if (person) {
      people.signed_in.push_back(std::move(*person));
    } else {
      people.failed = std::move(person).error();
    }
  }
}

net::Task<Result<std::vector<Person>>> sign_in_all(const Control& control, unsigned count, Secret password) {
  constexpr unsigned kAtOnce = 4;
  People people;
  net::TaskGroup tasks(co_await net::this_executor());
  for (unsigned i = 0; i < kAtOnce; ++i)
    tasks.spawn("sign-in", sign_in_some(control, i, kAtOnce, count, password, people));
  co_await tasks.join();
  if (people.failed) co_return std::unexpected(std::move(*people.failed));
  co_return std::move(people.signed_in);
}

// The ids of resources that everybody may use, each with a password to unseal.
net::Task<Result<std::vector<std::string>>> resources_to_lease(api::ControlClient& admin) {
  std::vector<std::string> out;
  for (unsigned i = 1; i < kCommon; ++i) {
    api::ResourceUpdate update;
    update.password = Secret("the password of a database");
    CO_TRY(const auto view, co_await admin.patch<api::ResourceView>("/v1/resources/" + resource_of(i), update));
    out.push_back(view.id);
  }
  co_return out;
}

template <class Who>
Result<Clients> clients_of(const Control& control, const std::vector<Who>& all) {
  Clients out;
  for (const auto& one : all) {
    PL_TRY(auto client, client_of(control, one));
    out.push_back(std::move(client));
  }
  return out;
}

net::Task<Result<>> measure_all_lists(api::ControlClient& admin, const Plan& plan) {
  const std::map<std::string, std::string> plain = {{"limit", "100"}};
  std::map<std::string, std::string> filtered = plain;
  filtered["filter"] = "type=postgres tags.env=prod host~internal";
  std::map<std::string, std::string> ordered = plain;
  ordered["order_by"] = "created desc";
  for (const auto& [name, query] : {std::pair("list", plain), {"list_filtered", filtered}, {"list_ordered", ordered}}) {
    CO_TRY(const auto samples, co_await measure_list(admin, query, plan.pages));
    samples.tell(name);
  }
  co_return Result<>{};
}

net::Task<Result<>> measure_all_leases(const Control& control, const std::vector<Person>& people,
                                       const std::vector<std::string>& resources, const Relay& relay,
                                       const Plan& plan) {
  CO_TRY(const auto nodes, clients_of(control, std::vector<Relay>(kLeaseClients, relay)));
  LeaseLoad load{.rate = 200, .time = kWarmUp};
  CO_CHECK(co_await measure_leases(people, resources, relay.id, nodes, load));
  load.time = std::chrono::seconds(plan.lease_seconds);
  say("leases");
  CO_TRY(const auto alone, co_await measure_leases(people, resources, relay.id, nodes, load));
  alone.tell("lease");
  say("leases while people sign in");
  SignInStorm storm(co_await net::this_executor(), control, kSignIns);
  const auto beside = co_await measure_leases(people, resources, relay.id, nodes, load);
  co_await storm.stop();
  if (!beside) co_return std::unexpected(beside.error());
  beside->tell("lease_beside_sign_ins");
  for (const auto& [answer, count] : storm.answers()) say(fmt::format("sign-ins beside: {} × {}", count, answer));
  co_return Result<>{};
}

net::Task<Result<>> measure(Given given) {
  CO_TRY(const auto control, co_await find_control(given.control, given.ca_sha256));
  CO_TRY(const auto root, co_await sign_in(control, given.admin, given.password));
  CO_TRY(const auto admin, client_of(control, root));
  CO_TRY(const auto relay, co_await join_relay(control, *admin, "bench-relay"));
  CO_TRY(const auto resources, co_await resources_to_lease(*admin));
  say(fmt::format("{} people sign in", given.plan.people));
  CO_TRY(const auto people, co_await sign_in_all(control, given.plan.people, given.password));
  say("lists");
  CO_CHECK(co_await measure_all_lists(*admin, given.plan));
  CO_CHECK(co_await measure_all_leases(control, people, resources, relay, given.plan));
  say("watches");
  // A connection of its own: the other one has been idle for long enough to be closed.
  CO_TRY(const auto renamer, client_of(control, root));
  CO_TRY(const auto agents, clients_of(control, people));
  CO_TRY(const auto nobody, clients_of(control, std::vector<Person>()));
  CO_TRY(const auto lists, clients_of(control, std::vector<Person>(given.plan.people, root)));
  CO_TRY(const auto by_agents, co_await measure_watches(*renamer, agents, nobody, given.plan.rounds));
  by_agents.agents.tell("watch_agents");
  CO_TRY(const auto by_lists, co_await measure_watches(*renamer, nobody, lists, given.plan.rounds));
  by_lists.lists.tell("watch_lists");
  co_return Result<>{};
}

net::Task<> measure_into(Given given, Result<>& out, net::Loop& loop) {
  out = co_await measure(std::move(given));
  loop.stop();
}

Result<> measure_on_a_loop(Given given) {
  Result<> out;
  net::Loop loop;
  net::TaskGroup tasks(loop.executor());
  tasks.spawn("measure", measure_into(std::move(given), out, loop));
  loop.run();
  return out;
}

Result<> run(const std::vector<std::string>& words) {
  const char* text = std::getenv("BENCH_PASSWORD");
  if (text == nullptr) return fail(Code::kInvalid, "BENCH_PASSWORD is not set");
  const Secret password{std::string(text)};
  if (words.size() == 5 && words[0] == "fill") {
    const auto number = [&](std::size_t i) {
      return static_cast<unsigned>(std::strtoul(words[i].c_str(), nullptr, 10));
    };
    return fill(words[1], password, {.resources = number(3), .accounts = number(2), .roles = number(4)});
  }
  if (words.size() == 5 && words[0] == "measure") {
    PL_TRY(auto endpoint, net::parse_endpoint(words[1], 443));
    return measure_on_a_loop({std::move(endpoint), words[2], words[3], password, words[4] == "quick" ? kQuick : kAll});
  }
  return fail(Code::kInvalid,
              "usage: portolan_bench fill DATA ACCOUNTS RESOURCES ROLES | measure HOST:PORT CA_SHA256 ADMIN quick|all");
}

}  // namespace
}  // namespace portolan::bench

int main(int argc, char** argv) {
  const auto done = portolan::bench::run({argv + 1, argv + argc});
  if (done) return 0;
  std::fprintf(stderr, "portolan_bench: %s\n", done.error().message.c_str());
  return 1;
}
