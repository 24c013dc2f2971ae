// HTTP/1.1: one connection, one request after the other: what is pipelined waits in the Reader and is answered in its
// order. Whatever makes it doubtful where the next request begins ends the connection with its answer.
#include "net/http/server.h"

#include <algorithm>

#include "base/clock.h"
#include "base/log.h"
#include "net/http/codec.h"
#include "net/http/http2_connection.h"
#include "net/http/serving.h"
#include "net/http/sink.h"
#include "net/http/target.h"

namespace portolan::net::http {
namespace {

using std::chrono::milliseconds;

// How long what the client still sends is dropped after an answer that ends the connection.
constexpr milliseconds kLinger = std::chrono::seconds(1);

enum class Next {
  kRequest,  // the connection goes on
  kGoodbye,  // an answer said that it ends
  kEnd,      // the client has ended it, or stays silent
  kBroken,   // nothing more can be said
};

class ServedConnection {
 public:
  ServedConnection(std::unique_ptr<Stream> stream, Connection connection, const Router& router,
                   const ServerOptions& options)
      : stream_(std::move(stream)),
        reader_(*stream_),
        connection_(std::move(connection)),
        router_(router),
        options_(options) {}

  Task<> run() {
    Next next = Next::kRequest;
    while (next == Next::kRequest) next = co_await serve_one();
    if (next == Next::kBroken) co_return;
    const Result<> finished = co_await finish(*stream_, options_.write_timeout);
    if (finished && next == Next::kGoodbye) {
      const auto lingered = co_await with_timeout(drop_input(*stream_), kLinger);
      static_cast<void>(lingered);  // however it ends, the connection does
    }
  }

 private:
  struct Incoming {
    Request request;
    bool head_only = false;
    bool http_1_1 = true;
    Persist persist = Persist::kKeep;
    Asked asked = {};
  };

  Task<Next> serve_one() {
    const bool first = std::exchange(first_, false);
    const BootTime began = Clock::real().boot();
    if (reader_.empty()) {
      const auto arrived =
          co_await with_timeout(reader_.fill(1), first ? options_.header_timeout : options_.idle_timeout);
      if (!arrived) co_return Next::kEnd;
    }
    // The first request's time runs from the accept, so that silence before it buys none.
    const auto spent = first ? std::chrono::duration_cast<milliseconds>(Clock::real().boot() - began) : milliseconds(0);
    const auto parser = Parser::of_request(options_.limits);
    auto head = co_await with_timeout(read_head(reader_, *parser, options_.limits),
                                      std::max(options_.header_timeout - spent, milliseconds(1)));
    if (!head) co_return co_await refuse(std::move(head.error()));
    const Busy busy(options_.draining);
    auto incoming = check(std::move(*head));
    if (!incoming) co_return co_await refuse(std::move(incoming.error()));
    const Result<> fits = parser->limit_body(body_limit(options_, incoming->request, connection_));
    if (!fits) co_return co_await refuse(fits.error());
    const Result<> body = co_await receive_body(*parser, incoming->request);
    if (!body) co_return co_await refuse(body.error());
    co_return co_await dispatch(std::move(*incoming));
  }

  Result<Incoming> check(Head head) const {
    PL_TRY(Target target, parse_target(head.target));
    PL_CHECK(check_host(head, target.authority));
    Incoming in;
    in.head_only = head.method == "HEAD";
    in.http_1_1 = head.http_1_1;
    // HTTP/1.0 would need an extension to go on; who speaks it rarely asks for it.
    const bool stopping = options_.draining && options_.draining->stop.stopped();
    in.persist = head.keep_alive && head.http_1_1 && !stopping ? Persist::kKeep : Persist::kClose;
    in.request = {std::move(head.method), std::move(target.path), std::move(target.query), std::move(head.headers), {}};
    in.request.target = std::move(target.origin);
    return in;
  }

  Result<> check_host(const Head& head, std::string_view authority) const {
    const auto field = head.headers.find("host");
    if (field == head.headers.end() && head.http_1_1) return fail(Code::kInvalid, "no host header", "bad_host");
    std::string host;
    if (field != head.headers.end()) {
      PL_TRY(host, host_name(field->second));
      if (!authority.empty()) {
        PL_TRY(const std::string of_target, host_name(authority));
        if (of_target != host) return fail(Code::kInvalid, "host header and request target differ", "bad_host");
      }
    }
    return check_host_served(host, connection_, options_);
  }

  Task<Result<>> receive_body(Parser& parser, Request& request) {
    if (parser.done()) co_return Result<>{};
    CO_TRY(const bool waits, expects_continue(request));
    if (waits && reader_.empty()) {
      CO_CHECK(co_await write_within(*stream_, "HTTP/1.1 100 Continue\r\n\r\n", options_.write_timeout));
    }
    while (!parser.done()) {
      const std::size_t enough = request.body.size() + body_step(options_);
      CO_CHECK(co_await with_timeout(read_body(reader_, parser, request.body, enough), options_.body_timeout));
    }
    co_return Result<>{};
  }

  // Answers what could not be read, or read safely, and ends the connection.
  Task<Next> refuse(Error error) {
    const bool left = error.code == Code::kEof || error.code == Code::kIo || error.code == Code::kCancelled;
    if (left) co_return Next::kEnd;
    log::debug("refused a request", {{"peer", connection_.peer}, {"error", error}});
    Incoming none;
    none.persist = Persist::kClose;
    co_return co_await answer(none, refusal(error, options_.hop));
  }

  Task<Next> dispatch(Incoming incoming) {
    auto match = router_.match(incoming.request.method, incoming.request.path);
    if (match.stream_handler)
      co_return co_await stream(std::move(incoming), *match.stream_handler, std::move(match.arguments));
    if (!match.handler) co_return co_await answer(incoming, not_routed(incoming.request, match.allowed, options_.hop));
    incoming.asked = {incoming.request.method, incoming.request.path};
    Call call{std::move(incoming.request), std::move(match.arguments), &connection_};
    auto outcome = co_await run_handler(*match.handler, std::move(call));
    if (!outcome.answer) {
      complain(incoming.asked, connection_, outcome.exception);
      outcome.answer = nothing_to_tell(options_.hop);
    }
    co_return co_await answer(incoming, std::move(*outcome.answer));
  }

  Task<Next> answer(const Incoming& incoming, Response response) {
    const bool asked = response.header("connection") == "close";
    const Persist persist = asked ? Persist::kClose : incoming.persist;
    auto text = encode_head(response, Framing::kLength, persist);
    if (!text) {
      complain(incoming.asked, connection_, text.error().message);
      response = nothing_to_tell(options_.hop);
      text = encode_head(response, Framing::kLength, persist);
    }
    if (!incoming.head_only && may_have_body(response.status)) *text += response.body;
    const Result<> sent = co_await write_within(*stream_, *text, options_.write_timeout);
    if (!sent) co_return Next::kBroken;
    co_return persist == Persist::kKeep ? Next::kRequest : Next::kGoodbye;
  }

  Task<Next> stream(Incoming incoming, const StreamHandler& handler, std::vector<std::string> arguments) {
    using Mode = StreamSink::Mode;
    const Mode mode = incoming.head_only ? Mode::kHeadOnly : incoming.http_1_1 ? Mode::kChunked : Mode::kUntilClose;
    StreamSink sink(*stream_, reader_, options_, mode, incoming.persist);
    incoming.asked = {incoming.request.method, incoming.request.path};
    Call call{std::move(incoming.request), std::move(arguments), &connection_};
    const auto outcome = co_await run_handler(handler, std::move(call), sink);
    if (!outcome.answer) complain(incoming.asked, connection_, outcome.exception);
    if (sink.broken()) co_return Next::kBroken;
    if (!sink.begun()) {
      const bool refused = outcome.answer && !*outcome.answer;
      if (outcome.answer && !refused) complain(incoming.asked, connection_, "the handler sent no answer");
      co_return co_await answer(incoming, refused ? problem(outcome.answer->error()) : nothing_to_tell(options_.hop));
    }
    // Without the last chunk the client knows that this is not all.
    const bool complete = outcome.answer && (*outcome.answer || mode == Mode::kHeadOnly);
    if (!complete) co_return Next::kBroken;
    const Result<> ended = co_await sink.end();
    if (!ended) co_return Next::kBroken;
    co_return incoming.persist == Persist::kKeep ? Next::kRequest : Next::kGoodbye;
  }

  std::unique_ptr<Stream> stream_;
  Reader reader_;
  Connection connection_;
  const Router& router_;
  const ServerOptions& options_;
  bool first_ = true;
};

}  // namespace

Task<> serve_connection(std::unique_ptr<Stream> stream, Connection connection, const Router& router,
                        const ServerOptions& options) {
  if (connection.alpn == "h2") {
    Http2Connection served(std::move(stream), std::move(connection), router, options);
    co_await served.run();
    co_return;
  }
  ServedConnection served(std::move(stream), std::move(connection), router, options);
  co_await served.run();
}

}  // namespace portolan::net::http
