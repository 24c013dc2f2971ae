#include "tunnel/pipe_end.h"

namespace portolan::tunnel {

Attach PipeEnd::propose(ByteView binding, BootTime now) {
  core.freeze(now);
  Attach attach{.id = id_, .epoch = ++epoch_, .received = core.received(), .written = core.written()};
  attach.proof = prove(secret_, binding, attach);
  return attach;
}

std::expected<void, AttachRefusal> PipeEnd::take(const Attach& attach, ByteView binding, BootTime now) {
  const auto expected = prove(secret_, binding, attach);
  if (attach.id != id_ || !equal_in_constant_time(expected, attach.proof))
    return std::unexpected(AttachRefusal::kUnknown);
  if (attach.epoch <= epoch_) return std::unexpected(AttachRefusal::kStale);
  if (!core.possible(attach.received, attach.written)) return std::unexpected(AttachRefusal::kImpossible);
  epoch_ = attach.epoch;
  core.freeze(now);
  Attached answer{.epoch = epoch_,
                  .received = core.received(),
                  .written = core.written(),
                  .grace_ms = static_cast<std::uint32_t>(grace_.count())};
  answer.proof = prove(secret_, binding, id_, answer);
  core.attach(attach.received, attach.written, encode(answer), now);
  return {};
}

Result<> PipeEnd::confirm(const Attached& attached, ByteView binding, BootTime now) {
  const auto expected = prove(secret_, binding, id_, attached);
  if (!equal_in_constant_time(expected, attached.proof))
    return fail(Code::kUnauthenticated, "the egress node does not know the pipe's secret", "pipe_proof");
  if (attached.epoch != epoch_) return fail(Code::kProtocol, "an answer to another attach");
  if (!core.possible(attached.received, attached.written))
    return fail(Code::kProtocol, "the egress node has counted what cannot be");
  grace_ = std::chrono::milliseconds(attached.grace_ms);
  core.attach(attached.received, attached.written, {}, now);
  return {};
}

}  // namespace portolan::tunnel
