// What a browser, or who passes for one, sends to the web proxy: however it is cut, the same goes on; and what goes on
// is, to a reader of its own, requests for this one application and nothing else.
#include <cstdlib>

#include "client/web/browser.h"
#include "net/loop.h"
#include "net/memory_stream.h"

namespace portolan::client::web {
namespace {

constexpr std::string_view kName = "a.localhost";

Result<Destination> by_name(http::RequestHead& head) {
  if (head.authority == kName) return Destination{Destination::Kind::kApplication, "a", {}};
  if (head.authority == "localhost") return Destination{};
  return fail(Code::kDenied, "nobody");
}

// All that can be read of it now.
void drain(net::Stream& requests, std::string& out, bool& over) {
  while (!over) {
    const auto chunk = requests.try_read();
    over = !chunk || chunk->kind == net::Chunk::Kind::kEnd;
    if (over || chunk->kind == net::Chunk::Kind::kWait) return;
    if (chunk->buffer.empty()) std::abort();
    out += as_text(chunk->buffer.data());
  }
}

std::string passed_on(net::Executor executor, std::string_view text, std::size_t cut) {
  auto [person, theirs] = net::memory_pair(executor, 1024 * 1024);
  const auto browser = std::make_shared<Browser>(std::move(theirs), by_name, Browser::Connect::kAllowed);
  const auto requests = browser->requests("a");
  std::string out;
  bool over = false;
  while (!text.empty() && !over) {
    const std::string_view piece = text.substr(0, cut);
    text.remove_prefix(piece.size());
    if (person->try_write(as_bytes(piece)) != piece.size()) std::abort();
    drain(*requests, out, over);
  }
  return out;
}

// Up to what is not whole, or no HTTP any more.
void check(std::string_view text) {
  while (!text.empty()) {
    http::HeadEnd end;
    const auto length = end.find(text);
    // Printed anew it has a space more in each line.
    if (!length && length.error().code == Code::kLimit) return;
    if (!length || !*length) std::abort();
    const auto head = http::parse_request(text.substr(0, **length));
    if (!head || head->authority != kName) std::abort();
    text.remove_prefix(**length);
    if (head->fields.has("upgrade")) return;
    const auto framing = http::framing_of(*head);
    if (!framing) std::abort();
    http::BodyReader body(*framing);
    while (!body.done()) {
      if (text.empty()) return;
      const auto taken = body.take(text);
      if (!taken) std::abort();
      if (taken->used == 0) std::abort();
      text.remove_prefix(taken->used);
    }
  }
}

}  // namespace
}  // namespace portolan::client::web

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace portolan::client::web;
  if (size < 2) return 0;
  static portolan::net::Loop loop;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string whole = passed_on(loop.executor(), text, text.size());
  const std::string pieces = passed_on(loop.executor(), text, data[0] % 16 + 1);
  check(whole);
  check(pieces);
  // A fault behind what has gone already cannot be taken back.
  if (!pieces.starts_with(whole)) std::abort();
  return 0;
}
