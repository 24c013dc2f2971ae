// Both directions of a session, from any bytes: each input is cut into pieces, of which the first byte says direction
// and size. The same bytes in one piece or in many must give the same records.
#include <cstdlib>

#include "protocols/postgres/inspect.h"

namespace {

using namespace portolan;
using namespace portolan::protocols::postgres;

std::vector<audit::Query> run(ByteView input, bool in_single_bytes) {
  FakeClock clock;
  std::vector<audit::Query> records;
  Inspect inspect(clock, [&records](audit::Query query) -> Result<> {
    if (query.text.size() > audit::kTextLimit) std::abort();
    records.push_back(std::move(query));
    return {};
  });
  while (!input.empty()) {
    const auto control = std::to_integer<unsigned>(input.front());
    const std::size_t size = std::min<std::size_t>(input.size() - 1, control >> 1);
    ByteView piece = input.subspan(1, size);
    input = input.subspan(1 + size);
    const std::size_t step = in_single_bytes ? 1 : std::max<std::size_t>(piece.size(), 1);
    for (; !piece.empty(); piece = piece.subspan(std::min(step, piece.size()))) {
      const ByteView part = piece.first(std::min(step, piece.size()));
      const auto result = (control & 1) != 0 ? inspect.from_server(part) : inspect.from_client(part);
      if (!result) return records;
    }
  }
  if (!inspect.connection_lost()) std::abort();
  return records;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes = std::as_bytes(std::span(data, size));
  const auto whole = run(bytes, false);
  const auto cut = run(bytes, true);
  if (whole.size() != cut.size()) std::abort();
  for (std::size_t i = 0; i < whole.size(); ++i)
    if (whole[i].text != cut[i].text || whole[i].tag != cut[i].tag || whole[i].error != cut[i].error) std::abort();
  return 0;
}
