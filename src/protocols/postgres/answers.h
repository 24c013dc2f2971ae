// What a server may say after sign-in: the form of each message, and which requests it can be an answer to. Pure.
// https://www.postgresql.org/docs/current/protocol-message-formats.html
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "protocols/postgres/messages.h"

namespace portolan::protocols::postgres {

// A request that waits for its answer. kCopyEnd is none: it marks where the client ended a copy.
enum class Asked : std::uint8_t { kQuery, kParse, kBind, kDescribe, kExecute, kClose, kFunction, kSync, kCopyEnd };

// Whether a message of this type can be the next answer to that request. What may come at any time (notices,
// notifications, parameter values, errors) is not asked for here.
bool answers(char type, Asked request);
// Whether it may come at any time.
bool comes_unasked(char type);

// A handler for Framer: bounded, it keeps the beginning of those bodies that are looked at.
class AnswerReader {
 public:
  Result<> begin(Header header);
  void body(ByteView part);
  // Checks the form of the whole message.
  Result<> end() const;
  char type() const { return header_.type; }
  const std::string& kept() const { return kept_; }
  // CopyData: how many bytes it carries.
  std::uint32_t size() const { return header_.body; }

 private:
  Header header_;
  std::size_t keep_ = 0;
  std::string kept_;
  std::byte last_{};
};

}  // namespace portolan::protocols::postgres
