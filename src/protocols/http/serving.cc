#include "protocols/http/serving.h"

#include <algorithm>

#include <fmt/format.h>

#include "net/wait.h"
#include "protocols/http/pages.h"

namespace portolan::protocols::http {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kHeadTime = std::chrono::seconds(30);   // for a head, once it has begun
constexpr milliseconds kIdleTime = std::chrono::minutes(5);    // between requests
constexpr milliseconds kFlushTime = std::chrono::seconds(30);  // for the last of an answer to leave
constexpr std::size_t kDropLimit = 1024 * 1024;
constexpr milliseconds kTlsLimit = std::chrono::seconds(10);

constexpr std::string_view kClientGone = "client_gone";
constexpr std::string_view kIdle = "idle";

// Whether the client is there, and did not end it in good order.
bool wants_to_know(const Error& why) { return why.reason != kClientGone && why.reason != kIdle; }

// What people are refused by the resource's rules is no fault of the session.
bool is_ordinary(const Error& why) {
  return !wants_to_know(why) || why.reason == "method_refused" || why.reason == "read_only" ||
         why.reason == "path_refused" || why.reason == "path_ambiguous" || why.reason == "misdirected";
}

net::Task<Result<>> drop(net::Stream& stream) {
  std::size_t dropped = 0;
  while (dropped < kDropLimit) {
    CO_TRY(const net::Buffer buffer, co_await net::read(stream));
    if (buffer.empty()) break;
    dropped += buffer.size();
  }
  co_return Result<>{};
}

net::Task<Result<>> say(net::Stream& client, std::string_view last, milliseconds limit) {
  CO_CHECK(co_await net::write(client, as_bytes(last)));
  CO_CHECK(co_await net::finish(client, limit));
  // To close on bytes that nobody has read would send a reset, which can overtake the page.
  co_return co_await drop(client);
}

}  // namespace

Serving::Serving(Session& session, Options options, Names names, std::unique_ptr<net::Stream> client)
    : session_(session),
      options_(std::move(options)),
      names_(std::move(names)),
      client_(std::move(client)),
      input_(std::make_unique<Input>(*client_)),
      recorded_(options_, session.clock()),
      timer_(client_->executor()),
      uploads_(client_->executor()),
      work_(client_->executor()) {
  const Granted& granted = session_.granted();
  application_ =
      std::make_unique<Application>(Way{granted.name, options_, granted.settings, granted.tls_key,
                                        [&session](std::size_t address) { return session.dial(address); }, kTlsLimit});
}

net::Task<Result<>> Serving::run() {
  auto listener = session_.stop().listen([this](const Error& why) { cut(why); });
  if (!cut_) {
    work_.spawn("requests", requests());
    co_await work_.join();
  }
  listener.reset();
  timer_.cancel();
  uploads_.cancel();
  co_await uploads_.join();
  if (input_) input_->unwatch();
  if (switched_ && !cut_ && outcome_) {
    application_.reset();
    co_return co_await carry();
  }
  co_return co_await end();
}

net::Task<> Serving::requests() {
  Result<bool> more = true;
  while (more && *more) more = co_await one();
  if (!more) outcome_ = std::unexpected(std::move(more).error());
}

net::Task<Result<bool>> Serving::one() {
  phase_ = Phase::kIdle;
  CO_TRY(auto head, co_await read_head());
  if (!head) co_return false;
  asker_ = {std::string(head->fields.first("accept")), head->method == "HEAD", options_.rules.allowed()};
  auto request = prepare(std::move(*head));
  if (!request) co_return std::unexpected(std::move(request).error().at(Hop::kEgress));
  Injection injection;
  auto out = outgoing(*request, injection);
  if (!out) co_return std::unexpected(std::move(out).error().at(Hop::kEgress));
  auto answered = co_await ask(*request, *out);
  if (!answered) co_return std::unexpected(std::move(answered).error().at(Hop::kResource));
  co_return co_await answer(*request, injection, std::move(*answered));
}

net::Task<Result<std::optional<RequestHead>>> Serving::read_head() {
  HeadEnd end;
  allow(kIdleTime);
  while (true) {
    if (!input_->data().empty() && phase_ == Phase::kIdle) {
      phase_ = Phase::kAsked;
      asker_ = {};
      allow(kHeadTime);
    }
    auto length = end.find(input_->data());
    if (!length) co_return std::unexpected(std::move(length).error().at(Hop::kEgress));
    if (*length) {
      auto head = parse_request(input_->data().substr(0, **length));
      input_->consume(**length);
      if (!head) co_return std::unexpected(std::move(head).error().at(Hop::kEgress));
      co_return std::move(*head);
    }
    auto more = co_await input_->more();
    // A client may leave at any time; between requests that is how it ends.
    if (!more && phase_ == Phase::kIdle && more.error().code != Code::kCancelled) co_return std::nullopt;
    if (!more) {
      more.error().reason = kClientGone;
      co_return std::unexpected(std::move(more).error().at(Hop::kEgress));
    }
  }
}

// Nothing is under way any more. Says why it ended, if that can be said, and puts on record what has no outcome yet.
net::Task<Result<>> Serving::end() {
  std::optional<Error> why = cut_;
  if (!why && !outcome_) why = outcome_.error();
  connection_.reset();  // at once: what may no longer be done ends here
  application_.reset();
  if (!why) {
    co_await farewell({}, kFlushTime);
    co_return Result<>{};
  }
  why = std::move(*why).at(Hop::kEgress);
  const bool speaks = phase_ == Phase::kAsked && wants_to_know(*why);
  if (recorded_.open()) {
    if (speaks) recorded_.answered(status_of(*why));
    recorded_.failed(*why);
    auto kept = put_on_record(audit::Query::Stage::kOver);
    if (!kept && why->reason != kNotOnRecord) why = std::move(kept).error();
  }
  if (speaks) co_await farewell(refusal(*why, session_.trace(), asker_), kGoodbyeTime);
  if (!cut_ && is_ordinary(*why)) co_return Result<>{};
  if (cut_ && !wants_to_know(*why)) co_return Result<>{};
  co_return std::unexpected(std::move(*why));
}

net::Task<> Serving::farewell(std::string last, milliseconds limit) {
  [[maybe_unused]] const auto said = co_await net::with_timeout(say(*client_, last, limit), limit);
}

void Serving::cut(Error why) {
  if (cut_) return;
  cut_ = std::move(why);
  work_.cancel();
}

void Serving::allow(milliseconds limit) {
  limit_ = limit;
  progress();
  timer_.schedule(limit, [this] { on_time(); });
}

// The timer is not touched: when it rings too early, it is set for what remains.
void Serving::progress() { due_ = Clock::real().boot() + limit_; }

void Serving::on_time() {
  const auto left = std::chrono::ceil<milliseconds>(due_ - Clock::real().boot());
  if (left.count() > 0) return timer_.schedule(left, [this] { on_time(); });
  cut(too_late());
}

Error Serving::too_late() const {
  const std::string after = format_duration(limit_);
  if (phase_ == Phase::kIdle) return {Code::kTimeout, "no request for " + after, std::string(kIdle), Hop::kEgress};
  if (phase_ == Phase::kAnswering)
    return {Code::kTimeout, "nothing of the answer has moved for " + after, "answer_timeout", Hop::kResource};
  if (offering_)
    return {Code::kTimeout, "the application has taken nothing of the request for " + after, "answer_timeout",
            Hop::kResource};
  // Before there is a connection it is the application that keeps everybody waiting.
  if (!recorded_.open() || (!uploaded_ && connection_))
    return {Code::kTimeout, "nothing of the request has moved for " + after, "request_timeout", Hop::kEgress};
  return {Code::kTimeout, "the application has not answered within " + after, "answer_timeout", Hop::kResource};
}

}  // namespace portolan::protocols::http
