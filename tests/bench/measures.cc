#include "measures.h"

#include <fmt/format.h>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "api/assertion.h"
#include "base/id.h"
#include "fill.h"
#include "net/event.h"

namespace portolan::bench {
namespace {

// Time runs from when it was due, not from when this loop came to it: else a stall, of whichever side, would be counted
// once and not for each request that it has kept waiting.
net::Task<> ask_lease(api::ControlClient& client, api::LeaseRequest request, Moment due, Samples& samples) {
  const auto lease = co_await client.post<api::Lease>("/v1/leases", std::move(request));
  if (lease) {
    samples.add_since(due);
  } else {
    samples.failed(lease.error());
  }
}

std::vector<api::LeaseRequest> signed_requests(const std::vector<Person>& people,
                                               const std::vector<std::string>& resources, const std::string& node,
                                               std::size_t count) {
  const Bytes binding(32);
  std::vector<api::LeaseRequest> out;
  for (std::size_t i = 0; i < count; ++i) {
    const Person& person = people[i % people.size()];
    const auto assertion = api::make_assertion(person.signed_in.account, person.signed_in.device,
                                               resources[i % resources.size()], node, binding, Clock::real().wall());
    out.push_back({api::sign_assertion(assertion, person.key), make_token(12)});
  }
  return out;
}

// One reader of a watch: notes when the line comes that bears the name that is awaited.
struct Watcher {
  std::string_view awaited;  // in quotes; empty: nothing
  Moment came;
  bool listening = false;
  Error ended;
};

struct Watchers {
  std::vector<std::unique_ptr<Watcher>> each;
  std::size_t waiting = 0;
  net::Event* news = nullptr;
};

net::Task<> follow(api::ControlClient& client, std::string path, std::map<std::string, std::string> query,
                   Watchers& all, Watcher& watcher) {
  const auto ended = co_await client.watch(std::move(path), std::move(query), [&](std::string_view line) -> Result<> {
    watcher.listening = true;
    if (!watcher.awaited.empty() && line.find(watcher.awaited) != std::string_view::npos) {
      watcher.came = moment();
      watcher.awaited = {};
      if (--all.waiting == 0) all.news->set();
    }
    return {};
  });
  if (!ended) watcher.ended = ended.error();
}

net::Task<Result<>> until_listening(const Watchers& all) {
  const Moment limit = moment() + std::chrono::seconds(60);
  for (const auto& watcher : all.each) {
    while (!watcher->listening) {
      if (!watcher->ended.message.empty()) co_return std::unexpected(watcher->ended);
      if (moment() > limit) co_return fail(Code::kTimeout, "a watch has sent nothing in 60s");
      CO_CHECK(co_await net::sleep_for(std::chrono::milliseconds(20)));
    }
  }
  co_return Result<>{};
}

void note(const Watchers& all, Moment began, Samples& samples) {
  for (const auto& watcher : all.each) {
    if (watcher->awaited.empty()) {
      samples.add(began, watcher->came);
    } else {
      samples.failed(watcher->ended.message.empty() ? Error{Code::kTimeout, "the change has not come"}
                                                    : watcher->ended);
    }
  }
}

net::Task<Result<Moment>> rename_and_wait(api::ControlClient& admin, std::string& name, unsigned round,
                                          const std::string& marker, Watchers& agents, Watchers& lists) {
  net::Event news(co_await net::this_executor());
  for (Watchers* some : {&agents, &lists}) {
    some->waiting = some->each.size();
    some->news = &news;
    for (auto& watcher : some->each) watcher->awaited = marker;
  }
  api::ResourceUpdate update;
  update.name = fmt::format("{}-{}", kChanging, round);
  const Moment began = moment();
  CO_CHECK(co_await admin.patch<api::ResourceView>("/v1/resources/" + name, update));
  name = *update.name;
  const Moment limit = began + std::chrono::seconds(20);
  while (agents.waiting + lists.waiting > 0 && moment() < limit) {
    const auto woken = co_await news.wait(std::chrono::milliseconds(100));
    if (!woken && woken.error().code == Code::kCancelled) co_return std::unexpected(woken.error());
  }
  co_return began;
}

net::Task<Result<Watched>> rename_again_and_again(api::ControlClient& admin, Watchers& agents, Watchers& lists,
                                                  unsigned rounds) {
  Watched out;
  CO_CHECK(co_await until_listening(agents));
  CO_CHECK(co_await until_listening(lists));
  std::string name = kChanging;
  for (unsigned round = 0; round < rounds; ++round) {
    const std::string marker = fmt::format("\"{}-{}\"", kChanging, round);
    CO_TRY(const Moment began, co_await rename_and_wait(admin, name, round, marker, agents, lists));
    note(agents, began, out.agents);
    note(lists, began, out.lists);
    CO_CHECK(co_await net::sleep_for(std::chrono::milliseconds(200)));
  }
  api::ResourceUpdate back;
  back.name = kChanging;
  CO_CHECK(co_await admin.patch<api::ResourceView>("/v1/resources/" + name, back));
  co_return out;
}

}  // namespace

net::Task<Result<Samples>> measure_leases(const std::vector<Person>& people, const std::vector<std::string>& resources,
                                          const std::string& node, const Clients& clients, LeaseLoad load) {
  Samples samples;
  const net::Executor executor = co_await net::this_executor();
  net::TaskGroup tasks(executor);
  // Of Asio, for once: net/'s timers count whole milliseconds, which would be in every sample.
  boost::asio::steady_timer timer(executor);
  const auto count = static_cast<std::size_t>(load.rate) * static_cast<std::size_t>(load.time.count());
  auto requests = signed_requests(people, resources, node, count);
  const Moment begin = moment();
  for (std::size_t i = 0; i < count; ++i) {
    const Moment due = begin + std::chrono::microseconds(i * 1'000'000 / load.rate);
    timer.expires_at(due);
    co_await timer.async_wait(boost::asio::use_awaitable);
    tasks.spawn("lease", ask_lease(*clients[i % clients.size()], std::move(requests[i]), due, samples));
  }
  co_await tasks.join();
  co_return samples;
}

net::Task<Result<Samples>> measure_list(api::ControlClient& admin, std::map<std::string, std::string> query,
                                        unsigned times) {
  Samples samples;
  for (unsigned i = 0; i < times; ++i) {
    const Moment began = moment();
    const auto page = co_await admin.call("GET", "/v1/resources", query, "");
    if (page) {
      samples.add_since(began);
    } else {
      samples.failed(page.error());
    }
  }
  co_return samples;
}

net::Task<Result<Watched>> measure_watches(api::ControlClient& admin, const Clients& agents, const Clients& lists,
                                           unsigned rounds) {
  Watchers by_agents;
  Watchers by_lists;
  net::TaskGroup tasks(co_await net::this_executor());
  for (const auto& client : agents) {
    Watcher& watcher = *by_agents.each.emplace_back(std::make_unique<Watcher>());
    tasks.spawn("agent", follow(*client, "/v1/agent", {{"watch", "1"}}, by_agents, watcher));
  }
  for (const auto& client : lists) {
    Watcher& watcher = *by_lists.each.emplace_back(std::make_unique<Watcher>());
    tasks.spawn("list",
                follow(*client, "/v1/resources", {{"watch", "1"}, {"filter", "tags.watched=yes"}}, by_lists, watcher));
  }
  auto out = co_await rename_again_and_again(admin, by_agents, by_lists, rounds);
  tasks.cancel();
  co_await tasks.join();
  co_return out;
}

SignInStorm::SignInStorm(net::Executor executor, const Control& control, unsigned count)
    : control_(control), tasks_(std::move(executor)) {
  for (unsigned i = 0; i < count; ++i) tasks_.spawn("sign-in", attack(i));
}

net::Task<> SignInStorm::attack(unsigned number) {
  const auto client = anonymous(control_);
  if (!client) co_return;
  const std::string key = crypto::PrivateKey::generate().public_key().pem();
  for (unsigned i = 0; !stopping_; ++i) {
    api::SignInRequest request;
    request.email = fmt::format("nobody-{}-{}@example.com", number, i);
    request.password = Secret("not this one");
    request.public_key = key;
    request.device_name = "bench";
    const auto answer = co_await (*client)->post<api::SignedIn>("/v1/sign-ins", std::move(request));
    if (!answer && answer.error().code == Code::kCancelled) co_return;
    const std::string what = answer ? "signed in" : answer.error().reason;
    ++answers_[what.empty() ? answer.error().message : what];
    if (what == "wrong_password") continue;
    // Turned away: who comes again at once would measure only that.
    const auto slept = co_await net::sleep_for(std::chrono::milliseconds(20));
    if (!slept) co_return;
  }
}

net::Task<> SignInStorm::stop() {
  stopping_ = true;
  tasks_.cancel();
  co_await tasks_.join();
}

}  // namespace portolan::bench
