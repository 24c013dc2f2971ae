// The tasks that answer the requests of an HTTP/2 connection.
#include <utility>

#include "net/http/codec.h"
#include "net/http/http2_connection.h"
#include "net/http/http2_limits.h"

namespace portolan::net::http {
namespace {

std::unexpected<Error> gone() { return fail(Code::kEof, "the client has closed the stream"); }

class Http2Sink final : public Sink {
 public:
  Http2Sink(Http2Connection& connection, Http2Stream& stream) : connection_(connection), stream_(stream) {}

  Task<Result<>> begin(Response head) override {
    if (begun_) co_return fail(Code::kInternal, "answer begun twice");
    CO_TRY(const FieldList fields, encode_fields(head, std::nullopt));
    begun_ = true;
    bodiless_ = stream_.head_only || !may_have_body(head.status);
    using Body = Http2Connection::Body;
    if (!connection_.submit_head(stream_, fields, bodiless_ ? Body::kNone : Body::kFollows)) co_return gone();
    if (bodiless_ || head.body.empty()) co_return Result<>{};
    co_return co_await send(head.body);
  }

  Task<Result<>> send(std::string_view piece) override {
    if (!begun_) co_return fail(Code::kInternal, "piece of an answer that has not begun");
    if (bodiless_) co_return fail(Code::kEof, "the client asked for no body");
    if (piece.empty()) co_return Result<>{};
    co_return co_await connection_.put(stream_, piece, Http2Connection::End::kLater);
  }

  Task<Result<>> closed() override {
    while (!stream_.closed && !bodiless_) {
      const auto waited = co_await stream_.gone.wait(std::chrono::hours(1));
      if (!waited && waited.error().code == Code::kCancelled) co_return waited;
    }
    co_return gone();
  }

  bool begun() const { return begun_; }
  bool bodiless() const { return bodiless_; }

 private:
  Http2Connection& connection_;
  Http2Stream& stream_;
  bool begun_ = false;
  bool bodiless_ = false;  // nothing may follow the head
};

// Bytes of an answer while they wait for their reader.
class Held {
 public:
  Held(std::size_t& total, std::size_t bytes) : total_(total), bytes_(bytes) { total_ += bytes_; }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() { total_ -= bytes_; }

 private:
  std::size_t& total_;
  std::size_t bytes_;
};

// What nghttp2 may frame of a stream, for as long as those bytes live.
class Offer {
 public:
  Offer(Http2Stream& stream, std::string_view bytes) : stream_(stream) { stream_.offered = bytes; }
  Offer(const Offer&) = delete;
  Offer& operator=(const Offer&) = delete;
  ~Offer() { stream_.offered = {}; }

 private:
  Http2Stream& stream_;
};

}  // namespace

// From start() or refuse(), which counted the task, to its end.
class Http2Connection::Answering {
 public:
  Answering(Http2Connection& connection, Http2StreamPtr stream) : connection_(connection), stream_(std::move(stream)) {}
  Answering(const Answering&) = delete;
  Answering& operator=(const Answering&) = delete;
  ~Answering() {
    --connection_.running_;
    connection_.release(*stream_);
    connection_.wake();
  }

 private:
  Http2Connection& connection_;
  Http2StreamPtr stream_;
};

Task<> Http2Connection::answer(Http2StreamPtr s) {
  const Answering counted(*this, s);
  const Asked asked{s->request.method, s->request.path};
  auto match = router_.match(asked.method, asked.path);
  if (match.stream_handler) {
    co_await stream(*s, *match.stream_handler, std::move(match.arguments));
    co_return;
  }
  if (!match.handler) {
    co_await respond(*s, asked, not_routed(s->request, match.allowed, options_.hop));
    co_return;
  }
  Call call{std::move(s->request), std::move(match.arguments), &connection_};
  auto outcome = co_await run_handler(*match.handler, std::move(call));
  if (!outcome.answer) {
    complain(asked, connection_, outcome.exception);
    outcome.answer = nothing_to_tell(options_.hop);
  }
  co_await respond(*s, asked, std::move(*outcome.answer));
}

Task<> Http2Connection::answer_refused(Http2StreamPtr s, Response response) {
  const Answering counted(*this, s);
  co_await respond(*s, {}, std::move(response));
}

Task<> Http2Connection::respond(Http2Stream& s, const Asked& asked, Response response) {
  auto fields = encode_fields(response, response.body.size());
  if (!fields) {
    complain(asked, connection_, fields.error().message);
    response = nothing_to_tell(options_.hop);
    fields = encode_fields(response, response.body.size());
  }
  if (response.header("connection") == "close") drain();
  const bool bodiless = s.head_only || !may_have_body(response.status) || response.body.empty();
  if (!submit_head(s, *fields, bodiless ? Body::kNone : Body::kFollows) || bodiless) co_return;
  const Held held(answer_bytes_, response.body.size());
  const auto sent = co_await put(s, response.body, End::kHere);
  static_cast<void>(sent);  // a client that has gone is told nothing
}

Task<> Http2Connection::stream(Http2Stream& s, const StreamHandler& handler, std::vector<std::string> arguments) {
  const Asked asked{s.request.method, s.request.path};
  Http2Sink sink(*this, s);
  Call call{std::move(s.request), std::move(arguments), &connection_};
  const auto outcome = co_await run_handler(handler, std::move(call), sink);
  if (!outcome.answer) complain(asked, connection_, outcome.exception);
  if (!sink.begun()) {
    const bool refused = outcome.answer && !*outcome.answer;
    if (outcome.answer && !refused) complain(asked, connection_, "the handler sent no answer");
    co_await respond(s, asked, refused ? problem(outcome.answer->error()) : nothing_to_tell(options_.hop));
    co_return;
  }
  if (sink.bodiless()) co_return;
  if (!outcome.answer || !*outcome.answer) {  // so that the client knows that this is not all
    reset(s, NGHTTP2_INTERNAL_ERROR);
    co_return;
  }
  const auto ended = co_await put(s, {}, End::kHere);
  static_cast<void>(ended);
}

Task<Result<>> Http2Connection::put(Http2Stream& s, std::string_view bytes, End end) {
  do {
    const auto piece = bytes.substr(0, kBatch);
    bytes.remove_prefix(piece.size());
    CO_CHECK(co_await put_piece(s, piece, bytes.empty() ? end : End::kLater));
  } while (!bytes.empty());
  co_return Result<>{};
}

Task<Result<>> Http2Connection::put_piece(Http2Stream& s, std::string_view piece, End end) {
  if (s.closed) co_return gone();
  const Offer offer(s, piece);
  s.ends = end == End::kHere;
  nghttp2_session_resume_data(session_, s.id);
  wake();
  auto taken = co_await with_timeout(until_taken(s), options_.write_timeout);
  if (!taken && taken.error().code == Code::kTimeout) {
    taken.error().message = "the client does not read";
    reset(s, NGHTTP2_CANCEL);
  }
  co_return taken;
}

Task<Result<>> Http2Connection::until_taken(Http2Stream& s) {
  const auto all = [&s] { return s.ends ? s.end_framed : s.offered.empty(); };
  while (!all() && !s.closed) {
    const auto waited = co_await s.progressed.wait(std::chrono::hours(1));
    if (!waited && waited.error().code == Code::kCancelled) co_return waited;
  }
  if (!all()) co_return gone();
  co_return Result<>{};
}

}  // namespace portolan::net::http
