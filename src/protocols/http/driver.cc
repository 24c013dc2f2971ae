#include "protocols/http/driver.h"

#include <fmt/format.h>

#include "protocols/http/serving.h"

namespace portolan::protocols::http {
namespace {

net::Task<Result<RequestHead>> read_head(net::Stream& client) {
  Input input(client);
  HeadEnd end;
  while (true) {
    CO_TRY(const auto length, end.find(input.data()));
    if (length) co_return parse_request(input.data().substr(0, *length));
    CO_CHECK(co_await input.more());
  }
}

net::Task<Result<>> say(net::Stream& client, std::string last, std::chrono::milliseconds limit) {
  CO_CHECK(co_await net::write(client, as_bytes(last)));
  CO_CHECK(co_await net::finish(client, limit));
  // Until the client closes: a reset could overtake the page.
  for (int blocks = 0; blocks < 32; ++blocks) {
    CO_TRY(const net::Buffer buffer, co_await net::read(client));
    if (buffer.empty()) break;
  }
  co_return Result<>{};
}

// Settings that were taken when the resource was saved, and that this build understands no more, are told to the client
// too.
net::Task<> turn_away(std::unique_ptr<net::Stream> client, Error why, std::string trace,
                      std::chrono::milliseconds limit) {
  const auto head = co_await net::with_timeout(read_head(*client), limit);
  // Whoever is silent or gone reads no answer.
  if (!head && head.error().code != Code::kProtocol && head.error().code != Code::kLimit) co_return;
  Asker asker;
  if (head) asker = {std::string(head->fields.first("accept")), head->method == "HEAD", {}};
  [[maybe_unused]] const auto said = co_await net::with_timeout(say(*client, refusal(why, trace, asker), limit), limit);
}

class HttpDriver final : public Driver {
 public:
  explicit HttpDriver(Session& session) : session_(session) {}

  net::Task<Result<>> serve(std::unique_ptr<net::Stream> client) override {
    const auto serving = begin(client);
    if (!serving) co_return co_await give_up(std::move(client), serving.error());
    co_return co_await (*serving)->run();
  }

 private:
  // No coroutine: what it needs for a moment would be in the frame for as long as the session lasts. Takes the client
  // if it succeeds.
  Result<std::unique_ptr<Serving>> begin(std::unique_ptr<net::Stream>& client) {
    PL_TRY(Options options, parse_options(session_.granted().settings));
    PL_TRY(std::vector<Host> hosts, hosts_of_application(options, session_.granted().hosts));
    const std::string scheme(options.scheme());
    return std::make_unique<Serving>(session_, std::move(options),
                                     Names(session_.granted().name, scheme, std::move(hosts)), std::move(client));
  }
  net::Task<Result<>> give_up(std::unique_ptr<net::Stream> client, Error why) {
    why = std::move(why).at(Hop::kEgress);
    co_await turn_away(std::move(client), why, session_.trace(), kGoodbyeTime);
    co_return std::unexpected(std::move(why));
  }

  Session& session_;
};

// Knows whether the client has been given anything. Before that a page can say why; behind it nobody here knows where
// an answer ends.
class HttpOnlooker final : public Onlooker {
 public:
  void passed(ByteView bytes) override { begun_ = begun_ || !bytes.empty(); }
  net::Task<> say_why(net::Stream& client, Error why, std::string trace, std::chrono::milliseconds limit) override {
    if (begun_) co_return;
    const std::string page = refusal(why, trace, {.accept = "text/html"});
    [[maybe_unused]] const auto said = co_await net::with_timeout(net::write(client, as_bytes(page)), limit);
  }

 private:
  bool begun_ = false;
};

}  // namespace

std::unique_ptr<Driver> make(Session& session) { return std::make_unique<HttpDriver>(session); }

net::Task<> refuse(std::unique_ptr<net::Stream> client, Error why, std::string trace, std::chrono::milliseconds limit) {
  co_await turn_away(std::move(client), std::move(why), std::move(trace), limit);
}

Result<std::vector<WebHost>> web_hosts(const Settings& settings, const std::vector<net::Endpoint>& hosts) {
  PL_TRY(const Options options, parse_options(settings));
  PL_TRY(const std::vector<Host> found, hosts_of_application(options, hosts));
  std::vector<WebHost> out;
  for (const Host& host : found)
    out.push_back({host.label, fmt::format("{}://{}", options.scheme(), print(host.real, options.scheme()))});
  return out;
}

std::unique_ptr<Onlooker> look_on(ByteView) { return std::make_unique<HttpOnlooker>(); }

}  // namespace portolan::protocols::http
