// Both directions of a session, from any bytes: each input is cut into pieces, of which the first byte says direction
// and size. The same bytes in one piece or in many must give the same records and the same end; records keep to their
// limits; and what was understood of a message must be what its bytes say, read again in the plainest way.
#include <algorithm>
#include <cstdlib>

#include "protocols/postgres/inspect.h"

namespace {

using namespace portolan;
using namespace portolan::protocols::postgres;

void check(bool holds) {
  if (!holds) std::abort();
}

struct Ran {
  std::vector<audit::Query> records;
  bool refused = false;
};

void check_limits(const audit::Query& query) {
  check(query.text.size() <= audit::kTextLimit);
  check(!query.tag || query.tag->size() <= 1024);
  check(!query.error || query.error->size() <= 1024);
  check(!query.error_code || query.error_code->size() <= 5);
  check(query.text_sha256.has_value() == query.text_length.has_value());
  if (!query.parameters) return;
  std::size_t bytes = 0;
  for (const audit::Parameter& value : query.parameters->values) {
    check(!value.text || !value.hex);
    bytes += (value.text ? value.text->size() : 0) + (value.hex ? value.hex->size() : 0);
  }
  check(bytes <= audit::kParametersLimit && query.parameters->values.size() <= query.parameters->count);
}

Ran run(ByteView input, bool in_single_bytes) {
  FakeClock clock;
  Ran out;
  Inspect inspect(
      clock,
      [&out](audit::Query query) -> Result<> {
        check_limits(query);
        out.records.push_back(std::move(query));
        return {};
      },
      ValuesReader::Keep::kValues);
  while (!input.empty()) {
    const auto control = std::to_integer<unsigned>(input.front());
    const std::size_t size = std::min<std::size_t>(input.size() - 1, control >> 1);
    ByteView piece = input.subspan(1, size);
    input = input.subspan(1 + size);
    const std::size_t step = in_single_bytes ? 1 : std::max<std::size_t>(piece.size(), 1);
    for (; !piece.empty(); piece = piece.subspan(std::min(step, piece.size()))) {
      const ByteView part = piece.first(std::min(step, piece.size()));
      const auto result = (control & 1) != 0 ? inspect.from_server(part) : inspect.from_client(part);
      if (!result) {
        out.refused = true;
        return out;
      }
    }
  }
  check(inspect.connection_lost().has_value());
  return out;
}

// A message of the client that was taken says the same when its whole body is read at once.
void read_again(char type, ByteView body, const Request& request) {
  ByteReader reader(body);
  const auto name = [&reader](const std::string& understood) {
    const std::string_view said = reader.zero_terminated();
    check(said.size() > 256 || understood == said);
  };
  if (type == 'Q') {
    check(reader.zero_terminated() == request.text.kept && reader.at_end());
  } else if (type == 'P') {
    name(request.name);
    check(reader.zero_terminated() == request.text.kept);
    const std::size_t types = reader.u16();
    reader.take(types * 4);
    check(reader.at_end());
  } else if (type == 'B') {
    name(request.name);
    name(request.from);
    const std::size_t formats = reader.u16();
    reader.take(formats * 2);
    const std::size_t values = reader.u16();
    check(values == request.parameters.count);
    for (std::size_t i = 0; i < values && reader.ok(); ++i) {
      const std::uint32_t length = reader.u32();
      const bool null = length == 0xffffffff;
      const std::string_view said = as_text(reader.take(null ? 0 : length));
      if (i >= request.parameters.values.size()) continue;
      const audit::Parameter& kept = request.parameters.values[i];
      check(null == (!kept.text && !kept.hex));
      if (kept.text && !kept.length) check(*kept.text == said);
      if (kept.hex && said.size() <= audit::kParameterLimit) check(*kept.hex == hex(as_bytes(said)));
    }
    const std::size_t results = reader.u16();
    reader.take(results * 2);
    check(reader.at_end());
  }
}

// The input as one message: its first byte is the type.
void one_message(ByteView input) {
  if (input.empty()) return;
  const char type = static_cast<char>(input.front());
  const ByteView body = input.subspan(1);
  RequestReader reader(ValuesReader::Keep::kValues);
  if (!reader.begin({type, static_cast<std::uint32_t>(body.size())})) return;
  for (const std::byte& byte : body) reader.body({&byte, 1});
  if (const auto request = reader.end()) read_again(type, body, *request);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes = std::as_bytes(std::span(data, size));
  one_message(bytes);
  const Ran whole = run(bytes, false);
  const Ran cut = run(bytes, true);
  check(whole.refused == cut.refused && whole.records.size() <= cut.records.size());
  // What comes before a malformed message in the same piece is on record only when it came before it.
  for (std::size_t i = 0; i < whole.records.size(); ++i) {
    const audit::Query& a = whole.records[i];
    const audit::Query& b = cut.records[i];
    check(a.text == b.text && a.tag == b.tag && a.error == b.error && a.rows == b.rows && a.statement == b.statement);
    check(a.copied_bytes == b.copied_bytes && a.parameters.has_value() == b.parameters.has_value());
    if (a.parameters) check(a.parameters->values == b.parameters->values);
  }
  return 0;
}
