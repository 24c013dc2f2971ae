// A browser's connection to the web proxy: its requests, one after another, each parsed and judged before a byte of it
// goes anywhere. What is for an application goes on by requests(): a stream that yields the requests for this one
// application, their heads printed anew, their bodies as they came as far as they are well framed, and that takes what
// the application answers as it is. The first request that is for somebody else, or refused, ends it: the application
// is told of the end, and when it has given the last byte of its answers and ended in good order, the connection goes
// on here with that request. Where an answer is still owed, the driver breaks the stream off instead (protocols/http),
// so that no word of ours can be taken for it.
//
// Behind a request for a WebSocket everything passes unread; an answer but 101 to it ends the connection.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "net/ready_slot.h"
#include "net/stream.h"
#include "protocols/http/body.h"
#include "protocols/http/input.h"
#include "protocols/http/pages.h"

namespace portolan::client::web {

namespace http = protocols::http;

// Whom a request is for.
struct Destination {
  enum class Kind { kOwnPage, kApplication, kTunnel };
  Kind kind = Kind::kOwnPage;
  std::string application = {};  // its name
  http::Authority tunnel = {};   // what CONNECT asks for, with its port
};

struct BrowserRequest {
  http::RequestHead head = {};  // empty if it could not be read
  http::Framing framing = {};
  bool upgrade = false;
  Result<Destination> destination = Destination{};  // why it is refused
  http::Asker asker() const { return {std::string(head.fields.first("accept")), head.method == "HEAD", {}}; }
};

// Where a request goes, or why it goes nowhere. It may set the scheme that the head goes on with.
using Judge = std::function<Result<Destination>(http::RequestHead& head)>;

// "CONNECT host:port" with its fields, as HeadEnd found it.
Result<http::Authority> parse_connect(std::string_view head);
// The head as it goes on: with the scheme, if it has one, in the absolute form, and in its own version of HTTP.
std::string print_onward(const http::RequestHead& head);

// Owned by the task that serves the connection, and by the streams of requests() while they live. One loop.
class Browser : public std::enable_shared_from_this<Browser> {
 public:
  enum class Connect { kRefused, kAllowed };
  Browser(std::unique_ptr<net::Stream> stream, Judge judge, Connect connect)
      : stream_(std::move(stream)),
        input_(std::make_unique<http::Input>(*stream_)),
        judge_(std::move(judge)),
        connect_(connect) {}

  // Waits for the next request, while no stream of requests() lives. It stays here until it is taken or passed on.
  // Code::kEof at the end of the connection.
  net::Task<Result<>> next();
  const BrowserRequest& pending() const { return *pending_; }
  BrowserRequest take_pending();
  // Of this application, beginning with the pending one.
  std::unique_ptr<net::Stream> requests(std::string application);
  // Whether the connection can go on when a stream of requests() has ended in good order.
  bool goes_on() const { return !sent_end_ && state_ == State::kHead; }
  // Whether the session that broke off has broken off at its first request, whose body was refused before a byte of an
  // answer went: then pending() says why, and an answer of ours is its answer.
  bool may_explain() const { return pending_ && heads_ == 1 && written_ == 0 && !sent_end_; }

  net::Stream& stream() { return *stream_; }
  bool has_stream() const { return stream_ != nullptr; }  // until take_stream()
  // With what has come already. Nothing else can be done with it afterwards.
  std::unique_ptr<net::Stream> take_stream();

 private:
  friend class Requests;
  enum class State { kHead, kBody, kRaw };

  bool look_for_head();
  BrowserRequest read(std::string_view head);
  bool is_for(const std::string& application) const;
  void pass_on();
  Result<net::Chunk> try_read(const std::string& application);
  Result<net::Chunk> try_read_raw();
  Result<net::Chunk> waiting_or_over(net::Chunk::Kind kind);
  // Finds how much of what is there belongs to the body.
  Result<> clear_body();

  std::unique_ptr<net::Stream> stream_;
  std::unique_ptr<http::Input> input_;
  Judge judge_;
  Connect connect_;
  State state_ = State::kHead;
  http::HeadEnd end_;
  std::optional<BrowserRequest> pending_;
  std::optional<http::BodyReader> body_;
  std::string out_;  // a printed head that has not been read
  std::size_t out_begin_ = 0;
  std::size_t cleared_ = 0;  // leading bytes of the input that may pass
  bool starved_ = false;     // nothing can be read before more comes
  bool sent_end_ = false;
  std::size_t heads_ = 0;      // passed on in this session
  std::uint64_t written_ = 0;  // in this session
};

}  // namespace portolan::client::web
