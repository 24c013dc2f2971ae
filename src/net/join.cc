#include "net/join.h"

#include <array>

#include "base/clock.h"
#include "net/loop.h"
#include "net/wait.h"

namespace portolan::net {

namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

// Blocks that one direction passes on before others get their turn.
constexpr int kBlocksPerTurn = 16;

// One direction of a join.
struct Flow {
  enum class State {
    kCopying,
    kDraining,  // half-closed; the receiving side still holds accepted bytes
    kEnded,
  };
  Flow(Direction which, Stream& source, Stream& target) : direction(which), from(source), to(target) {}

  Direction direction;
  Stream& from;
  Stream& to;
  State state = State::kCopying;
  Buffer pending = {};  // read and not yet accepted by `to`: at most one block
  std::uint64_t bytes = 0;
};

// The machine. Owned by the frame of join(); callbacks hold it weakly, and finish() takes them back.
class Joiner : public std::enable_shared_from_this<Joiner> {
 public:
  Joiner(Stream& a, Stream& b, JoinOptions options)
      : options_(options),
        flows_{Flow(Direction::kForward, a, b), Flow(Direction::kBackward, b, a)},
        idle_(a.executor()) {}

  void start(Done done) {
    done_ = std::move(done);
    progressed_ = std::chrono::steady_clock::now();
    if (options_.idle) watch_idle(*options_.idle);
    for (auto& flow : flows_) run_later(flow);
    if (options_.stop != nullptr) {
      listener_ = options_.stop->listen([this](const Error& reason) { finish(std::unexpected(reason)); });
    }
  }

  void finish(Result<> outcome) {
    if (finished_) return;
    finished_ = true;
    for (auto& flow : flows_) {
      flow.from.cancel_readable();
      flow.to.cancel_writable();
      flow.pending.release();
    }
    idle_.cancel();
    listener_.reset();
    done_(std::move(outcome));
  }

  std::uint64_t forward() const { return flows_[0].bytes; }
  std::uint64_t backward() const { return flows_[1].bytes; }

 private:
  enum class Step { kAgain, kWait, kFinished };

  void run(Flow& flow) {
    Step step = Step::kAgain;
    for (int i = 0; i < kBlocksPerTurn && step == Step::kAgain; ++i) {
      auto stepped = flow.state == Flow::State::kCopying ? copy(flow) : drain(flow);
      if (finished_) return;  // by an inspector that stops the session
      if (!stepped) return finish(std::unexpected(std::move(stepped).error()));
      step = *stepped;
    }
    if (step == Step::kAgain) run_later(flow);
  }

  // Passes one block on: the one that waits, else the next one.
  Result<Step> copy(Flow& flow) {
    if (flow.pending.empty()) {
      PL_TRY(auto chunk, flow.from.try_read());
      if (chunk.kind == Chunk::Kind::kWait) return wait_readable(flow);
      if (chunk.kind == Chunk::Kind::kEnd) {
        if (options_.inspector != nullptr) PL_CHECK(options_.inspector->at_end(flow.direction));
        if (finished_) return Step::kFinished;
        flow.state = Flow::State::kDraining;
        return Step::kAgain;
      }
      if (options_.inspector != nullptr) {
        PL_CHECK(options_.inspector->inspect(flow.direction, chunk.buffer.data()));
        if (finished_) return Step::kFinished;
      }
      flow.pending = std::move(chunk.buffer);
      if (options_.inspector != nullptr && options_.inspector->must_wait(flow.direction)) return wait_to_pass(flow);
    }
    PL_TRY(const auto accepted, flow.to.try_write(flow.pending.data()));
    if (accepted == 0) return wait_writable(flow);
    if (options_.inspector != nullptr) options_.inspector->passed(flow.direction, flow.pending.data().first(accepted));
    flow.pending.consume(accepted);
    flow.bytes += accepted;
    if (options_.idle) progressed_ = std::chrono::steady_clock::now();
    return Step::kAgain;
  }

  // The caller may destroy both streams once the join has ended, so the end waits for what `to` has only accepted.
  Result<Step> drain(Flow& flow) {
    PL_CHECK(flow.to.shutdown_send());
    if (flow.to.unsent() > 0) return wait_writable(flow);
    flow.state = Flow::State::kEnded;
    if (flows_[0].state == Flow::State::kEnded && flows_[1].state == Flow::State::kEnded) finish({});
    return Step::kFinished;
  }

  auto resume(Flow& flow) {
    return [weak = weak_from_this(), &flow] {
      if (const auto alive = weak.lock(); alive && !alive->finished_) alive->run(flow);
    };
  }

  Step wait_readable(Flow& flow) {
    flow.from.on_readable(resume(flow));
    return Step::kWait;
  }

  Step wait_writable(Flow& flow) {
    flow.to.on_writable(resume(flow));
    return Step::kWait;
  }

  Step wait_to_pass(Flow& flow) {
    options_.inspector->may_pass(flow.direction, [weak = weak_from_this(), &flow](Result<> may) {
      const auto alive = weak.lock();
      if (!alive || alive->finished_) return;
      if (may) return alive->run(flow);
      alive->finish(std::unexpected(std::move(may).error()));
    });
    return Step::kWait;
  }

  void run_later(Flow& flow) { post(flow.from.executor(), resume(flow)); }

  // The timer is not touched by progress: when it rings too early, it is set for what remains.
  void watch_idle(std::chrono::milliseconds after) {
    idle_.schedule(after, [this] {
      const auto silent = std::chrono::steady_clock::now() - progressed_;
      if (silent < *options_.idle)
        return watch_idle(std::chrono::ceil<std::chrono::milliseconds>(*options_.idle - silent));
      finish(fail(Code::kTimeout, "idle for " + format_duration(*options_.idle)));
    });
  }

  JoinOptions options_;
  std::array<Flow, 2> flows_;
  Timer idle_;
  SteadyTime progressed_;
  StopSignal::Listener listener_;
  Done done_;
  bool finished_ = false;
};

}  // namespace

Task<Joined> join(Stream& a, Stream& b, JoinOptions options) {
  const auto joiner = std::make_shared<Joiner>(a, b, options);
  auto start = [&](Done done) { joiner->start(std::move(done)); };
  auto outcome = co_await wait_for(start, [&] { joiner->finish(cancelled_error()); });
  co_return Joined{joiner->forward(), joiner->backward(), std::move(outcome)};
}

}  // namespace portolan::net
