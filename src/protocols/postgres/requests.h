// What a client asks of the server after sign-in, read message by message; parameters of statements and CopyData pass
// unread. Pure. A message whose form leaves doubt about its text is refused: what Portolan and the server read must be
// the same.
#pragma once
#include "protocols/postgres/framer.h"
#include "protocols/postgres/text.h"

namespace portolan::protocols::postgres {

// One message: Q Query, P Parse, B Bind, D Describe, E Execute, C Close, S Sync, H Flush, F FunctionCall, d CopyData, c
// CopyDone, f CopyFail, X Terminate.
struct Request {
  char type = 0;
  bool of_portal = false;      // D, C: else of a statement
  std::string name;            // P, D, C: the statement; B, E, D, C: the portal
  std::string from;            // B: the statement
  Text text;                   // Q, P
  std::uint32_t function = 0;  // F
};

// A handler for Framer, of which end() gives the message.
class RequestReader {
 public:
  RequestReader();
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
  TextCollector name_;
  TextCollector text_;
};

}  // namespace portolan::protocols::postgres
