#include "tunnel/pipe_frames.h"

#include <algorithm>

#include "crypto/hash.h"

namespace portolan::tunnel {
namespace {

constexpr std::uint64_t kLastCount = std::uint64_t{1} << 62U;
constexpr std::string_view kDiallerSays = "portolan-pipe-attach";
constexpr std::string_view kAcceptorSays = "portolan-pipe-attached";

struct Lengths {
  PipeFrame type;
  std::size_t least, most;
};
constexpr std::array<Lengths, 9> kLengths = {{
    {PipeFrame::kData, 1, kLongestPipeData},
    {PipeFrame::kAck, 8, 8},
    {PipeFrame::kEnd, 8, 8},
    {PipeFrame::kPing, 8, 8},
    {PipeFrame::kPong, 8, 8},
    {PipeFrame::kGone, 0, 0},
    {PipeFrame::kAttach, kAttachSize, kAttachSize},
    {PipeFrame::kAttached, kAttachedSize, kAttachedSize},
    {PipeFrame::kRefused, 2, 2},
}};

void put_counts(ByteWriter& out, std::uint64_t epoch, std::uint64_t received, std::uint64_t written) {
  out.u64(epoch);
  out.u64(received);
  out.u64(written);
}

Result<> checked(std::uint64_t epoch, std::uint64_t received, std::uint64_t written) {
  if (epoch == 0 || std::max({epoch, received, written}) > kLastCount)
    return fail(Code::kProtocol, "a pipe's counts are out of range");
  return {};
}

}  // namespace

Result<PipeHead> decode_pipe_head(ByteView head) {
  ByteReader in(head);
  const std::uint8_t type = in.u8();
  const std::uint32_t length = (std::uint32_t{in.u8()} << 16U) | in.u16();
  const auto known = std::ranges::find(kLengths, static_cast<PipeFrame>(type), &Lengths::type);
  if (!in.at_end() || known == kLengths.end())
    return fail(Code::kProtocol, "a pipe's frame of the unknown type " + std::to_string(type));
  if (length < known->least || length > known->most)
    return fail(Code::kProtocol, "a pipe's frame of type " + std::to_string(type) + " with the impossible length " +
                                     std::to_string(length));
  return PipeHead{known->type, length};
}

std::array<std::byte, kPipeHead> encode_pipe_head(PipeFrame type, std::size_t length) {
  return {static_cast<std::byte>(type), static_cast<std::byte>(length >> 16U), static_cast<std::byte>(length >> 8U),
          static_cast<std::byte>(length)};
}

Bytes encode(const Attach& attach) {
  ByteWriter out;
  out.bytes(encode_pipe_head(PipeFrame::kAttach, kAttachSize));
  out.bytes(attach.id);
  put_counts(out, attach.epoch, attach.received, attach.written);
  out.bytes(attach.proof);
  return out.take();
}

Bytes encode(const Attached& attached) {
  ByteWriter out;
  out.bytes(encode_pipe_head(PipeFrame::kAttached, kAttachedSize));
  put_counts(out, attached.epoch, attached.received, attached.written);
  out.u32(attached.grace_ms);
  out.bytes(attached.proof);
  return out.take();
}

Bytes encode(AttachRefusal refusal) {
  ByteWriter out;
  out.bytes(encode_pipe_head(PipeFrame::kRefused, 2));
  out.u16(static_cast<std::uint16_t>(refusal));
  return out.take();
}

Result<Attach> decode_attach(ByteView body) {
  ByteReader in(body);
  Attach out;
  const ByteView id = in.take(out.id.size());
  out.epoch = in.u64();
  out.received = in.u64();
  out.written = in.u64();
  const ByteView proof = in.take(out.proof.size());
  if (!in.at_end()) return fail(Code::kProtocol, "an attach of another size");
  std::ranges::copy(id, out.id.begin());
  std::ranges::copy(proof, out.proof.begin());
  PL_CHECK(checked(out.epoch, out.received, out.written));
  return out;
}

Result<Attached> decode_attached(ByteView body) {
  ByteReader in(body);
  Attached out;
  out.epoch = in.u64();
  out.received = in.u64();
  out.written = in.u64();
  out.grace_ms = in.u32();
  const ByteView proof = in.take(out.proof.size());
  if (!in.at_end()) return fail(Code::kProtocol, "an answer to an attach of another size");
  std::ranges::copy(proof, out.proof.begin());
  PL_CHECK(checked(out.epoch, out.received, out.written));
  return out;
}

Result<AttachRefusal> decode_refused(ByteView body) {
  ByteReader in(body);
  const std::uint16_t code = in.u16();
  if (!in.at_end()) return fail(Code::kProtocol, "a refused attach of another size");
  return static_cast<AttachRefusal>(code);
}

std::array<std::byte, 32> prove(ByteView secret, ByteView binding, const Attach& attach) {
  ByteWriter said;
  said.zero_terminated(kDiallerSays);
  said.bytes(binding);
  said.bytes(attach.id);
  put_counts(said, attach.epoch, attach.received, attach.written);
  return crypto::hmac_sha256(secret, said.view());
}

std::array<std::byte, 32> prove(ByteView secret, ByteView binding, const PipeId& id, const Attached& attached) {
  ByteWriter said;
  said.zero_terminated(kAcceptorSays);
  said.bytes(binding);
  said.bytes(id);
  put_counts(said, attached.epoch, attached.received, attached.written);
  said.u32(attached.grace_ms);
  return crypto::hmac_sha256(secret, said.view());
}

}  // namespace portolan::tunnel
