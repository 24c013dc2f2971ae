// Bytes of a peer into an attach, and then into the machine of a pipe that is attached.
#include <algorithm>

#include "tunnel/pipe_simulation.h"

namespace {

using namespace portolan;
using namespace portolan::tunnel;

void feed(PipeCore& core, ByteView bytes) {
  BootTime now{std::chrono::hours(1)};
  core.attach(0, 0, {}, now);
  core.write(some_bytes(300, 1));
  std::size_t received = 0;
  while (!bytes.empty()) {
    now += std::chrono::milliseconds(7);
    ByteView part = bytes.first(std::min<std::size_t>(bytes.size(), 1 + std::to_integer<std::size_t>(bytes[0]) % 90));
    bytes = bytes.subspan(part.size());
    core.heard(now);
    while (!part.empty()) {
      const auto input = core.take(part, now);
      if (!input) return;
      received += input->payload;
      if (input->skip + input->payload == 0 || input->skip + input->payload > part.size()) std::abort();
      part = part.subspan(input->skip + input->payload);
    }
    for (ByteView out = core.output(now); !out.empty(); out = core.output(now)) core.taken(out.size(), now);
    core.on_time(now);
    if (core.received() != received + (core.ended() ? 1 : 0)) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(reinterpret_cast<const std::byte*>(data), size);
  const std::shared_ptr<Budget> budget = std::make_shared<Budget>();
  if (size >= kPipeHead) {
    const auto head = decode_pipe_head(bytes.first(kPipeHead));
    const ByteView body = bytes.subspan(kPipeHead);
    PipeEnd end({}, some_bytes(32, 1), {}, budget);
    const Bytes binding = some_bytes(32, 2);
    if (head && head->type == PipeFrame::kAttach)
      if (const auto attach = decode_attach(body)) (void)end.take(*attach, binding, BootTime(std::chrono::hours(1)));
    if (head && head->type == PipeFrame::kAttached)
      if (const auto attached = decode_attached(body))
        (void)end.confirm(*attached, binding, BootTime(std::chrono::hours(1)));
    if (head && head->type == PipeFrame::kRefused) (void)decode_refused(body);
  }
  PipeEnd end({}, some_bytes(32, 1), {}, budget);
  feed(end.core, bytes);
  return 0;
}
