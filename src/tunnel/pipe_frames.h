// What stands on an inner link that bears a pipe (docs/wire-pipe.md): the frames of the pipe, and the attach handshake
// before them. Fixed sizes, checked before anything is done with them; pure.
#pragma once
#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace portolan::tunnel {

enum class PipeFrame : std::uint8_t {
  kData = 1,       // bytes
  kAck = 2,        // u64: received so far
  kEnd = 3,        // u64: so many bytes there were; counts as one more
  kPing = 4,       // 8 bytes, to be sent back
  kPong = 5,       // the 8 bytes of a ping
  kGone = 6,       // nothing: the sender has no use for the pipe any more
  kAttach = 16,    // Attach, from the dialler
  kAttached = 17,  // Attached, from the acceptor
  kRefused = 18,   // u16: AttachRefusal
};

inline constexpr std::size_t kPipeHead = 4;                   // u8 type, u24 length of what follows
inline constexpr std::size_t kLongestPipeData = 256 * 1024;   // of one DATA frame
inline constexpr std::size_t kLongestPipeControl = 8;         // of every other frame of a pipe that is attached
inline constexpr std::size_t kAttachSize = 16 + 3 * 8 + 32;   // behind the head
inline constexpr std::size_t kAttachedSize = 3 * 8 + 4 + 32;  // behind the head

using PipeId = std::array<std::byte, 16>;

// "I am the other end of this pipe, and have received so much." Counts are of the life of the pipe.
struct Attach {
  PipeId id{};
  std::uint64_t epoch = 0;     // 1 makes the pipe; each later attempt to resume it has a higher one
  std::uint64_t received = 0;  // by the dialler
  std::uint64_t written = 0;   // by the dialler, whether or not it has left
  std::array<std::byte, 32> proof{};
  bool operator==(const Attach&) const = default;
};

struct Attached {
  std::uint64_t epoch = 0;
  std::uint64_t received = 0;  // by the acceptor
  std::uint64_t written = 0;
  std::uint32_t grace_ms = 0;  // how long the acceptor keeps a pipe without a link
  std::array<std::byte, 32> proof{};
  bool operator==(const Attached&) const = default;
};

enum class AttachRefusal : std::uint16_t {
  kUnknown = 1,     // no such pipe of this account and device, or the proof is wrong
  kStale = 2,       // an epoch that is not higher than the last
  kImpossible = 3,  // counts that cannot be
  kLimit = 4,       // too many
};

struct PipeHead {
  PipeFrame type = PipeFrame::kData;
  std::uint32_t length = 0;
};

// Code::kProtocol if the type is not known, or the length not that of its type.
Result<PipeHead> decode_pipe_head(ByteView head);
std::array<std::byte, kPipeHead> encode_pipe_head(PipeFrame type, std::size_t length);

Bytes encode(const Attach& attach);
Bytes encode(const Attached& attached);
Bytes encode(AttachRefusal refusal);
// Of what follows the head, whose length has been checked. Code::kProtocol for counts that no pipe reaches.
Result<Attach> decode_attach(ByteView body);
Result<Attached> decode_attached(ByteView body);
Result<AttachRefusal> decode_refused(ByteView body);

// HMAC-SHA256 by the pipe's secret over the binding of the new link, the id and all that is said with it; which end
// says it is part of it. Field `proof` is not looked at.
std::array<std::byte, 32> prove(ByteView secret, ByteView binding, const Attach& attach);
std::array<std::byte, 32> prove(ByteView secret, ByteView binding, const PipeId& id, const Attached& attached);

}  // namespace portolan::tunnel
