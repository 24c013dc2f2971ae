// A request on its way: what is checked of it, what goes to the application, and the upload of its body beside the wait
// for the answer.
#include <algorithm>
#include <array>

#include "base/words.h"
#include "protocols/http/hop.h"
#include "protocols/http/rewrite.h"
#include "protocols/http/serving.h"

namespace portolan::protocols::http {
namespace {

constexpr std::size_t kInterimLimit = 16;
constexpr std::size_t kClientLimit = 256;
constexpr std::size_t kFirstBody = 32 * 1024;  // that goes with the head
constexpr std::chrono::milliseconds kReachLimit = std::chrono::seconds(60);

// RFC 9110 §9.2.2, and those of WebDAV that only read.
constexpr std::array<std::string_view, 8> kRepeatable = {"GET",    "HEAD",     "OPTIONS", "PUT",
                                                         "DELETE", "PROPFIND", "REPORT",  "SEARCH"};

// As the checks of its health judge: not while the application refuses the resource's credential, or is out of order.
bool lets_in(int status, const Options& options) {
  return status < 500 && (options.auth == Auth::kNone || (status != 401 && status != 407));
}

}  // namespace

Result<Serving::Request> Serving::prepare(RequestHead head) {
  auto view = names_.view_of(head);
  recorded_.begin(head, names_.app_scheme(), view ? view->real_authority() : head.authority);
  if (!std::exchange(described_, true))
    session_.describe_client(plain_words(head.fields.first("user-agent"), kClientLimit), "");
  if (!view) return std::unexpected(std::move(view).error());
  Request request{.head = std::move(head), .framing = {}, .view = std::move(*view)};
  RequestHead& own = request.head;
  PL_TRY(request.framing, framing_of(own));
  PL_TRY(request.websocket, wants_websocket(own, request.framing));
  PL_TRY(request.expects_continue, expects_continue(own));
  PL_CHECK(options_.rules.check(own, request.websocket));
  request.wants_trailers = own.fields.has_token("te", "trailers");
  request.may_repeat = std::ranges::find(kRepeatable, own.method) != kRepeatable.end();
  body_.emplace(request.framing);
  uploaded_ = body_->done();
  return request;
}

Result<Outgoing> Serving::outgoing(const Request& request, Injection& injection) const {
  PL_TRY(injection, Injection::make(options_, session_.granted(), session_.identity_token()));
  Outgoing out{.head = request.head,
               .framing = request.framing,
               .websocket = request.websocket,
               .wants_trailers = request.wants_trailers,
               .scheme = names_.app_scheme()};
  Fields& fields = out.head.fields;
  PL_CHECK(drop_hop_by_hop(fields));
  fields.remove("expect");
  drop_forwarded(fields);
  options_.rules.drop_overrides(fields);
  to_real_names(fields, request.view);
  injection.apply(fields);
  // What is to be rewritten must be readable.
  const bool rewrites = options_.rewrite_html || options_.rewrite_json;
  if (rewrites && request.view.form() == View::Form::kLocal && !request.websocket)
    fields.set("Accept-Encoding", "identity");
  if (request.expects_continue) fields.add("Expect", "100-continue");
  out.head.authority = request.view.real_authority();
  return out;
}

net::Task<Result<ResponseHead>> Serving::ask(const Request& request, const Outgoing& out) {
  const Host& host = request.view.host();
  // The beginning of the body, as far as it is here.
  std::string first;
  while (!request.expects_continue && !body_->done() && first.size() < kFirstBody && !input_->data().empty()) {
    auto taken = body_->take(input_->data());
    if (!taken) co_return std::unexpected(std::move(taken).error().at(Hop::kEgress));
    if (taken->used == 0) break;
    first += taken->body;
    input_->consume(taken->used);
  }
  recorded_.sent(first);
  const bool whole = body_->done() && body_->trailers().empty();
  if (!request.websocket) connection_ = application_->take_kept(host);
  bool kept = connection_ != nullptr;
  while (true) {
    if (!connection_) {
      allow(kReachLimit);
      const auto purpose = request.websocket ? Application::For::kWebSocket : Application::For::kRequests;
      CO_TRY(connection_, co_await application_->connect(host, purpose));
    }
    allow(options_.answer_timeout);
    offering_ = true;
    auto sent = co_await connection_->send(out, first, whole);
    offering_ = false;
    if (sent && whole) uploaded_ = true;
    if (sent && !whole) uploads_.spawn("upload", upload());
    if (whole) watch_client();
    // What the application says before it breaks off is its answer.
    const bool heard = sent || sent.error().code == Code::kIo || sent.error().code == Code::kEof;
    Result<ResponseHead> head = std::unexpected(heard ? Error{} : sent.error());
    if (heard) head = co_await next_head(request);
    if (head && lets_in(head->status, options_)) session_.let_in();
    if (head) co_return head;
    const bool broke = head.error().code == Code::kEof || head.error().code == Code::kIo;
    const bool refused = head.error().reason == "refused_stream";
    // A connection that was kept may have ended as the request came; it is asked once more on a new one.
    const bool again = kept && whole && ((broke && request.may_repeat) || refused);
    if (!again) co_return head;
    kept = false;
    connection_.reset();
  }
}

// Up to the answer itself.
net::Task<Result<ResponseHead>> Serving::next_head(const Request& request) {
  // HTTP/2 has no such wait between us and the application.
  if (request.expects_continue && connection_->version() == "2") {
    CO_CHECK(co_await pass_interim(request, {.status = 100, .reason = "Continue"}));
  }
  for (std::size_t interim = 0; interim < kInterimLimit; ++interim) {
    CO_TRY(ResponseHead head, co_await connection_->head());
    progress();
    if (head.status >= 200) co_return head;
    if (head.status == 101) {
      if (!request.websocket)
        co_return fail(Code::kProtocol, "the application switches protocols unasked", "bad_message");
      co_return head;
    }
    CO_CHECK(co_await pass_interim(request, std::move(head)));
  }
  co_return fail(Code::kProtocol, "the application sends too many interim answers", "bad_message");
}

net::Task<Result<>> Serving::pass_interim(const Request& request, ResponseHead head) {
  // Under strict audit no byte of an answer goes before a record of it is kept.
  const bool strict = session_.audit_mode() == audit::Mode::kStrict;
  const bool wanted = head.status == 100 ? request.expects_continue && !uploaded_ : !strict;
  if (!wanted || request.head.version == Version::k10) co_return Result<>{};
  CO_CHECK(drop_hop_by_hop(head.fields));
  head.fields.remove("content-length");
  to_local_names(head.fields, request.view);
  const std::string text = print(head);
  co_return co_await net::write(*client_, as_bytes(text));
}

net::Task<> Serving::upload() {
  const auto sent = co_await send_rest();
  if (sent) {
    uploaded_ = true;
    progress();
    watch_client();
  }
}

// What the application does not take any more is not its answer: that may be on its way. What the client breaks ends it
// all.
net::Task<Result<>> Serving::send_rest() {
  bool more = false;
  while (!body_->done()) {
    if (input_->data().empty() || more) {
      auto come = co_await input_->more();
      if (!come && come.error().code == Code::kCancelled) co_return come;
      if (!come) {
        cut({Code::kEof, "the client has gone in the middle of its request", "client_gone", Hop::kEgress});
        co_return come;
      }
    }
    auto taken = body_->take(input_->data());
    if (!taken) {
      cut(Error(taken.error()).at(Hop::kEgress));
      co_return std::unexpected(std::move(taken).error());
    }
    more = taken->used == 0;
    if (!taken->body.empty()) {
      recorded_.sent(taken->body);
      offering_ = true;
      auto taken_over = co_await connection_->send_body(taken->body);
      offering_ = false;
      if (!taken_over) co_return taken_over;
    }
    input_->consume(taken->used);
    progress();
  }
  Fields trailers = body_->trailers();
  keep_harmless_trailers(trailers);
  options_.rules.drop_overrides(trailers);
  CO_TRY(const Injection injection, Injection::make(options_, session_.granted(), session_.identity_token()));
  trailers.remove_if([&](const Field& field) { return injection.is_reserved(field.name); });
  co_return co_await connection_->end_body(trailers);
}

void Serving::watch_client() {
  input_->watch([this] { cut({Code::kEof, "the client has gone away", "client_gone", Hop::kEgress}); });
}

}  // namespace portolan::protocols::http
