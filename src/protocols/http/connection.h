// One connection to the application, by HTTP/1.1 or HTTP/2: requests one after another, each with its body and its
// answer streamed at once. The application is hostile: all of it is parsed, within limits. No time-outs here: the
// caller has them.
#pragma once
#include <memory>
#include <string_view>

#include "net/stream.h"
#include "protocols/http/message.h"

namespace portolan::protocols::http {

// A request as it goes to the application: end-to-end fields only, authority and target as the application knows them.
struct Outgoing {
  RequestHead head;
  Framing framing;
  bool websocket = false;
  bool wants_trailers = false;  // the client understands them
  std::string scheme;
};

class Connection {
 public:
  virtual ~Connection() = default;
  // Whether it can take another request: the last one is over on both sides, and nothing has come or ended since.
  virtual bool usable() = 0;

  // Sends the head, and `body`, which are the first bytes of it, in the same piece; `whole`: it is all of it.
  virtual net::Task<Result<>> send(const Outgoing& request, std::string_view body, bool whole) = 0;
  virtual net::Task<Result<>> send_body(std::string_view piece) = 0;
  virtual net::Task<Result<>> end_body(const Fields& trailers) = 0;

  // The next head: those below 200, then the answer. Its fields are not yet free of those of the connection.
  virtual net::Task<Result<ResponseHead>> head() = 0;
  // How long the answer's body is, as far as that is known. After head().
  virtual Framing framing() const = 0;
  // The next piece of the body, valid until the next call; empty: at its end.
  virtual net::Task<Result<std::string_view>> body() = 0;
  // Whether body() would not wait.
  virtual bool ready() const = 0;
  // The answer is over, and body() has given all of it.
  virtual bool ended() const = 0;
  virtual const Fields& trailers() const = 0;
  // What is behind the head of a 101. The connection is none any more.
  virtual std::unique_ptr<net::Stream> take_stream() = 0;
  virtual std::string_view version() const = 0;  // "1.1", "2"
};

std::unique_ptr<Connection> over_http1(std::unique_ptr<net::Stream> stream);
std::unique_ptr<Connection> over_http2(std::unique_ptr<net::Stream> stream);

}  // namespace portolan::protocols::http
