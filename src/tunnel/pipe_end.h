// One end of a pipe with what makes it this pipe: its id, its secret, and the epoch of the link that it has
// (docs/wire-pipe.md, "Attach"). Pure, like the machine in it.
#pragma once
#include <expected>

#include "tunnel/pipe_core.h"

namespace portolan::tunnel {

class PipeEnd {
 public:
  // The secret is exported from the first link at both of its ends, and never sent.
  PipeEnd(PipeId id, Bytes secret, PipeOptions options, std::shared_ptr<Budget> budget)
      : core(options, std::move(budget)), id_(id), secret_(std::move(secret)), grace_(options.grace) {}
  PipeEnd(const PipeEnd&) = delete;
  PipeEnd& operator=(const PipeEnd&) = delete;
  ~PipeEnd() { wipe(secret_); }

  // The dialler, on a new link with this binding: leaves the link that it had, and says how much it has.
  Attach propose(ByteView binding, BootTime now);
  // The acceptor, of a link whose dialler has proven the same account and device. If it may be, the pipe leaves the
  // link that it had and is attached, with the answer in front of its output; else nothing has changed.
  std::expected<void, AttachRefusal> take(const Attach& attach, ByteView binding, BootTime now);
  // The dialler: the acceptor's answer. Once it is there the pipe is attached.
  Result<> confirm(const Attached& attached, ByteView binding, BootTime now);

  const PipeId& id() const { return id_; }
  std::uint64_t epoch() const { return epoch_; }
  // How long the peer keeps the pipe without a link, as it has said; the dialler's only.
  std::chrono::milliseconds peer_grace() const { return grace_; }

  PipeCore core;

 private:
  const PipeId id_;
  Bytes secret_;
  std::uint64_t epoch_ = 0;
  std::chrono::milliseconds grace_;
};

}  // namespace portolan::tunnel
