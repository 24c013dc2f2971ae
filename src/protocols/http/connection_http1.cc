#include <optional>

#include "protocols/http/body.h"
#include "protocols/http/connection.h"
#include "protocols/http/input.h"

namespace portolan::protocols::http {
namespace {

class Http1Connection final : public Connection {
 public:
  explicit Http1Connection(std::unique_ptr<net::Stream> stream)
      : stream_(std::move(stream)), input_(std::make_unique<Input>(*stream_)) {}

  bool usable() override {
    if (!idle_) return false;
    input_->consume(std::exchange(pending_, 0));
    // Whatever comes unasked would be taken for the next answer.
    return !input_->stirred();
  }

  net::Task<Result<>> send(const Outgoing& request, std::string_view body, bool whole) override {
    idle_ = false;
    sent_ = false;
    keep_ = !request.websocket;
    body_.reset();
    hungry_ = false;
    fault_.reset();
    method_ = request.head.method;
    chunked_ = request.framing.kind == Framing::Kind::kChunked;
    std::string out = print(framed(request));
    if (chunked_ && !body.empty()) out += chunk_head(body.size());
    out += body;
    if (chunked_ && !body.empty()) out += "\r\n";
    const bool none = request.framing.kind == Framing::Kind::kNone;
    if (chunked_ && whole) out += last_chunk({});
    CO_CHECK(co_await net::write(*stream_, as_bytes(out)));
    if (none || whole) end_of_request();
    co_return Result<>{};
  }

  net::Task<Result<>> send_body(std::string_view piece) override {
    if (piece.empty()) co_return Result<>{};
    if (!chunked_) co_return co_await net::write(*stream_, as_bytes(piece));
    const std::string head = chunk_head(piece.size());
    CO_CHECK(co_await net::write(*stream_, as_bytes(head)));
    CO_CHECK(co_await net::write(*stream_, as_bytes(piece)));
    co_return co_await net::write(*stream_, as_bytes("\r\n"));
  }

  net::Task<Result<>> end_body(const Fields& trailers) override {
    if (chunked_) {
      const std::string last = last_chunk(trailers);
      CO_CHECK(co_await net::write(*stream_, as_bytes(last)));
    }
    end_of_request();
    co_return Result<>{};
  }

  net::Task<Result<ResponseHead>> head() override {
    HeadEnd end;
    while (true) {
      CO_TRY(const auto length, end.find(input_->data()));
      if (length) {
        auto head = parse_response(input_->data().substr(0, *length));
        input_->consume(*length);
        if (!head) co_return head;
        CO_TRY(framing_, framing_of(*head, method_));
        if (head->status >= 200) {
          body_.emplace(framing_);
          if (!keeps_alive(head->version, head->fields) || framing_.kind == Framing::Kind::kUntilClose) keep_ = false;
          look_ahead();
          settle();
        }
        co_return head;
      }
      CO_CHECK(co_await input_->more());
    }
  }

  Framing framing() const override { return framing_; }

  net::Task<Result<std::string_view>> body() override {
    input_->consume(std::exchange(pending_, 0));
    while (!body_->done()) {
      if (fault_) co_return std::unexpected(*fault_);
      const bool more = input_->data().empty() || hungry_;
      hungry_ = false;
      if (more) {
        auto come = co_await input_->more();
        if (!come && come.error().code == Code::kEof) {
          CO_CHECK(body_->end());
          break;
        }
        if (!come) co_return std::unexpected(std::move(come).error());
      }
      CO_TRY(const auto taken, body_->take(input_->data()));
      hungry_ = taken.used == 0;
      if (taken.body.empty()) {
        input_->consume(taken.used);
        continue;
      }
      pending_ = taken.used;
      look_ahead();
      settle();
      co_return taken.body;
    }
    settle();
    co_return std::string_view();
  }

  bool ready() const override { return body_->done() || fault_ || (!hungry_ && input_->data().size() > pending_); }
  bool ended() const override { return body_ && body_->done(); }
  const Fields& trailers() const override { return body_->trailers(); }

  std::unique_ptr<net::Stream> take_stream() override {
    Bytes rest = input_->take_rest();
    input_.reset();
    return net::prepend(std::move(rest), std::move(stream_));
  }
  std::string_view version() const override { return "1.1"; }

 private:
  // With the fields that say how long the body is, and what is for this hop.
  static RequestHead framed(const Outgoing& request) {
    RequestHead head = request.head;
    head.fields.remove("content-length");
    if (request.framing.kind == Framing::Kind::kLength)
      head.fields.add("Content-Length", std::to_string(request.framing.length));
    if (request.framing.kind == Framing::Kind::kChunked) head.fields.add("Transfer-Encoding", "chunked");
    if (request.websocket) {
      head.fields.add("Connection", "Upgrade");
      head.fields.add("Upgrade", "websocket");
    } else if (request.wants_trailers) {
      head.fields.add("Connection", "TE");
      head.fields.add("TE", "trailers");
    }
    return head;
  }

  // The piece that is given may be the last: what follows in the same read tells, as long as it is no body.
  void look_ahead() {
    while (!body_->done() && !body_->in_body() && pending_ < input_->data().size()) {
      const auto taken = body_->take(input_->data().substr(pending_));
      if (!taken) {
        fault_ = taken.error();
        return;
      }
      if (taken->used == 0) {
        hungry_ = true;
        return;
      }
      pending_ += taken->used;
    }
  }

  void end_of_request() {
    sent_ = true;
    settle();
  }
  void settle() { idle_ = sent_ && keep_ && body_ && body_->done(); }

  std::unique_ptr<net::Stream> stream_;
  std::unique_ptr<Input> input_;
  std::string method_;
  bool chunked_ = false;
  bool idle_ = true;
  bool sent_ = true;  // all of the request
  bool keep_ = true;  // the application keeps the connection open
  Framing framing_;
  std::optional<BodyReader> body_;
  std::size_t pending_ = 0;     // bytes of what was given last
  bool hungry_ = false;         // what is there is not enough to go on
  std::optional<Error> fault_;  // found behind what was given last
};

}  // namespace

std::unique_ptr<Connection> over_http1(std::unique_ptr<net::Stream> stream) {
  return std::make_unique<Http1Connection>(std::move(stream));
}

}  // namespace portolan::protocols::http
