#include "net/splice.h"

#include <fcntl.h>
#include <unistd.h>
#include <array>
#include <cerrno>

#include "net/loop.h"
#include "net/socket_stream.h"
#include "net/system_error.h"
#include "net/unsent.h"
#include "net/wait.h"

namespace portolan::net {

namespace {

// Of one call; a pipe holds less.
constexpr std::size_t kPiece = 1024 * 1024;
// Calls in one direction before others get their turn.
constexpr int kStepsPerTurn = 16;

struct Flow {
  SocketStream* from = nullptr;
  SocketStream* to = nullptr;
  UniqueFd into = UniqueFd();  // of the pipe: written from the source
  UniqueFd out_of = UniqueFd();
  std::size_t held = 0;  // in the pipe
  bool source_ended = false;
  bool ended = false;
  std::uint64_t bytes = 0;
};

Result<> make_pipe(Flow& flow) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0)
    return fail(errno == EMFILE || errno == ENFILE ? Code::kLimit : Code::kIo, "make a pipe: " + errno_text(errno));
  flow.out_of = UniqueFd(ends[0]);
  flow.into = UniqueFd(ends[1]);
  return {};
}

// Bytes moved; 0: the source has ended; none: it would have to wait.
Result<std::optional<std::size_t>> move(int from, int to, std::size_t most, const std::string& what) {
  ssize_t moved = 0;
  do {
    moved = ::splice(from, nullptr, to, nullptr, most, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
  } while (moved < 0 && errno == EINTR);
  if (moved >= 0) return static_cast<std::size_t>(moved);
  if (errno == EAGAIN) return std::nullopt;
  return std::unexpected(Error{Code::kIo, errno_text(errno)}.within(what));
}

// The machine. Owned by the frame of splice(); callbacks hold it weakly.
class Splicer : public std::enable_shared_from_this<Splicer> {
 public:
  Splicer(SocketStream& a, SocketStream& b) {
    flows_[0].from = flows_[1].to = &a;
    flows_[0].to = flows_[1].from = &b;
  }

  void start(StopSignal* stop, Done done) {
    done_ = std::move(done);
    for (auto& flow : flows_)
      if (auto made = make_pipe(flow); !made) return finish(std::move(made));
    for (auto& flow : flows_) post(flow.from->executor(), resume(flow));
    if (stop != nullptr) listener_ = stop->listen([this](const Error& reason) { finish(std::unexpected(reason)); });
  }

  void finish(Result<> outcome) {
    if (finished_) return;
    finished_ = true;
    for (auto& flow : flows_) {
      flow.from->cancel_readable();
      flow.to->cancel_writable();
    }
    listener_.reset();
    done_(std::move(outcome));
  }

  std::uint64_t forward() const { return flows_[0].bytes; }
  std::uint64_t backward() const { return flows_[1].bytes; }

 private:
  enum class Step { kAgain, kWait, kEnded };

  void run(Flow& flow) {
    Step step = Step::kAgain;
    for (int i = 0; i < kStepsPerTurn && step == Step::kAgain; ++i) {
      auto stepped = pass(flow);
      if (!stepped) return finish(std::unexpected(std::move(stepped).error()));
      step = *stepped;
    }
    if (step == Step::kAgain) post(flow.from->executor(), resume(flow));
  }

  // What the pipe holds goes first: nothing is read that would have to wait behind it.
  Result<Step> pass(Flow& flow) {
    if (flow.held > 0) {
      PL_TRY(const auto written, move(flow.out_of.get(), flow.to->fd(), flow.held, "write to " + flow.to->describe()));
      if (!written) {
        flow.to->on_writable(resume(flow));
        return Step::kWait;
      }
      flow.held -= *written;
      flow.bytes += *written;
      return Step::kAgain;
    }
    if (flow.source_ended) return end(flow);
    PL_TRY(const auto read, move(flow.from->fd(), flow.into.get(), kPiece, "read from " + flow.from->describe()));
    if (!read) {
      flow.from->on_readable(resume(flow));
      return Step::kWait;
    }
    flow.held = *read;
    flow.source_ended = *read == 0;
    return Step::kAgain;
  }

  Result<Step> end(Flow& flow) {
    PL_CHECK(flow.to->shutdown_send());
    flow.ended = true;
    if (flows_[0].ended && flows_[1].ended) finish({});
    return Step::kEnded;
  }

  std::move_only_function<void()> resume(Flow& flow) {
    return [weak = weak_from_this(), &flow] {
      if (const auto alive = weak.lock(); alive && !alive->finished_) alive->run(flow);
    };
  }

  std::array<Flow, 2> flows_;
  StopSignal::Listener listener_;
  Done done_;
  bool finished_ = false;
};

}  // namespace

Task<Joined> splice(TcpStream& a, TcpStream& b, StopSignal* stop) {
  auto* one = dynamic_cast<SocketStream*>(&a);
  auto* other = dynamic_cast<SocketStream*>(&b);
  if (one == nullptr || other == nullptr) co_return Joined{0, 0, fail(Code::kInternal, "splice: not two sockets")};
  limit_unsent(a);
  limit_unsent(b);
  const auto splicer = std::make_shared<Splicer>(*one, *other);
  auto begin = [&](Done done) { splicer->start(stop, std::move(done)); };
  auto outcome = co_await wait_for(begin, [&] { splicer->finish(cancelled_error()); });
  co_return Joined{splicer->forward(), splicer->backward(), std::move(outcome)};
}

}  // namespace portolan::net
