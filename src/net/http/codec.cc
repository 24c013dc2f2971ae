#include "net/http/codec.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/http/serializer.hpp>
#include <boost/beast/http/status.hpp>

#include "base/clock.h"

namespace portolan::net::http {
namespace {

namespace beast = boost::beast;
using boost::system::error_code;

constexpr std::size_t kMostHeaderBytes = 60'000;   // Beast counts a field's length in 16 bits
constexpr std::size_t kMostChunkLine = 16 * 1024;  // a chunk's size with its extensions, or all trailers
constexpr std::array<std::string_view, 5> kSingular = {"host", "content-length", "transfer-encoding", "authorization",
                                                       "content-type"};
constexpr std::array<std::string_view, 5> kFraming = {"content-length", "transfer-encoding", "connection", "host",
                                                      "date"};

std::unexpected<Error> broken(std::string what) { return fail(Code::kProtocol, std::move(what), "bad_message"); }

std::size_t header_limit(const Limits& limits) { return std::min(limits.header_bytes, kMostHeaderBytes); }

// Appends to a string, and unlike Beast's own takes no memory for a length that is only announced.
struct AppendBody {
  using value_type = std::string;
  class reader {
   public:
    template <bool isRequest, class Fields>
    reader(beast::http::header<isRequest, Fields>&, value_type& body) : body_(body) {}
    void init(const boost::optional<std::uint64_t>&, error_code& error) { error = {}; }
    template <class Buffers>
    std::size_t put(const Buffers& buffers, error_code& error) {
      error = {};
      std::size_t size = 0;
      for (const auto buffer : beast::buffers_range_ref(buffers)) {
        body_.append(static_cast<const char*>(buffer.data()), buffer.size());
        size += buffer.size();
      }
      return size;
    }
    void finish(error_code& error) { error = {}; }

   private:
    value_type& body_;
  };
};

Error error_of(const error_code& error) {
  using E = beast::http::error;
  if (error == E::body_limit) return {Code::kLimit, "body is too large", "body_too_large", Hop::kUnknown};
  if (error == E::header_limit) return {Code::kLimit, "header is too large", "headers_too_large", Hop::kUnknown};
  if (error == E::bad_version) return {Code::kProtocol, "not HTTP/1.1", "unsupported_version", Hop::kUnknown};
  return {Code::kProtocol, "malformed message: " + error.message(), "bad_message", Hop::kUnknown};
}

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return beast::http::detail::is_token_char(c); });
}

bool is_field_value(std::string_view text) {
  return std::ranges::all_of(text, [](unsigned char c) { return (c >= 0x20 && c != 0x7f) || c == '\t'; });
}

// The rules of framing that go beyond Beast's (RFC 9112 §6.3).
Result<> check_framing(const Head& head) {
  const auto length = head.headers.find("content-length");
  const auto encoding = head.headers.find("transfer-encoding");
  const bool has_length = length != head.headers.end();
  const bool has_encoding = encoding != head.headers.end();
  if (has_length && has_encoding) return broken("both content-length and transfer-encoding");
  if (has_length && (length->second.empty() || length->second.find_first_not_of("0123456789") != std::string::npos))
    return broken("bad content-length " + quoted(length->second));
  if (!has_encoding) return {};
  if (!head.http_1_1) return broken("transfer-encoding in HTTP/1.0");
  if (lower_case(encoding->second) != "chunked")
    return fail(Code::kProtocol, "unsupported transfer-encoding " + quoted(encoding->second), "unsupported_encoding");
  return {};
}

template <class Fields>
Result<Headers> take_headers(const Fields& fields) {
  Headers headers;
  for (const auto& field : fields) {
    PL_CHECK(add_field(headers, lower_case({field.name_string().data(), field.name_string().size()}),
                       {field.value().data(), field.value().size()}));
  }
  return headers;
}

template <bool isRequest>
class BeastParser : public Parser {
 public:
  BeastParser(const Limits& limits, Body body) : limit_(limits.body_bytes) {
    parser_.header_limit(kMostHeaderBytes + 1);
    parser_.body_limit(boost::none);  // its limit is fixed before the head is known; ours is below
    parser_.skip(body == Body::kNone);
    parser_.on_chunk_header(on_chunk_);
  }

  Result<Head> head(std::string_view text) override {
    error_code error;
    const std::size_t used = parser_.put(boost::asio::buffer(text.data(), text.size()), error);
    if (error) return std::unexpected(error_of(error));
    if (used != text.size() || !parser_.is_header_done()) return broken("malformed head");
    Head head;
    const auto& message = parser_.get();
    head.http_1_1 = message.version() == 11;
    head.keep_alive = parser_.keep_alive();
    if constexpr (isRequest) {
      head.method = {message.method_string().data(), message.method_string().size()};
      head.target = {message.target().data(), message.target().size()};
    } else {
      head.status = static_cast<int>(message.result_int());
      if (head.status < 100 || head.status > 599) return broken("bad status");
    }
    PL_TRY(head.headers, take_headers(message));
    PL_CHECK(check_framing(head));
    if constexpr (!isRequest) PL_CHECK(limit_body(limit_));
    return head;
  }

  Result<> limit_body(std::size_t bytes) override {
    limit_ = bytes;
    const auto announced = parser_.is_done() ? boost::none : parser_.content_length();
    if (announced && *announced > limit_) return std::unexpected(error_of(beast::http::error::body_limit));
    return {};
  }

  Result<std::size_t> body(std::string_view data, std::string& into) override {
    // Beast 1.81 asserts that it sees five bytes of a last chunk at once. Between chunks no fewer are missing.
    if (parser_.chunked() && chunk_left_ == 0 && data.size() < 5) return 0;
    error_code error;
    const std::size_t used = parser_.put(boost::asio::buffer(data.data(), data.size()), error);
    if (error && error != beast::http::error::need_more) return std::unexpected(error_of(error));
    std::string& piece = parser_.get().body();
    // Framing may cost a few bytes for each byte of body, not a gigabyte for each.
    framing_ += used - piece.size();
    payload_ += piece.size();
    chunk_left_ -= std::min<std::uint64_t>(chunk_left_, piece.size());
    if (framing_ / 16 > payload_ + 4096) return broken("chunks are too small for their headers");
    if (used == 0 && data.size() > kMostChunkLine) return broken("chunk header is too long");
    if (payload_ > limit_) return std::unexpected(error_of(beast::http::error::body_limit));
    into += piece;
    piece.clear();
    return used;
  }

  Result<> end() override {
    error_code error;
    parser_.put_eof(error);
    if (error || !parser_.is_done()) return fail(Code::kIo, "the connection ended before the message did");
    return {};
  }

  bool done() const override { return parser_.is_done(); }

 private:
  beast::http::parser<isRequest, AppendBody> parser_;
  // Beast passes over a lone line feed in a quoted extension, which others take for the end of the line.
  std::function<void(std::uint64_t, beast::string_view, error_code&)> on_chunk_ =
      [this](std::uint64_t size, beast::string_view extension, error_code& error) {
        chunk_left_ = size;
        const std::uint64_t taken = payload_ + parser_.get().body().size();
        if (taken + size < size || taken + size > limit_) error = beast::http::error::body_limit;
        for (const unsigned char c : extension)
          if (c < 0x20 && c != '\t') error = beast::http::error::bad_chunk_extension;
      };
  std::uint64_t chunk_left_ = 0;
  std::uint64_t framing_ = 0;
  std::uint64_t payload_ = 0;
  std::uint64_t limit_;
};

template <class Message>
Result<> copy_headers(const Headers& headers, Message& message) {
  for (const auto& [name, value] : headers) {
    PL_CHECK(check_field(name, value));
    if (!is_framing(lower_case(name))) message.insert({name.data(), name.size()}, {value.data(), value.size()});
  }
  return {};
}

// Beast's serializer, asked for the header alone.
template <bool isRequest>
std::string print(beast::http::message<isRequest, beast::http::empty_body>& message) {
  beast::http::serializer<isRequest, beast::http::empty_body> serializer(message);
  serializer.split(true);
  std::string out;
  while (!serializer.is_header_done()) {
    error_code error;
    std::size_t size = 0;
    serializer.next(error, [&](error_code&, const auto& buffers) {
      for (const auto buffer : beast::buffers_range_ref(buffers)) {
        out.append(static_cast<const char*>(buffer.data()), buffer.size());
        size += buffer.size();
      }
    });
    serializer.consume(size);
  }
  return out;
}

}  // namespace

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

Result<> add_field(Headers& headers, std::string name, std::string_view value) {
  const auto [at, added] = headers.emplace(std::move(name), value);
  if (added) return {};
  if (std::ranges::find(kSingular, at->first) != kSingular.end())
    return broken("more than one " + at->first + " header");
  at->second += at->first == "cookie" ? "; " : ", ";
  at->second += value;
  return {};
}

Result<> check_field(std::string_view name, std::string_view value) {
  if (!is_token(name) || !is_field_value(value)) return fail(Code::kInvalid, "bad header " + quoted(name));
  if (name.size() + value.size() > kMostHeaderBytes)
    return fail(Code::kLimit, "header " + quoted(name) + " is too long");
  return {};
}

bool is_framing(std::string_view name) { return std::ranges::find(kFraming, name) != kFraming.end(); }

std::string http_date() {
  const auto now = std::chrono::floor<std::chrono::seconds>(Clock::real().wall());
  return fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(std::chrono::system_clock::to_time_t(now)));
}

Result<std::optional<std::size_t>> HeadScanner::scan(std::string_view data) {
  for (; seen_ < data.size(); ++seen_) {
    if (seen_ >= header_limit(limits_))
      return fail(Code::kLimit, fmt::format("header is longer than {} bytes", header_limit(limits_)),
                  "headers_too_large");
    const char c = data[seen_];
    const bool after_return = seen_ > 0 && data[seen_ - 1] == '\r';
    if ((c == '\n') != after_return) return broken("a line does not end with CR LF");
    if (c == '\0') return broken("zero byte in the header");
    if (seen_ == line_begin_ && lines_ > 0 && (c == ' ' || c == '\t')) return broken("folded header line");
    if (c != '\n') continue;
    if (seen_ - line_begin_ == 1) return ++seen_;
    if (++lines_ > limits_.header_count + 1)
      return fail(Code::kLimit, fmt::format("more than {} header lines", limits_.header_count), "headers_too_large");
    line_begin_ = seen_ + 1;
  }
  return std::nullopt;
}

std::unique_ptr<Parser> Parser::of_request(const Limits& limits) {
  return std::make_unique<BeastParser<true>>(limits, Body::kAsFramed);
}
std::unique_ptr<Parser> Parser::of_response(const Limits& limits, Body body) {
  return std::make_unique<BeastParser<false>>(limits, body);
}

Task<Result<Head>> read_head(Reader& reader, Parser& parser, const Limits& limits) {
  HeadScanner scanner(limits);
  while (true) {
    CO_TRY(const auto length, scanner.scan(as_text(reader.data())));
    if (length) {
      auto head = parser.head(as_text(reader.data()).substr(0, *length));
      reader.consume(*length);
      co_return head;
    }
    CO_CHECK(co_await reader.fill(reader.data().size() + 1));
  }
}

Task<Result<>> read_piece(Reader& reader, Parser& parser, std::string& into) {
  std::size_t needed = 1;
  while (!parser.done()) {
    const Result<> filled = co_await reader.fill(needed);
    if (!filled && filled.error().code == Code::kEof) co_return parser.end();
    if (!filled) co_return filled;
    CO_TRY(const std::size_t used, parser.body(as_text(reader.data()), into));
    reader.consume(used);
    if (used > 0) break;
    needed = reader.data().size() + 1;
  }
  co_return Result<>{};
}

Task<Result<>> read_body(Reader& reader, Parser& parser, std::string& into, std::size_t enough) {
  while (!parser.done() && into.size() < enough) {
    CO_CHECK(co_await read_piece(reader, parser, into));
  }
  co_return Result<>{};
}

int refusal_status(const Error& error) {
  if (error.code == Code::kTimeout) return 408;
  if (error.reason == "headers_too_large") return 431;
  if (error.reason == "body_too_large") return 413;
  if (error.reason == "unsupported_encoding") return 501;
  if (error.reason == "unsupported_version") return 505;
  return 400;
}

std::string_view reason_phrase(int status) {
  const auto phrase = beast::http::obsolete_reason(static_cast<beast::http::status>(status));
  return {phrase.data(), phrase.size()};
}

bool may_have_body(int status) { return status >= 200 && status != 204 && status != 304; }

Result<std::string> encode_head(const Response& response, Framing framing, Persist persist) {
  if (response.status < 200 || response.status > 599)
    return fail(Code::kInternal, "response without a proper status: " + std::to_string(response.status));
  beast::http::response<beast::http::empty_body> message;
  message.version(11);
  message.result(static_cast<unsigned>(response.status));
  PL_CHECK(copy_headers(response.headers, message));
  message.set(beast::http::field::date, http_date());
  if (persist == Persist::kClose) message.set(beast::http::field::connection, "close");
  if (may_have_body(response.status)) {
    if (framing == Framing::kChunked) message.set(beast::http::field::transfer_encoding, "chunked");
    if (framing == Framing::kLength)
      message.set(beast::http::field::content_length, std::to_string(response.body.size()));
  }
  return print(message);
}

Result<std::string> encode_head(const Request& request, std::string_view host, Persist persist) {
  if (!is_token(request.method)) return fail(Code::kInvalid, "bad method " + quoted(request.method));
  if (!request.path.starts_with('/')) return fail(Code::kInvalid, "bad path " + quoted(request.path));
  if (host.empty() || !is_field_value(host)) return fail(Code::kInvalid, "bad host " + quoted(host));
  beast::http::request<beast::http::empty_body> message;
  message.version(11);
  message.method_string({request.method.data(), request.method.size()});
  message.target(to_target(request));
  message.set(beast::http::field::host, {host.data(), host.size()});
  PL_CHECK(copy_headers(request.headers, message));
  if (persist == Persist::kClose) message.set(beast::http::field::connection, "close");
  const bool announces =
      !request.body.empty() || request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
  if (announces) message.set(beast::http::field::content_length, std::to_string(request.body.size()));
  return print(message);
}

std::string encode_chunk(std::string_view piece) { return fmt::format("{:x}\r\n{}\r\n", piece.size(), piece); }

}  // namespace portolan::net::http
