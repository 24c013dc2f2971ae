// What stands in a Bind or FunctionCall behind the names: formats, values, formats of the result. Walked however it is
// cut; the values pass unread unless they are wanted for the record. Pure.
// https://www.postgresql.org/docs/current/protocol-message-formats.html
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "audit/records.h"
#include "base/bytes.h"

namespace portolan::protocols::postgres {

// The memory that they take.
std::size_t bytes_of(const audit::Parameters& parameters);

class ValuesReader {
 public:
  enum class Keep : std::uint8_t { kNothing, kValues };
  // kTypes is the list of parameter types at the end of a Parse.
  enum class Form : std::uint8_t { kTypes, kBind, kFunctionCall };

  explicit ValuesReader(Keep keep) : keep_(keep) {}
  void begin(Form form);
  void body(ByteView part);
  // Whether what came was of that form and ended where it should.
  bool whole() const { return step_ == Step::kEnd; }
  // The values kept so far, at most audit::kParametersLimit of them.
  audit::Parameters take() { return std::exchange(kept_, {}); }

 private:
  // kTypeCount kTypes | kFormatCount kFormats kCount (kLength kValue)… kResultCount kResultFormats | kResultFormat
  enum class Step : std::uint8_t {
    kTypeCount,
    kFormatCount,
    kFormat,
    kCount,
    kLength,
    kValue,
    kResultCount,
    kResultFormat,
    kSkip,
    kEnd,
    kWrong
  };

  void expect(Step step, std::uint32_t bytes);
  void on_number(std::uint32_t number);
  void next_value();
  void skip(std::uint32_t bytes);
  void begin_value(std::uint32_t length);
  void end_value();
  bool is_binary(std::size_t index) const;

  Keep keep_;
  Form form_ = Form::kBind;
  Step step_ = Step::kEnd;
  std::uint32_t number_ = 0;
  std::uint32_t left_ = 0;  // bytes of the number, of the value, or to be skipped
  std::uint32_t formats_left_ = 0;
  std::uint32_t values_left_ = 0;
  std::vector<bool> binary_;  // by the formats named; one for all, or one for each
  audit::Parameters kept_;
  std::size_t cost_ = 0;
  std::uint32_t length_ = 0;  // of the value at hand
  std::string value_;
};

}  // namespace portolan::protocols::postgres
