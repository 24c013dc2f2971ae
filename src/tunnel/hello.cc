#include "tunnel/hello.h"

#include <algorithm>

#include <fmt/format.h>

namespace portolan::tunnel {
namespace {

constexpr std::string_view kMagic = "PTLN";
constexpr std::size_t kHead = 6;  // magic and length
constexpr std::size_t kSmallest = 14;
constexpr std::size_t kLargest = 256;
constexpr std::size_t kSoftware = 64;

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; });
}

// The length of the payload behind a head of kHead bytes.
Result<std::size_t> payload_length(ByteView head) {
  if (as_text(head.first(kMagic.size())) != kMagic)
    return fail(Code::kProtocol,
                "the peer does not speak Portolan: it began with " + quoted(as_text(head.first(kMagic.size()))));
  ByteReader reader(head.subspan(kMagic.size()));
  const std::size_t length = reader.u16();
  if (length < kSmallest || length > kLargest)
    return fail(Code::kProtocol, fmt::format("a hello of {} bytes; it has {} to {}", length, kSmallest, kLargest));
  return length;
}

net::Task<Result<Agreed>> exchange(net::Stream& stream, net::Reader& reader, Hello ours) {
  const Bytes words = encode(ours);
  CO_CHECK(co_await net::write(stream, words));
  CO_CHECK(co_await reader.fill(kHead));
  CO_TRY(const std::size_t length, payload_length(reader.data().first(kHead)));
  CO_CHECK(co_await reader.fill(kHead + length));
  CO_TRY(const Hello theirs, decode_hello(reader.data().first(kHead + length)));
  reader.consume(kHead + length);
  co_return agree(ours, theirs);
}

}  // namespace

Bytes encode(const Hello& hello) {
  ByteWriter payload;
  payload.u16(hello.oldest);
  payload.u16(hello.newest);
  payload.u64(hello.features);
  payload.text16(std::string_view(hello.software).substr(0, kSoftware));
  ByteWriter frame;
  frame.text(kMagic);
  frame.u16(static_cast<std::uint16_t>(payload.size()));
  frame.bytes(payload.view());
  return frame.take();
}

Result<Hello> decode_hello(ByteView frame) {
  if (frame.size() < kHead) return fail(Code::kProtocol, "a hello that is cut off");
  PL_TRY(const std::size_t length, payload_length(frame.first(kHead)));
  if (frame.size() != kHead + length) return fail(Code::kProtocol, "a hello that is not as long as it says");
  ByteReader reader(frame.subspan(kHead));
  Hello hello;
  hello.oldest = reader.u16();
  hello.newest = reader.u16();
  hello.features = reader.u64();
  const std::string_view software = reader.text16();
  if (!reader.ok() || software.size() > kSoftware || !is_printable(software))
    return fail(Code::kProtocol, "a hello whose software name cannot be read");
  if (hello.oldest == 0 || hello.oldest > hello.newest)
    return fail(Code::kProtocol, fmt::format("a hello with impossible versions {} to {}", hello.oldest, hello.newest));
  hello.software = software;
  return hello;
}

Result<Agreed> agree(const Hello& ours, const Hello& theirs) {
  const std::uint16_t version = std::min(ours.newest, theirs.newest);
  if (version < std::max(ours.oldest, theirs.oldest)) {
    return fail(Code::kProtocol,
                fmt::format("no common version: we speak {} to {}, the peer ({}) speaks {} to {}; update the older one",
                            ours.oldest, ours.newest, quoted(theirs.software), theirs.oldest, theirs.newest),
                "no_common_version");
  }
  return Agreed{version, ours.features & theirs.features, theirs.software};
}

net::Task<Result<Agreed>> exchange_hello(net::Stream& stream, net::Reader& reader, Hello ours,
                                         std::chrono::milliseconds limit) {
  auto agreed = co_await net::with_timeout(exchange(stream, reader, std::move(ours)), limit);
  if (!agreed) co_return std::unexpected(std::move(agreed).error().within("hello"));
  co_return agreed;
}

}  // namespace portolan::tunnel
