// Bytes of a peer into an acceptor's mux, which answers streams as a node does: accepts, reads, writes, refuses.
#include <algorithm>

#include "net/loop.h"
#include "net/memory_stream.h"
#include "tunnel/mux.h"

namespace {

using namespace portolan;

struct Node {
  std::unique_ptr<tunnel::Mux> mux;
  std::vector<std::unique_ptr<tunnel::MuxStream>> streams;
};

void serve(Node& node, std::unique_ptr<tunnel::Incoming> request) {
  if (request->request().authority.size() % 2 == 0)
    return request->refuse(Error{Code::kDenied, "no", {}, Hop::kGateway});
  auto stream = request->accept();
  (void)stream->try_write(as_bytes("hello"));
  (void)stream->try_read();
  node.streams.push_back(std::move(stream));
}

// In pieces, with turns of the loop between them; then everything is taken away.
void feed(net::Loop& loop, Node& node, std::shared_ptr<net::Stream> peer, ByteView bytes, int rests) {
  const std::size_t n = std::min<std::size_t>(bytes.size(), 997);
  if (n > 0) (void)peer->try_write(bytes.first(n));
  (void)peer->try_read();
  for (auto& stream : node.streams) (void)stream->try_read();
  if (n == 0 && rests == 0) {
    node.mux.reset();
    node.streams.clear();
    return;
  }
  loop.post(
      [&loop, &node, peer, bytes, n, rests] { feed(loop, node, peer, bytes.subspan(n), n > 0 ? rests : rests - 1); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  net::Loop loop;
  Node node;
  auto [near, far] = net::memory_pair(loop.executor());
  node.mux = tunnel::Mux::make(
      std::move(far), tunnel::Mux::Role::kAcceptor, tunnel::MuxOptions{.budget = 100'000, .max_streams = 8},
      [&](std::unique_ptr<tunnel::Incoming> request) { serve(node, std::move(request)); }, [](const Error&) {});
  // The preface is the same for all; the interesting bytes are behind it.
  (void)near->try_write(as_bytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
  feed(loop, node, std::move(near), {reinterpret_cast<const std::byte*>(data), size}, 8);
  loop.run();
  return 0;
}
