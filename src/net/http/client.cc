#include "net/http/client.h"

#include <algorithm>
#include <array>
#include <limits>

#include <fmt/format.h>

#include "net/event.h"
#include "net/http/codec.h"
#include "net/http/lines.h"
#include "net/http/target.h"

namespace portolan::net::http {
namespace {

using std::chrono::milliseconds;

constexpr int kMostInterim = 8;

bool may_repeat(const Request& request) {
  constexpr std::array<std::string_view, 4> kMethods = {"GET", "HEAD", "PUT", "DELETE"};
  return std::ranges::find(kMethods, request.method) != kMethods.end() || !request.header("idempotency-key").empty();
}

bool is_closed(const Error& error) { return error.code == Code::kEof || error.code == Code::kIo; }

struct Began {
  std::unique_ptr<Parser> parser;
  Head head;
};

// The final head of the answer, after any interim ones (RFC 9110 §15.2).
Task<Result<Began>> read_answer_head(Reader& reader, Limits limits, Parser::Body body) {
  for (int interim = 0; interim < kMostInterim; ++interim) {
    Began began{Parser::of_response(limits, body), {}};
    CO_TRY(began.head, co_await read_head(reader, *began.parser, limits));
    if (began.head.status == 101) break;
    if (began.head.status >= 200) co_return began;
  }
  co_return fail(Code::kProtocol, "the server answers with interim responses that were not asked for");
}

// Without the query, which may hold what no log should.
std::string describe(const Request& request, std::string_view host) {
  return fmt::format("{} {} at {}", request.method, percent_encode(request.path, "/:@"), host);
}

Parser::Body body_of_answer(const Request& request) {
  return request.method == "HEAD" ? Parser::Body::kNone : Parser::Body::kAsFramed;
}

Task<Result<>> send(Stream& stream, const Request& request, std::string_view host, Persist persist) {
  CO_TRY(std::string text, encode_head(request, host, persist));
  text += request.body;
  co_return co_await write(stream, as_bytes(text));
}

}  // namespace

struct Client::Impl {
  Connect connect;
  std::string host;
  Limits limits;
  std::unique_ptr<Wire> kept = {};  // idle, between two requests
  bool busy = false;
  std::unique_ptr<Event> idle = {};  // set when a request has ended and another may begin

  // Whose request it is. Ends with its destruction, so also when the task is cancelled.
  class Turn {
   public:
    explicit Turn(Impl& impl) : impl_(impl) { impl_.busy = true; }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() {
      impl_.busy = false;
      impl_.idle->set();
    }

   private:
    Impl& impl_;
  };

  Task<Result<Response>> exchange(Request request, milliseconds limit) {
    if (!idle) {
      const Executor executor = co_await net::this_executor();
      idle = std::make_unique<Event>(executor);
    }
    while (busy) {
      CO_CHECK(co_await idle->wait(limit));
    }
    const Turn turn(*this);
    std::unique_ptr<Wire> wire = take_kept();
    if (wire) {
      auto answer = co_await round_trip(*wire, request);
      const bool repeat = !answer && !began && is_closed(answer.error()) && may_repeat(request);
      if (!repeat) co_return keep(std::move(wire), std::move(answer));
    }
    CO_TRY(auto stream, co_await connect());
    wire = std::make_unique<Wire>(std::move(stream));
    auto answer = co_await round_trip(*wire, request);
    co_return keep(std::move(wire), std::move(answer));
  }

  // The kept connection, if nothing speaks against it: on an idle one there is nothing to read, not even its end.
  std::unique_ptr<Wire> take_kept() {
    auto wire = std::move(kept);
    if (!wire) return nullptr;
    const auto found = wire->stream->try_read();
    if (!found || found->kind != Chunk::Kind::kWait) return nullptr;
    return wire;
  }

  struct Answer {
    Response response;
    bool reusable = false;
  };

  Task<Result<Answer>> round_trip(Wire& wire, const Request& request) {
    began = false;
    CO_CHECK(co_await send(*wire.stream, request, host, Persist::kKeep));
    CO_CHECK(co_await wire.reader.fill(1));
    began = true;
    CO_TRY(auto answer, co_await read_answer_head(wire.reader, limits, body_of_answer(request)));
    Answer out{{answer.head.status, std::move(answer.head.headers), {}}, false};
    CO_CHECK(co_await read_body(wire.reader, *answer.parser, out.response.body));
    out.reusable = answer.head.keep_alive && wire.reader.empty();
    co_return out;
  }

  Result<Response> keep(std::unique_ptr<Wire> wire, Result<Answer> answer) {
    if (!answer) return std::unexpected(std::move(answer).error());
    if (answer->reusable) kept = std::move(wire);
    return std::move(answer->response);
  }

  // On a connection of its own, with a body that may have any length.
  template <class Streamed, class Interface>
  Task<Result<std::unique_ptr<Interface>>> open(Request request) {
    CO_TRY(auto stream, co_await connect());
    auto wire = std::make_unique<Wire>(std::move(stream));
    CO_CHECK(co_await send(*wire->stream, request, host, Persist::kClose));
    Limits endless = limits;
    endless.body_bytes = std::numeric_limits<std::size_t>::max();
    CO_TRY(auto answer, co_await read_answer_head(wire->reader, endless, body_of_answer(request)));
    Response head{answer.head.status, std::move(answer.head.headers), {}};
    co_return std::make_unique<Streamed>(std::move(wire), std::move(answer.parser), std::move(head));
  }

  bool began = false;  // a byte of the current answer has arrived
};

Client::Client(Connect connect, std::string host, Limits limits)
    : impl_(std::make_unique<Impl>(Impl{.connect = std::move(connect), .host = std::move(host), .limits = limits})) {}
Client::~Client() = default;

Task<Result<Response>> Client::request(Request request, milliseconds limit) {
  const std::string what = describe(request, impl_->host);
  auto answer = co_await with_timeout(impl_->exchange(std::move(request), limit), limit);
  if (!answer) co_return std::unexpected(std::move(answer).error().within(what));
  co_return answer;
}

Task<Result<std::unique_ptr<Lines>>> Client::open(Request request, milliseconds limit) {
  const std::string what = describe(request, impl_->host);
  auto lines = co_await with_timeout(impl_->open<StreamedLines, Lines>(std::move(request)), limit);
  if (!lines) co_return std::unexpected(std::move(lines).error().within(what));
  co_return lines;
}

Task<Result<std::unique_ptr<Pieces>>> Client::open_pieces(Request request, milliseconds limit) {
  const std::string what = describe(request, impl_->host);
  auto pieces = co_await with_timeout(impl_->open<StreamedPieces, Pieces>(std::move(request)), limit);
  if (!pieces) co_return std::unexpected(std::move(pieces).error().within(what));
  co_return pieces;
}

}  // namespace portolan::net::http
