// WebSocket frames and links, from any bytes: it must not matter how they are cut.
#include <algorithm>
#include <cstdlib>
#include <string>

#include "protocols/http/links.h"
#include "protocols/http/rewrite.h"
#include "protocols/http/rules.h"
#include "protocols/http/websocket.h"

namespace portolan::protocols::http {
namespace {

void compare_frames(std::string_view text, std::size_t cut, FrameCounter::From from) {
  FrameCounter whole(from), pieces(from);
  const bool one = whole.feed(as_bytes(text)).has_value();
  bool other = true;
  for (std::size_t at = 0; at < text.size() && other; at += cut)
    other = pieces.feed(as_bytes(text.substr(at, cut))).has_value();
  if (one != other || (one && (whole.messages() != pieces.messages() || whole.at_boundary() != pieces.at_boundary())))
    std::abort();
}

void compare_links(std::string_view text, std::size_t cut) {
  const std::vector<LinkReplacer::Pair> pairs = {{"https://a.b", "http://c.localhost:1"},
                                                 {"https://a.b:8", "http://d.localhost"}};
  LinkReplacer replacer(pairs);
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += cut) replacer.feed(text.substr(at, cut), out);
  replacer.end(out);
  if (out != replace_links(text, pairs)) std::abort();
}

}  // namespace
}  // namespace portolan::protocols::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace portolan::protocols::http;
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t cut = data[0] % 16 + 1;
  compare_frames(text, cut, FrameCounter::From::kClient);
  compare_frames(text, cut, FrameCounter::From::kServer);
  compare_links(text, cut);
  // A path that is plain has nothing in it that separates or goes up.
  if (const auto path = plain_path(text); path && path->find("/../") != std::string::npos) std::abort();
  static_cast<void>(real_cookies(text));
  static_cast<void>(parse_authority(text));
  static_cast<void>(matches(text.substr(0, 20), text));
  return 0;
}
