// A WebSocket: frames are passed on as they are, parsed on their way so that their messages are counted and what is no
// frame does not pass.
#include "net/join.h"
#include "protocols/http/serving.h"
#include "protocols/http/websocket.h"

namespace portolan::protocols::http {
namespace {

constexpr std::uint16_t kGoingAway = 1001;  // RFC 6455 §7.4.1

class Tap final : public net::Inspector {
 public:
  Tap(Session& session, FrameCounter::Extension extension)
      : session_(session),
        client_(FrameCounter::From::kClient, extension),
        application_(FrameCounter::From::kServer, extension) {}

  Result<> inspect(net::Direction direction, ByteView bytes) override {
    if (direction == net::Direction::kForward) {
      auto read = client_.feed(bytes);
      if (!read) return std::unexpected(std::move(read).error().at(Hop::kEgress));
      return {};
    }
    inspected_ += bytes.size();
    auto read = application_.feed(bytes);
    if (!read) return std::unexpected(std::move(read).error().at(Hop::kResource));
    return {};
  }
  bool must_wait(net::Direction direction) override {
    return direction == net::Direction::kBackward && session_.must_wait();
  }
  void may_pass(net::Direction, std::move_only_function<void(Result<>)> then) override {
    session_.when_kept(std::move(then));
  }

  // Whether a frame of ours can follow, when so many bytes have passed to the client.
  bool may_speak_after(std::uint64_t passed) const {
    return passed == inspected_ && application_.at_boundary() && !application_.closed();
  }
  std::uint64_t from_client() const { return client_.messages(); }
  std::uint64_t from_application() const { return application_.messages(); }

 private:
  Session& session_;
  FrameCounter client_;
  FrameCounter application_;
  std::uint64_t inspected_ = 0;  // from the application
};

}  // namespace

net::Task<Result<>> Serving::carry() {
  client_ = net::prepend(input_->take_rest(), std::move(client_));
  input_.reset();
  Tap tap(session_, deflates_ ? FrameCounter::Extension::kDeflate : FrameCounter::Extension::kNone);
  net::Joined joined = co_await net::join(*client_, *switched_,
                                          {.inspector = &tap, .stop = &session_.stop(), .idle = options_.idle_timeout});
  switched_.reset();
  recorded_.messages(tap.from_client(), tap.from_application());
  recorded_.moved(joined.forward, joined.backward);
  if (!joined.outcome) recorded_.failed(joined.outcome.error());
  auto kept = put_on_record(audit::Query::Stage::kOver);
  if (!joined.outcome && tap.may_speak_after(joined.backward))
    co_await farewell(close_frame(kGoingAway, joined.outcome.error().message), kGoodbyeTime);
  // Either side may go without a Close frame; browsers do when their page is closed.
  const bool gone = !joined.outcome && joined.outcome.error().code == Code::kIo;
  if (!joined.outcome && !gone) co_return std::unexpected(std::move(joined.outcome).error().at(Hop::kEgress));
  co_return kept;
}

}  // namespace portolan::protocols::http
