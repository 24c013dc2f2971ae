#include "client/web/browser.h"

#include <algorithm>

#include <fmt/format.h>

#include "protocols/http/hop.h"

namespace portolan::client::web {

// What a session reads and writes.
class Requests final : public net::Stream {
 public:
  Requests(std::shared_ptr<Browser> browser, std::string application)
      : browser_(std::move(browser)), application_(std::move(application)), readable_(browser_->stream_->executor()) {}
  ~Requests() override {
    browser_->stream_->cancel_readable();
    browser_->stream_->cancel_writable();
  }

  Result<net::Chunk> try_read() override { return browser_->try_read(application_); }
  void on_readable(Ready ready) override {
    if (browser_->starved_) return browser_->stream_->on_readable(std::move(ready));
    readable_.set(std::move(ready));
    readable_.fire();
  }
  void cancel_readable() override {
    readable_.cancel();
    browser_->stream_->cancel_readable();
  }

  Result<std::size_t> try_write(ByteView bytes) override {
    PL_TRY(const std::size_t written, browser_->stream_->try_write(bytes));
    browser_->written_ += written;
    return written;
  }
  // With a request in hand that is not for this application the connection goes on without it.
  Result<> shutdown_send() override {
    if (browser_->pending_) return {};
    browser_->sent_end_ = true;
    return browser_->stream_->shutdown_send();
  }
  std::size_t unsent() const override {
    return browser_->pending_ && !browser_->sent_end_ ? 0 : browser_->stream_->unsent();
  }
  void on_writable(Ready ready) override { browser_->stream_->on_writable(std::move(ready)); }
  void cancel_writable() override { browser_->stream_->cancel_writable(); }
  const net::Executor& executor() const override { return browser_->stream_->executor(); }
  std::string describe() const override { return browser_->stream_->describe(); }

 private:
  std::shared_ptr<Browser> browser_;
  std::string application_;
  net::ReadySlot readable_;
};

Result<http::Authority> parse_connect(std::string_view head) {
  const auto bad = [](std::string what) { return fail(Code::kProtocol, std::move(what), "bad_message"); };
  const std::size_t end = head.find("\r\n");
  std::string_view line = head.substr(0, end);
  line.remove_prefix(std::min(line.size(), line.find(' ') + 1));
  const std::size_t space = line.find(' ');
  if (end == std::string_view::npos || space == std::string_view::npos) return bad("malformed request line");
  const std::string_view version = line.substr(space + 1);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return bad("no HTTP version in the first line");
  auto authority = http::parse_authority(line.substr(0, space));
  if (!authority || !authority->port) return bad("CONNECT asks for no host and port");
  PL_TRY(const http::Fields fields, http::parse_fields(head.substr(end + 2)));
  // RFC 9110 §9.3.6: there is no body, and what claims to be one would be taken for what follows.
  if (fields.has("content-length") || fields.has("transfer-encoding")) return bad("CONNECT with a body");
  return std::move(*authority);
}

std::string print_onward(const http::RequestHead& head) {
  std::string out = head.method + " ";
  if (!head.scheme.empty()) out += head.scheme + "://" + head.authority;
  if (head.scheme.empty() || head.target != "*") out += head.target;
  out += head.version == http::Version::k10 ? " HTTP/1.0\r\nHost: " : " HTTP/1.1\r\nHost: ";
  out += head.authority;
  out += "\r\n";
  for (const http::Field& field : head.fields.all()) {
    out += field.name;
    out += ": ";
    out += field.value;
    out += "\r\n";
  }
  out += "\r\n";
  return out;
}

net::Task<Result<>> Browser::next() {
  while (!look_for_head()) {
    CO_CHECK(co_await input_->more());
  }
  heads_ = 0;
  written_ = 0;
  co_return Result<>{};
}

BrowserRequest Browser::take_pending() {
  BrowserRequest taken = std::move(*pending_);
  pending_.reset();
  return taken;
}

std::unique_ptr<net::Stream> Browser::requests(std::string application) {
  starved_ = false;
  return std::make_unique<Requests>(shared_from_this(), std::move(application));
}

std::unique_ptr<net::Stream> Browser::take_stream() {
  Bytes rest = input_->take_rest();
  input_.reset();
  return net::prepend(std::move(rest), std::move(stream_));
}

// Whether there is a request in hand.
bool Browser::look_for_head() {
  if (pending_) return true;
  const auto length = end_.find(input_->data());
  if (length && !*length) return false;
  pending_.emplace();
  if (!length) {
    pending_->destination = std::unexpected(Error(length.error()).at(Hop::kAgent));
    return true;
  }
  *pending_ = read(input_->data().substr(0, **length));
  input_->consume(**length);
  end_ = http::HeadEnd();
  return true;
}

BrowserRequest Browser::read(std::string_view text) {
  BrowserRequest out;
  const auto refused = [&](Error why) {
    out.destination = std::unexpected(std::move(why).at(Hop::kAgent));
    return std::move(out);
  };
  if (connect_ == Connect::kAllowed && text.starts_with("CONNECT ")) {
    auto to = parse_connect(text);
    if (!to) return refused(std::move(to).error());
    out.destination = Destination{Destination::Kind::kTunnel, {}, std::move(*to)};
    return out;
  }
  auto head = http::parse_request(text);
  if (!head) return refused(std::move(head).error());
  out.head = std::move(*head);
  const auto framing = http::framing_of(out.head);
  if (!framing) return refused(framing.error());
  out.framing = *framing;
  const auto upgrade = http::wants_websocket(out.head, out.framing);
  if (!upgrade) return refused(upgrade.error());
  out.upgrade = *upgrade;
  out.destination = judge_(out.head);
  if (!out.destination) return refused(std::move(out.destination).error());
  return out;
}

bool Browser::is_for(const std::string& application) const {
  return pending_->destination && pending_->destination->kind == Destination::Kind::kApplication &&
         pending_->destination->application == application;
}

void Browser::pass_on() {
  out_ = print_onward(pending_->head);
  out_begin_ = 0;
  body_.emplace(pending_->framing);
  state_ = pending_->upgrade ? State::kRaw : State::kBody;
  pending_.reset();
  ++heads_;
}

Result<net::Chunk> Browser::waiting_or_over(net::Chunk::Kind kind) {
  starved_ = kind == net::Chunk::Kind::kWait;
  return net::Chunk{kind};
}

Result<net::Chunk> Browser::try_read_raw() {
  if (!input_->data().empty()) return net::Chunk{net::Chunk::Kind::kData, input_->take(input_->data().size())};
  PL_TRY(net::Chunk chunk, stream_->try_read());
  starved_ = chunk.kind == net::Chunk::Kind::kWait;
  return chunk;
}

Result<> Browser::clear_body() {
  while (!body_->done() && cleared_ < input_->data().size()) {
    auto taken = body_->take(input_->data().substr(cleared_));
    if (!taken) {
      pending_.emplace();
      pending_->destination = std::unexpected(Error(taken.error()).at(Hop::kAgent));
      return std::unexpected(std::move(taken).error().at(Hop::kAgent));
    }
    if (taken->used == 0) break;
    cleared_ += taken->used;
  }
  return {};
}

Result<net::Chunk> Browser::try_read(const std::string& application) {
  starved_ = false;
  while (true) {
    if (out_begin_ < out_.size()) {
      net::Chunk chunk{
          net::Chunk::Kind::kData,
          net::Buffer::copy_of(
              as_bytes(out_).subspan(out_begin_).first(std::min(out_.size() - out_begin_, net::kBlockSize)))};
      out_begin_ += chunk.buffer.size();
      if (out_begin_ == out_.size()) {
        out_ = {};
        out_begin_ = 0;
      }
      return chunk;
    }
    if (state_ == State::kRaw) return try_read_raw();
    if (state_ == State::kBody) {
      if (cleared_ == 0) PL_CHECK(clear_body());
      if (cleared_ > 0) {
        net::Chunk chunk{net::Chunk::Kind::kData, input_->take(cleared_)};
        cleared_ -= chunk.buffer.size();
        return chunk;
      }
      if (body_->done()) {
        state_ = State::kHead;
        body_.reset();
        continue;
      }
    } else if (look_for_head()) {
      if (!is_for(application)) return net::Chunk{net::Chunk::Kind::kEnd};
      pass_on();
      continue;
    }
    PL_TRY(const net::Chunk::Kind come, input_->try_more());
    if (come != net::Chunk::Kind::kData) return waiting_or_over(come);
  }
}

}  // namespace portolan::client::web
