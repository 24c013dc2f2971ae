#include "net/http/websocket.h"

#include <array>

#include "base/id.h"
#include "crypto/sha1.h"
#include "net/http/codec.h"
#include "net/http/sink.h"
#include "net/http/target.h"
#include "net/http/websocket_stream.h"

namespace portolan::net::http {
namespace {

using std::chrono::milliseconds;
using StreamResult = Result<std::unique_ptr<Stream>>;

constexpr Limits kHeadLimits{.header_bytes = 16 * 1024, .header_count = 64, .body_bytes = 0};
constexpr std::size_t kKeyBytes = 16;
constexpr milliseconds kGoodbye{500};

// RFC 6455 §4.2.2.
std::string accept_of(std::string_view key) {
  return base64(crypto::sha1(as_bytes(std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")));
}

std::string_view field(const Head& head, std::string_view name) {
  const auto found = head.headers.find(name);
  return found == head.headers.end() ? std::string_view() : std::string_view(found->second);
}

// Whether a comma-separated list has this word, in any case (RFC 9110 §5.6.1).
bool lists(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const auto end = std::min(list.find(','), list.size());
    auto each = list.substr(0, end);
    list.remove_prefix(std::min(end + 1, list.size()));
    while (each.starts_with(' ') || each.starts_with('\t')) each.remove_prefix(1);
    while (each.ends_with(' ') || each.ends_with('\t')) each.remove_suffix(1);
    if (lower_case(each) == word) return true;
  }
  return false;
}

bool upgrades(const Head& head) {
  return head.http_1_1 && lists(field(head, "upgrade"), "websocket") && lists(field(head, "connection"), "upgrade");
}

// What came behind the head is the first of the frames.
std::unique_ptr<Stream> after_head(Reader& reader, std::unique_ptr<Stream> below, WebSocketRole role) {
  Bytes rest = reader.take_rest();
  return std::make_unique<WebSocketStream>(prepend(std::move(rest), std::move(below)), role);
}

Result<> check_answer(const Head& head, std::string_view key) {
  if (head.status != 101)
    return fail(Code::kUnavailable, "it answers HTTP " + std::to_string(head.status) + ", not with a websocket",
                "no_websocket");
  if (!upgrades(head) || field(head, "sec-websocket-accept") != accept_of(key))
    return fail(Code::kProtocol, "its answer is that of no websocket, or of another request");
  if (!field(head, "sec-websocket-extensions").empty() || !field(head, "sec-websocket-protocol").empty())
    return fail(Code::kProtocol, "it wants an extension or a protocol that was not offered");
  return {};
}

Task<StreamResult> ask(std::unique_ptr<Stream> below, std::string host, std::string path) {
  std::array<std::byte, kKeyBytes> random{};
  fill_random(random);
  const std::string key = base64(random);
  CO_CHECK(check_field("host", host));
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: " + host +
                              "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: " +
                              key + "\r\n\r\n";
  CO_CHECK(co_await write(*below, as_bytes(request)));
  Reader reader(*below);
  const auto parser = Parser::of_response(kHeadLimits, Parser::Body::kNone);
  CO_TRY(const Head head, co_await read_head(reader, *parser, kHeadLimits));
  CO_CHECK(check_answer(head, key));
  co_return after_head(reader, std::move(below), WebSocketRole::kClient);
}

// What a request is answered with instead, and why.
struct Refused {
  int status = 404;
  std::string why;
};

std::optional<Refused> look_at(const Head& head, const Parser& parser, std::string_view path) {
  const auto target = parse_target(head.target);
  if (!target) return Refused{400, target.error().message};
  if (field(head, "host").empty() || !host_name(field(head, "host"))) return Refused{400, "no good host header"};
  if (head.method != "GET" || target->path != path || !target->query.empty() || !upgrades(head) ||
      !field(head, "origin").empty())
    return Refused{404, "not the upgrade of a link"};
  if (!parser.done()) return Refused{400, "an upgrade with a body"};
  if (field(head, "sec-websocket-version") != "13") return Refused{426, "another version of websocket"};
  const auto key = from_base64(field(head, "sec-websocket-key"));
  if (!key || key->size() != kKeyBytes) return Refused{400, "no good key"};
  return std::nullopt;
}

Task<> turn_away(Stream& stream, int status) {
  Response answer{status, {}, {}};
  if (status == 426) answer.headers = {{"sec-websocket-version", "13"}, {"upgrade", "websocket"}};
  const auto text = encode_head(answer, Framing::kLength, Persist::kClose);
  if (!text) co_return;
  const auto sent = co_await write_within(stream, *text, kGoodbye);
  if (!sent) co_return;
  const auto finished = co_await finish(stream, kGoodbye);
  if (!finished) co_return;
  [[maybe_unused]] const auto read = co_await with_timeout(drop_input(stream), kGoodbye);
}

Task<StreamResult> answer(std::unique_ptr<Stream> below, std::string path) {
  Reader reader(*below);
  const auto parser = Parser::of_request(kHeadLimits);
  const auto head = co_await read_head(reader, *parser, kHeadLimits);
  if (!head) {
    const bool can_be_told = head.error().code == Code::kProtocol || head.error().code == Code::kLimit;
    if (can_be_told) co_await turn_away(*below, refusal_status(head.error()));
    co_return std::unexpected(head.error());
  }
  if (const auto refused = look_at(*head, *parser, path)) {
    co_await turn_away(*below, refused->status);
    co_return fail(Code::kNotFound, refused->why);
  }
  const std::string text =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: " +
      accept_of(field(*head, "sec-websocket-key")) + "\r\n\r\n";
  CO_CHECK(co_await write(*below, as_bytes(text)));
  co_return after_head(reader, std::move(below), WebSocketRole::kServer);
}

}  // namespace

Task<StreamResult> connect_websocket(std::unique_ptr<Stream> below, std::string host, std::string path,
                                     milliseconds limit) {
  const std::string what = "websocket at " + host;
  auto made = co_await with_timeout(ask(std::move(below), std::move(host), std::move(path)), limit);
  if (!made) co_return std::unexpected(std::move(made).error().within(what));
  co_return made;
}

Task<StreamResult> accept_websocket(std::unique_ptr<Stream> below, std::string path, milliseconds limit) {
  auto made = co_await with_timeout(answer(std::move(below), std::move(path)), limit);
  co_return made;
}

}  // namespace portolan::net::http
