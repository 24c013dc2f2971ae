// Inside net/http/ only: bytes to messages and back (RFC 9112). Boost.Beast's parser does the grammar, fed by hand;
// before it come the rules that it is lenient about and that decide where a message ends, which two readers must never
// see differently: one line ending, no folding, one length. Beast's headers stay in codec.cc.
#pragma once
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/http/message.h"
#include "net/stream.h"

namespace portolan::net::http {

std::string lower_case(std::string_view text);

// Adds a field as it arrived, its name in lower case. Repeated ones are joined (cookies as RFC 6265 §5.4 does, RFC 9113
// §8.2.3), or refused where that is a defect (message.h).
Result<> add_field(Headers& headers, std::string name, std::string_view value);
// Whether a field of a message of ours comes out as the same field at the other end.
Result<> check_field(std::string_view name, std::string_view value);
// Fields that the codec sets itself: ignored in messages of ours. `name` in lower case.
bool is_framing(std::string_view name);
// RFC 9110 §5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT".
std::string http_date();

// The head of a message. What its framing means for the body stays inside the Parser.
struct Head {
  std::string method;  // of a request
  std::string target;
  int status = 0;  // of a response
  bool http_1_1 = true;
  bool keep_alive = true;
  Headers headers = {};
};

// Finds the end of a head while it arrives, and refuses as soon as it can tell.
class HeadScanner {
 public:
  explicit HeadScanner(const Limits& limits) : limits_(limits) {}
  // `data` is all that has arrived of the message. The head's length with its empty line, once that is there.
  Result<std::optional<std::size_t>> scan(std::string_view data);

 private:
  Limits limits_;
  std::size_t seen_ = 0;
  std::size_t line_begin_ = 0;
  std::size_t lines_ = 0;
};

// One message, without I/O. Errors are final. Their reason says what a server answers: refusal_status().
class Parser {
 public:
  enum class Body { kAsFramed, kNone };  // kNone: the answer to HEAD
  static std::unique_ptr<Parser> of_request(const Limits& limits);
  static std::unique_ptr<Parser> of_response(const Limits& limits, Body body);
  virtual ~Parser() = default;
  // The whole head, as HeadScanner found it. Once.
  virtual Result<Head> head(std::string_view text) = 0;
  // Of a request, after its head and before its body: no more than so many bytes. Code::kLimit at once if the head
  // announces more, else from body() as soon as more comes.
  virtual Result<> limit_body(std::size_t bytes) = 0;
  // Takes leading bytes of `data`, which is not empty, and appends what of them is body; 0: needs more than `data`.
  virtual Result<std::size_t> body(std::string_view data, std::string& into) = 0;
  // The stream has ended; Code::kIo unless that is how this message ends.
  virtual Result<> end() = 0;
  virtual bool done() const = 0;
};

Task<Result<Head>> read_head(Reader& reader, Parser& parser, const Limits& limits);
// Waits for a piece of the body, which may be pure framing, and appends it.
Task<Result<>> read_piece(Reader& reader, Parser& parser, std::string& into);
// Until the end of the message, or until `into` has `enough` bytes.
Task<Result<>> read_body(Reader& reader, Parser& parser, std::string& into, std::size_t enough = std::string::npos);

// The status that a server answers to an error of reading a request.
int refusal_status(const Error& error);
std::string_view reason_phrase(int status);

enum class Framing { kLength, kChunked, kUntilClose };
enum class Persist { kKeep, kClose };

// Refuse what would not come out as the same message at the other end: bad names, line breaks in values, statuses out
// of range. Framing headers in the message are replaced. The body is not included.
Result<std::string> encode_head(const Response& response, Framing framing, Persist persist);
Result<std::string> encode_head(const Request& request, std::string_view host, Persist persist);
bool may_have_body(int status);
std::string encode_chunk(std::string_view piece);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace portolan::net::http
