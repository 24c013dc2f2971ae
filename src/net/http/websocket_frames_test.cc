#include "net/http/websocket_frames.h"

#include <random>

#include <gtest/gtest.h>

namespace portolan::net::http {
namespace {

constexpr FrameMask kMask = {std::byte{0x37}, std::byte{0xfa}, std::byte{0x21}, std::byte{0x3d}};
using Role = WebSocketRole;

Bytes frame(FrameKind kind, std::string_view payload, bool masked, bool last = true) {
  const auto mask = masked ? std::optional(kMask) : std::nullopt;
  const auto head = encode_frame_head(kind, payload.size(), mask);
  Bytes out(head.view().begin(), head.view().end());
  if (!last) out[0] &= std::byte{0x7f};
  Bytes body(as_bytes(payload).begin(), as_bytes(payload).end());
  if (masked) apply_mask(body, kMask, 0);
  out.insert(out.end(), body.begin(), body.end());
  return out;
}

Bytes joined(std::initializer_list<Bytes> parts) {
  Bytes out;
  for (const Bytes& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

struct Read {
  std::string payload;
  std::vector<std::pair<FrameReader::Event, std::string>> events;
  bool operator==(const Read&) const = default;
};

// `pieces` says how many bytes are shown, and how much room there is, at each step.
Result<Read> read_all(Role role, ByteView in, const std::function<std::size_t()>& pieces) {
  FrameReader reader(role);
  Read out;
  while (!in.empty()) {
    Bytes into(pieces());
    PL_TRY(const auto step, reader.take(in.first(std::min(pieces(), in.size())), into));
    in = in.subspan(step.taken);
    out.payload += as_text(ByteView(into).first(step.written));
    if (step.event != FrameReader::Event::kNone)
      out.events.emplace_back(step.event, step.event == FrameReader::Event::kEnd ? "" : as_text(reader.control()));
  }
  return out;
}

Result<Read> read_whole(Role role, ByteView in) {
  return read_all(role, in, [] { return std::size_t{1} << 20U; });
}

Result<Read> read_hex(Role role, std::string_view text) { return read_whole(role, *from_hex(text)); }

// RFC 6455 §5.7.
TEST(WebSocketFrames, TheExamplesOfTheStandard) {
  EXPECT_EQ(hex(frame(FrameKind::kPong, "Hello", true)), "8a8537fa213d7f9f4d5158");
  EXPECT_EQ(hex(frame(FrameKind::kPing, "Hello", false)), "890548656c6c6f");
  EXPECT_EQ(hex(encode_frame_head(FrameKind::kBinary, 256, {}).view()), "827e0100");
  EXPECT_EQ(hex(encode_frame_head(FrameKind::kBinary, 65536, {}).view()), "827f0000000000010000");
  const auto ping = read_hex(Role::kClient, "890548656c6c6f");
  ASSERT_TRUE(ping);
  ASSERT_EQ(ping->events.size(), 1U);
  EXPECT_EQ(ping->events[0], std::pair(FrameReader::Event::kPing, std::string("Hello")));
  const auto masked = read_hex(Role::kServer, "828537fa213d7f9f4d5158");
  ASSERT_TRUE(masked);
  EXPECT_EQ(masked->payload, "Hello");
}

TEST(WebSocketFrames, FragmentsWithAPingAmongThem) {
  const auto in = joined({frame(FrameKind::kBinary, "ab", false, false), frame(FrameKind::kPing, "p", false),
                          frame(FrameKind::kContinuation, "", false, false),
                          frame(FrameKind::kContinuation, "cd", false), frame(FrameKind::kBinary, "e", false)});
  const auto read = read_whole(Role::kClient, in);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->payload, "abcde");
  EXPECT_EQ(read->events.size(), 1U);
}

TEST(WebSocketFrames, AMessageWithoutAByteIsTheEnd) {
  for (const auto& end : {frame(FrameKind::kBinary, "", false), joined({frame(FrameKind::kBinary, "", false, false),
                                                                        frame(FrameKind::kContinuation, "", false)})}) {
    const auto read = read_whole(Role::kClient, joined({frame(FrameKind::kBinary, "x", false), end}));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->payload, "x");
    ASSERT_EQ(read->events.size(), 1U);
    EXPECT_EQ(read->events[0].first, FrameReader::Event::kEnd);
    EXPECT_FALSE(read_whole(Role::kClient, joined({end, frame(FrameKind::kBinary, "y", false)})));
    EXPECT_FALSE(read_whole(Role::kClient, joined({end, frame(FrameKind::kBinary, "", false)})));
    EXPECT_TRUE(read_whole(Role::kClient, joined({end, frame(FrameKind::kPing, "y", false)})));
  }
}

TEST(WebSocketFrames, Breaches) {
  struct Case {
    const char* what;
    Role role;
    const char* bytes;
  };
  for (const Case& each : {
           Case{"an unmasked frame of a client", Role::kServer, "820141"},
           Case{"a masked frame of a server", Role::kClient, "828137fa213d76"},
           Case{"the first reserved bit", Role::kClient, "c20141"},
           Case{"the second reserved bit", Role::kClient, "a20141"},
           Case{"the third reserved bit", Role::kClient, "920141"},
           Case{"an unknown kind", Role::kClient, "830141"},
           Case{"an unknown kind of control frame", Role::kClient, "8b00"},
           Case{"a text message", Role::kClient, "810141"},
           Case{"a fragment of a text message", Role::kClient, "010141"},
           Case{"a continuation of nothing", Role::kClient, "800141"},
           Case{"a message within another", Role::kClient, "020141820141"},
           Case{"a ping in fragments", Role::kClient, "090141"},
           Case{"a close in fragments", Role::kClient, "0800"},
           Case{"a ping of 126 bytes", Role::kClient, "897e007e"},
           Case{"a ping with a long length", Role::kClient, "897f0000000000000001"},
           Case{"125 in two bytes", Role::kClient, "827e007d"},
           Case{"nothing in two bytes", Role::kClient, "827e0000"},
           Case{"65535 in eight bytes", Role::kClient, "827f000000000000ffff"},
           Case{"16 MiB and one", Role::kClient, "827f0000000001000001"},
           Case{"the top bit of a length", Role::kClient, "827f8000000000010000"},
           Case{"the longest of all", Role::kClient, "827fffffffffffffffff"},
           Case{"a close of one byte", Role::kClient, "880103"},
           Case{"a close with a code that is never sent", Role::kClient, "880203ed"},
           Case{"a close with a code below all", Role::kClient, "880203e7"},
           Case{"a close whose text is no UTF-8", Role::kClient, "880303e8ff"},
       }) {
    const auto read = read_hex(each.role, each.bytes);
    EXPECT_FALSE(read) << each.what;
    // Nothing more need come for it to be seen.
    const auto in = *from_hex(each.bytes);
    const auto by_bytes = read_all(each.role, in, [] { return std::size_t{1}; });
    EXPECT_FALSE(by_bytes) << each.what;
  }
  EXPECT_TRUE(read_hex(Role::kClient, "827f0000000001000000")) << "16 MiB";
  EXPECT_TRUE(read_hex(Role::kClient, "880503e9627965"));
  EXPECT_EQ(close_text(*from_hex("03e9627965")), "1001 (\"bye\")");
}

// Whatever the frames are, and however they are cut, what comes out is what went in.
TEST(WebSocketFrames, AnyCutsGiveTheSame) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 300; ++round) {
    const bool masked = round % 2 == 0;
    Bytes wire;
    std::string sent;
    std::size_t pings = 0;
    for (auto messages = random() % 8; messages > 0; --messages) {
      const auto fragments = random() % 4 + 1;
      for (std::uint64_t i = 0; i < fragments; ++i) {
        const std::size_t longest = random() % 10 == 0 ? 70'000 : 300;
        std::string payload(random() % longest + (i == 0 ? 1 : 0), '\0');
        for (char& c : payload) c = static_cast<char>(random());
        const auto part =
            frame(i == 0 ? FrameKind::kBinary : FrameKind::kContinuation, payload, masked, i + 1 == fragments);
        wire.insert(wire.end(), part.begin(), part.end());
        sent += payload;
        if (random() % 3 != 0) continue;
        const auto ping = frame(FrameKind::kPing, std::string(random() % 126, 'p'), masked);
        wire.insert(wire.end(), ping.begin(), ping.end());
        ++pings;
      }
    }
    const Role role = masked ? Role::kServer : Role::kClient;
    const auto whole = read_whole(role, wire);
    ASSERT_TRUE(whole) << whole.error().message;
    EXPECT_EQ(whole->payload, sent);
    EXPECT_EQ(whole->events.size(), pings);
    const std::size_t most = round % 3 == 0 ? 3 : 5000;
    const auto pieces = read_all(role, wire, [&] { return static_cast<std::size_t>(random() % most + 1); });
    ASSERT_TRUE(pieces) << pieces.error().message;
    EXPECT_TRUE(*pieces == *whole);
  }
}

}  // namespace
}  // namespace portolan::net::http
