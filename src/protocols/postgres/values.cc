#include "protocols/postgres/values.h"

#include <algorithm>

#include "protocols/postgres/text.h"

namespace portolan::protocols::postgres {
namespace {

constexpr std::uint32_t kNull = 0xffffffff;
constexpr std::uint32_t kLongest = 0x7fffffff;  // lengths are signed
constexpr std::size_t kLeastCost = 16;

}  // namespace

std::size_t bytes_of(const audit::Parameters& parameters) {
  std::size_t sum = 0;
  for (const audit::Parameter& value : parameters.values)
    sum += sizeof value + (value.text ? value.text->size() : 0) + (value.hex ? value.hex->size() : 0);
  return sum;
}

void ValuesReader::begin(Form form) {
  form_ = form;
  kept_ = {};
  cost_ = 0;
  binary_.clear();
  expect(form == Form::kTypes ? Step::kTypeCount : Step::kFormatCount, 2);
}

void ValuesReader::expect(Step step, std::uint32_t bytes) {
  step_ = step;
  number_ = 0;
  left_ = bytes;
}

void ValuesReader::body(ByteView part) {
  while (!part.empty()) {
    if (step_ == Step::kEnd) step_ = Step::kWrong;  // more than there should be
    if (step_ == Step::kWrong) return;
    if (step_ == Step::kValue || step_ == Step::kSkip) {
      const std::size_t n = std::min<std::size_t>(left_, part.size());
      if (step_ == Step::kValue && value_.size() < audit::kParameterLimit)
        value_ += as_text(part.first(std::min(n, audit::kParameterLimit - value_.size())));
      left_ -= static_cast<std::uint32_t>(n);
      part = part.subspan(n);
      if (left_ > 0) return;
      if (step_ == Step::kSkip && values_left_ == 0) {
        step_ = Step::kEnd;
      } else {
        end_value();
      }
      continue;
    }
    number_ = number_ << 8 | std::to_integer<std::uint32_t>(part.front());
    part = part.subspan(1);
    if (--left_ == 0) on_number(number_);
  }
}

void ValuesReader::on_number(std::uint32_t number) {
  switch (step_) {
    case Step::kTypeCount: return skip(number * 4);
    case Step::kFormatCount:
      formats_left_ = number;
      return number > 0 ? expect(Step::kFormat, 2) : expect(Step::kCount, 2);
    case Step::kFormat:
      if (keep_ == Keep::kValues) binary_.push_back(number == 1);
      return --formats_left_ > 0 ? expect(Step::kFormat, 2) : expect(Step::kCount, 2);
    case Step::kCount:
      values_left_ = number;
      kept_.count = number;
      return next_value();
    case Step::kLength:
      if (number != kNull && number > kLongest) {
        step_ = Step::kWrong;
        return;
      }
      return begin_value(number);
    case Step::kResultCount: return skip(number * 2);
    default: step_ = Step::kEnd; return;  // kResultFormat
  }
}

void ValuesReader::next_value() {
  if (values_left_ > 0) return expect(Step::kLength, 4);
  if (form_ == Form::kFunctionCall) return expect(Step::kResultFormat, 2);
  expect(Step::kResultCount, 2);
}

void ValuesReader::skip(std::uint32_t bytes) {
  left_ = bytes;
  step_ = bytes > 0 ? Step::kSkip : Step::kEnd;
}

void ValuesReader::begin_value(std::uint32_t length) {
  length_ = length;
  value_.clear();
  left_ = length == kNull ? 0 : length;
  // A value whose place in the record is taken passes unread.
  const bool wanted = keep_ == Keep::kValues && cost_ + kLeastCost <= audit::kParametersLimit;
  step_ = wanted ? Step::kValue : Step::kSkip;
  if (left_ == 0) end_value();
}

void ValuesReader::end_value() {
  if (step_ == Step::kValue) {
    const bool binary = is_binary(kept_.values.size());
    audit::Parameter out;
    if (length_ != kNull && binary) {
      out.hex = hex(as_bytes(value_));
      out.length = length_;
    } else if (length_ != kNull) {
      out.text = to_utf8(value_, audit::kParameterLimit);
      if (length_ != value_.size() || *out.text != value_) out.length = length_;
    }
    const std::size_t cost = std::max(kLeastCost, out.hex.value_or("").size() + out.text.value_or("").size());
    if (cost_ + cost <= audit::kParametersLimit) {
      cost_ += cost;
      kept_.values.push_back(std::move(out));
    } else {
      cost_ = audit::kParametersLimit;  // those behind it are left out too: places must not move
    }
  }
  --values_left_;
  next_value();
}

bool ValuesReader::is_binary(std::size_t index) const {
  if (binary_.empty()) return false;
  return binary_.size() == 1 ? binary_.front() : index < binary_.size() && binary_[index];
}

}  // namespace portolan::protocols::postgres
