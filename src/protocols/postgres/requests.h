// What a client asks of the server after sign-in, read message by message; CopyData passes unread, and so do the values
// that statements are run with unless they are wanted for the record. Pure. A message whose form leaves doubt is
// refused: what Portolan and the server read must be the same.
#pragma once
#include "protocols/postgres/framer.h"
#include "protocols/postgres/text.h"
#include "protocols/postgres/values.h"

namespace portolan::protocols::postgres {

// One message: Q Query, P Parse, B Bind, D Describe, E Execute, C Close, S Sync, H Flush, F FunctionCall, d CopyData, c
// CopyDone, f CopyFail, X Terminate.
struct Request {
  char type = 0;
  bool of_portal = false;          // D, C: else of a statement
  std::string name;                // P, D, C: the statement; B, E, D, C: the portal
  std::string from;                // B: the statement
  Text text;                       // Q, P
  std::uint32_t function = 0;      // F
  audit::Parameters parameters{};  // B, F: where they are kept
};

// A handler for Framer, of which end() gives the message.
class RequestReader {
 public:
  explicit RequestReader(ValuesReader::Keep keep);
  Result<> begin(Header header);
  void body(ByteView part);
  Result<Request> end();
  char type() const { return request_.type; }

 private:
  void end_field();

  Request request_;
  std::size_t fixed_left_ = 0;  // bytes before the texts
  std::uint32_t fixed_ = 0;     // their value
  std::size_t fields_ = 0;      // zero-terminated texts expected
  std::size_t field_ = 0;       // ended so far
  std::size_t tail_ = 0;        // bytes after them
  std::optional<std::size_t> exact_tail_;
  bool has_values_ = false;  // in place of a tail
  TextCollector name_;
  TextCollector text_;
  ValuesReader values_;
};

}  // namespace portolan::protocols::postgres
