// HTTP/2 as the other connections are (RFC 9113 §8): heads become heads of HTTP/1.1, checked as strictly.
#include <algorithm>

#include "net/http/http2_client.h"
#include "protocols/http/connection.h"

namespace portolan::protocols::http {
namespace {

using net::http::FieldPairs;
using net::http::Http2Client;

std::unexpected<Error> bad(std::string what) { return fail(Code::kProtocol, std::move(what), "bad_message"); }

FieldPairs pairs_of(const Outgoing& request) {
  FieldPairs out = {{":method", request.head.method},
                    {":scheme", request.scheme},
                    {":authority", request.head.authority},
                    {":path", request.head.target}};
  for (const Field& field : request.head.fields.all()) {
    std::string name = lower_case(field.name);
    if (name == "content-length" || name == "host" || name == "expect") continue;
    out.emplace_back(std::move(name), field.value);
  }
  if (request.framing.kind == Framing::Kind::kLength)
    out.emplace_back("content-length", std::to_string(request.framing.length));
  if (request.wants_trailers) out.emplace_back("te", "trailers");
  return out;
}

// Fields without the pseudo-headers; what HTTP/1.1 could not bear is an error.
Result<Fields> fields_of(const FieldPairs& pairs, std::size_t skip) {
  Fields out;
  if (pairs.size() > kFieldsLimit + 1)
    return fail(Code::kLimit, "the application sends too many headers", "headers_too_large");
  for (std::size_t i = skip; i < pairs.size(); ++i) {
    const auto& [name, value] = pairs[i];
    if (!is_token(name) || !is_field_value(value) || value != trimmed(value))
      return bad("malformed header " + quoted(name) + " of the application");
    const std::string loose = loose_name(name);
    for (const std::string_view refused :
         {"connection", "transfer-encoding", "upgrade", "keep-alive", "proxy-connection"})
      if (loose == refused) return bad("header " + quoted(name) + " has no place in HTTP/2");
    out.add(name, value);
  }
  return out;
}

class Http2Connection final : public Connection {
 public:
  explicit Http2Connection(std::unique_ptr<net::Stream> stream) : client_(std::move(stream)) {}

  bool usable() override { return client_.usable(); }

  net::Task<Result<>> send(const Outgoing& request, std::string_view body, bool whole) override {
    method_ = request.head.method;
    trailers_ = {};
    framing_ = {};
    const bool none = request.framing.kind == Framing::Kind::kNone || (whole && body.empty());
    CO_CHECK(client_.request(pairs_of(request), none ? Http2Client::Body::kNone : Http2Client::Body::kFollows));
    if (none) co_return Result<>{};
    if (!body.empty()) {
      CO_CHECK(co_await client_.send(body));
    }
    if (whole) co_return co_await client_.end({});
    co_return Result<>{};
  }

  net::Task<Result<>> send_body(std::string_view piece) override {
    if (piece.empty()) co_return Result<>{};
    co_return co_await client_.send(piece);
  }

  net::Task<Result<>> end_body(const Fields& trailers) override {
    FieldPairs pairs;
    for (const Field& field : trailers.all()) pairs.emplace_back(lower_case(field.name), field.value);
    co_return co_await client_.end(std::move(pairs));
  }

  net::Task<Result<ResponseHead>> head() override {
    CO_TRY(const FieldPairs pairs, co_await client_.head());
    ResponseHead head;
    const std::string& status = pairs.front().second;
    const bool digits = status.size() == 3 && std::ranges::all_of(status, [](char c) { return c >= '0' && c <= '9'; });
    if (digits) head.status = (status[0] - '0') * 100 + (status[1] - '0') * 10 + (status[2] - '0');
    if (head.status < 100 || head.status > 599 || head.status == 101)
      co_return bad("bad status " + quoted(status) + " of the application");
    head.reason = reason_phrase(head.status);
    CO_TRY(head.fields, fields_of(pairs, 1));
    CO_TRY(framing_, framing_of(head, method_));
    // Frames say where it ends.
    if (framing_.kind == Framing::Kind::kUntilClose) framing_.kind = Framing::Kind::kChunked;
    co_return head;
  }

  Framing framing() const override { return framing_; }

  net::Task<Result<std::string_view>> body() override {
    CO_TRY(const std::string_view piece, co_await client_.body());
    if (piece.empty()) {
      CO_TRY(trailers_, fields_of(client_.trailers(), 0));
    }
    co_return piece;
  }

  bool ready() const override { return client_.ready(); }
  // Trailers come behind what is given last.
  bool ended() const override { return client_.ended() && client_.trailers().empty(); }
  const Fields& trailers() const override { return trailers_; }
  std::unique_ptr<net::Stream> take_stream() override { return nullptr; }
  std::string_view version() const override { return "2"; }

 private:
  Http2Client client_;
  std::string method_;
  Framing framing_;
  Fields trailers_;
};

}  // namespace

std::unique_ptr<Connection> over_http2(std::unique_ptr<net::Stream> stream) {
  return std::make_unique<Http2Connection>(std::move(stream));
}

}  // namespace portolan::protocols::http
