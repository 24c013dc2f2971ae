// The agent's part in a session: it copies bytes and knows of them only where a message ends, so that it can say why
// the session ends when the egress, which speaks the protocol, cannot be heard any more. An ErrorResponse may come at
// any time ("Asynchronous Operations" in PostgreSQL's documentation), but never within another message.
#include <string>

#include "protocols/postgres/client_side.h"
#include "protocols/postgres/driver.h"
#include "protocols/postgres/framer.h"

namespace portolan::protocols::postgres {
namespace {

// The type of a TLS record that holds a handshake (RFC 8446 §5.1).
constexpr std::byte kTlsHandshake{0x16};

// Nothing is looked at but where messages begin and end.
struct Unread {
  static Result<> begin(Header) { return {}; }
  static void body(ByteView) {}
  static Result<> end() { return {}; }
};

class PostgresOnlooker final : public Onlooker {
 public:
  explicit PostgresOnlooker(ByteView first)
      : state_(!first.empty() && first.front() == kTlsHandshake ? State::kOpaque : State::kStart) {}

  void passed(ByteView bytes) override {
    while (state_ == State::kStart && !bytes.empty()) begin(bytes);
    if (state_ != State::kMessages) return;
    Unread unread;
    if (!framer_.feed(bytes, unread)) state_ = State::kOpaque;
  }

  net::Task<> say_why(net::Stream& client, Error why, std::string trace, std::chrono::milliseconds limit) override {
    const bool may_speak = state_ == State::kStart || (state_ == State::kMessages && framer_.at_boundary());
    if (may_speak) co_await say_goodbye(client, termination(why, trace), limit);
  }

 private:
  enum class State {
    kStart,     // at most answers to SSLRequest and GSSENCRequest have come
    kMessages,  // whole messages, from the first answer to a start-up
    kOpaque,    // TLS between the client and the egress, or something that we do not understand
  };

  // 'N' alone denies an encryption; the egress's first message is no notice.
  void begin(ByteView& bytes) {
    switch (static_cast<char>(bytes.front())) {
      case 'N': bytes = bytes.subspan(1); return;
      case 'R':
      case 'v':
      case 'E': state_ = State::kMessages; return;
      default: state_ = State::kOpaque; return;
    }
  }

  State state_;
  Framer framer_;
};

}  // namespace

std::unique_ptr<Onlooker> look_on(ByteView first) { return std::make_unique<PostgresOnlooker>(first); }

}  // namespace portolan::protocols::postgres
