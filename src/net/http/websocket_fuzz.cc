// What a WebSocket's peer sends, to both roles: whatever the bytes, they end in payload, events or an error; it must
// not matter how they are cut; and no more payload comes out than bytes went in.
#include <array>
#include <cstdint>
#include <cstdlib>

#include "net/http/websocket_frames.h"

namespace portolan::net::http {
namespace {

struct Outcome {
  bool broken = false;
  Bytes payload = {};
  Bytes events = {};  // each with the control frame's bytes

  bool operator==(const Outcome&) const = default;
};

Outcome read_all(WebSocketRole role, ByteView in, std::size_t cut, std::size_t room) {
  FrameReader reader(role);
  Outcome out;
  Bytes into(room);
  while (!in.empty()) {
    const auto step = reader.take(in.first(std::min(cut, in.size())), into);
    if (!step) {
      out.broken = true;
      return out;
    }
    if (step->taken > in.size() || step->written > into.size()) std::abort();
    if (step->taken == 0) std::abort();
    in = in.subspan(step->taken);
    out.payload.insert(out.payload.end(), into.begin(), into.begin() + static_cast<std::ptrdiff_t>(step->written));
    if (step->event == FrameReader::Event::kNone) continue;
    if (reader.control().size() > kLongestControl) std::abort();
    out.events.push_back(static_cast<std::byte>(step->event));
    const bool has_body = step->event != FrameReader::Event::kEnd;
    if (has_body) out.events.insert(out.events.end(), reader.control().begin(), reader.control().end());
    if (step->event == FrameReader::Event::kClose) {
      if (!is_close_body(reader.control()) || close_text(reader.control()).empty()) std::abort();
      return out;
    }
  }
  return out;
}

void compare(WebSocketRole role, ByteView in, std::size_t cut) {
  const Outcome whole = read_all(role, in, in.size(), in.size() + 1);
  const Outcome pieces = read_all(role, in, cut, cut % 7 + 1);
  if (whole.payload.size() > in.size()) std::abort();
  if (whole.broken != pieces.broken) std::abort();
  if (!whole.broken && whole != pieces) std::abort();
}

}  // namespace
}  // namespace portolan::net::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace portolan;
  using namespace portolan::net::http;
  if (size < 2) return 0;
  const ByteView bytes = std::as_bytes(std::span(data, size));
  const std::size_t cut = data[0] % 16U + 1;
  compare(WebSocketRole::kServer, bytes.subspan(1), cut);
  compare(WebSocketRole::kClient, bytes.subspan(1), cut);
  return 0;
}
