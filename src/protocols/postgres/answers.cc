#include "protocols/postgres/answers.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

namespace portolan::protocols::postgres {
namespace {

constexpr std::uint32_t kAny = kMessageLimit - 4;
constexpr std::uint32_t kLongestTag = 256;
constexpr std::size_t kErrorBeginning = 4096;

struct Form {
  char type;
  std::uint32_t least;  // bytes of the body
  std::uint32_t most;
  std::size_t keep;       // how many of them are looked at
  bool zero_terminated;   // the last one is a zero byte
  std::string_view asks;  // the requests that it answers, as their types; empty: it may come at any time
};
// Authentication ('R') and BackendKeyData ('K') belong to sign-in: afterwards they are refused.
constexpr std::array<Form, 21> kForms = {{
    {'1', 0, 0, 0, false, "P"},
    {'2', 0, 0, 0, false, "B"},
    {'3', 0, 0, 0, false, "C"},
    {'A', 6, kAny, 0, true, ""},
    {'C', 1, kLongestTag, kLongestTag, true, "QE"},
    {'D', 2, kAny, 0, false, "QE"},
    {'E', 1, kAny, kErrorBeginning, true, ""},
    {'G', 3, kAny, 0, false, "QE"},
    {'H', 3, kAny, 0, false, "QE"},
    {'I', 0, 0, 0, false, "QE"},
    {'N', 1, kAny, 0, true, ""},
    {'S', 2, kAny, 0, true, ""},
    {'T', 2, kAny, 0, false, "QD"},
    {'V', 4, kAny, 0, false, "F"},
    {'W', 3, kAny, 0, false, "QE"},
    {'Z', 1, 1, 1, false, "QFS"},
    {'c', 0, 0, 0, false, "QE"},
    {'d', 0, kAny, 0, false, "QE"},
    {'n', 0, 0, 0, false, "D"},
    {'s', 0, 0, 0, false, "E"},
    {'t', 2, kAny, 0, false, "D"},
}};

const Form* form_of(char type) {
  const auto* form = std::ranges::find(kForms, type, &Form::type);
  return form == kForms.end() ? nullptr : form;
}

char letter_of(Asked request) {
  switch (request) {
    case Asked::kQuery: return 'Q';
    case Asked::kParse: return 'P';
    case Asked::kBind: return 'B';
    case Asked::kDescribe: return 'D';
    case Asked::kExecute: return 'E';
    case Asked::kClose: return 'C';
    case Asked::kFunction: return 'F';
    case Asked::kSync: return 'S';
    case Asked::kCopyEnd: break;
  }
  return '\0';
}

}  // namespace

bool answers(char type, Asked request) {
  const Form* form = form_of(type);
  return form != nullptr && form->asks.contains(letter_of(request));
}

bool comes_unasked(char type) {
  const Form* form = form_of(type);
  return form != nullptr && form->asks.empty();
}

Result<> AnswerReader::begin(Header header) {
  const Form* form = form_of(header.type);
  if (form == nullptr)
    return fail(Code::kProtocol, "unknown message type " + quoted_type(header.type) + " from the server");
  if (header.body < form->least || header.body > form->most)
    return fail(Code::kProtocol,
                fmt::format("message {} from the server: its length {} is not within {} to {}",
                            quoted_type(header.type), header.body + 4ull, form->least + 4ull, form->most + 4ull));
  header_ = header;
  keep_ = form->keep;
  if (kept_.capacity() > kLongestTag) kept_ = std::string();  // not for the life of a session
  kept_.clear();
  return {};
}

void AnswerReader::body(ByteView part) {
  if (kept_.size() < keep_) kept_ += as_text(part.first(std::min(part.size(), keep_ - kept_.size())));
  if (!part.empty()) last_ = part.back();
}

Result<> AnswerReader::end() const {
  const Form* form = form_of(header_.type);
  const bool unended = form->zero_terminated && last_ != std::byte{0};
  const bool tag_of_two = header_.type == 'C' && kept_.find('\0') + 1 != kept_.size();
  const bool unknown_state = header_.type == 'Z' && kept_ != "I" && kept_ != "T" && kept_ != "E";
  if (!unended && !tag_of_two && !unknown_state) return {};
  return fail(Code::kProtocol, "malformed message of type " + quoted_type(header_.type) + " from the server");
}

}  // namespace portolan::protocols::postgres
