#include "protocols/postgres/requests.h"

#include <fmt/format.h>

#include "audit/records.h"

namespace portolan::protocols::postgres {
namespace {

// Names longer than this are known by their hash.
constexpr std::size_t kNameLimit = 256;
// Of the bodies that a server takes no longer either (PostgreSQL: PQ_SMALL_MESSAGE_LIMIT, with the length itself).
constexpr std::uint32_t kShortBody = 10'000 - 4;
constexpr std::uint32_t kLongBody = kMessageLimit - 4;

// A message's body: bytes of fixed size, then texts ended by a zero byte, then a tail of exactly so many bytes or
// values. `least` and `most` hold for the whole.
struct Layout {
  char type;
  std::size_t fixed;
  std::size_t fields;
  std::optional<std::size_t> tail;
  std::optional<ValuesReader::Form> values;
  std::uint32_t least;
  std::uint32_t most;
};
using Form = ValuesReader::Form;
constexpr std::array<Layout, 13> kLayouts = {{
    {'Q', 0, 1, 0, {}, 1, kLongBody},
    {'P', 0, 2, {}, Form::kTypes, 4, kLongBody},
    {'B', 0, 2, {}, Form::kBind, 8, kLongBody},
    {'D', 1, 1, 0, {}, 2, kShortBody},
    {'E', 0, 1, 4, {}, 5, kShortBody},
    {'C', 1, 1, 0, {}, 2, kShortBody},
    {'S', 0, 0, 0, {}, 0, 0},
    {'H', 0, 0, 0, {}, 0, 0},
    {'F', 4, 0, {}, Form::kFunctionCall, 10, kLongBody},
    {'d', 0, 0, {}, {}, 0, kLongBody},
    {'c', 0, 0, 0, {}, 0, 0},
    {'f', 0, 1, 0, {}, 1, kShortBody},
    {'X', 0, 0, 0, {}, 0, 0},
}};

std::string key_of(Text name) { return name.sha256 ? name.kept + "#" + *name.sha256 : std::move(name.kept); }

}  // namespace

RequestReader::RequestReader(ValuesReader::Keep keep) : name_(kNameLimit), text_(audit::kTextLimit), values_(keep) {}

Result<> RequestReader::begin(Header header) {
  const auto* layout = std::ranges::find(kLayouts, header.type, &Layout::type);
  if (layout == kLayouts.end())
    return fail(Code::kProtocol, "unknown message type " + quoted_type(header.type) + " from the client");
  if (header.body < layout->least || header.body > layout->most)
    return fail(Code::kProtocol,
                fmt::format("message {} from the client: its length {} is not within {} to {}",
                            quoted_type(header.type), header.body + 4ull, layout->least + 4ull, layout->most + 4ull));
  request_.type = header.type;
  fixed_left_ = layout->fixed;
  fixed_ = 0;
  fields_ = layout->fields;
  field_ = 0;
  tail_ = 0;
  exact_tail_ = layout->tail;
  has_values_ = layout->values.has_value();
  if (has_values_) values_.begin(*layout->values);
  return {};
}

void RequestReader::body(ByteView part) {
  for (; fixed_left_ > 0 && !part.empty(); --fixed_left_, part = part.subspan(1))
    fixed_ = fixed_ << 8 | std::to_integer<std::uint32_t>(part.front());
  while (field_ < fields_ && !part.empty()) {
    const std::size_t end = as_text(part).find('\0');
    const ByteView value = part.first(std::min(end, part.size()));
    const bool is_text = request_.type == 'Q' || (request_.type == 'P' && field_ == 1);
    (is_text ? text_ : name_).add(value);
    if (end == std::string_view::npos) return;
    end_field();
    part = part.subspan(end + 1);
  }
  if (has_values_) {
    values_.body(part);
  } else {
    tail_ += part.size();
  }
}

void RequestReader::end_field() {
  if (request_.type == 'Q' || (request_.type == 'P' && field_ == 1)) {
    request_.text = text_.finish();
  } else if (request_.type == 'B' && field_ == 1) {
    request_.from = key_of(name_.finish());
  } else {
    request_.name = key_of(name_.finish());
  }
  ++field_;
}

Result<Request> RequestReader::end() {
  const char type = request_.type;
  const bool names_kind = type == 'D' || type == 'C';
  if (fixed_left_ > 0 || field_ < fields_ || (exact_tail_ && tail_ != *exact_tail_) ||
      (has_values_ && !values_.whole()) || (names_kind && fixed_ != 'S' && fixed_ != 'P'))
    return fail(Code::kProtocol, "malformed message of type " + quoted_type(type) + " from the client");
  request_.of_portal = names_kind && fixed_ == 'P';
  request_.function = type == 'F' ? fixed_ : 0;
  if (has_values_) request_.parameters = values_.take();
  return std::exchange(request_, Request{});
}

}  // namespace portolan::protocols::postgres
