// Two ends of a pipe and the links between them, in virtual time: every byte that a link carries is counted, and the
// link can be cut behind any of them. For tests.
#pragma once
#include <array>
#include <deque>
#include <functional>
#include <optional>
#include <random>
#include <string>

#include "tunnel/pipe_end.h"

namespace portolan::tunnel {

inline Bytes some_bytes(std::size_t n, std::uint32_t seed) {
  Bytes out(n);
  std::minstd_rand random(seed + 1);
  for (auto& each : out) each = static_cast<std::byte>(random() >> 8U);
  return out;
}

// Whose end of a link notices that it has been cut.
enum class Notices { kBoth, kDialler, kAcceptor };

class PipeSimulation {
 public:
  struct End {
    explicit End(PipeOptions options, const std::shared_ptr<Budget>& budget)
        : pipe(PipeId{std::byte{7}}, some_bytes(32, 1), options, budget) {}
    PipeEnd pipe;
    Bytes to_write;           // and then the end
    std::size_t written = 0;  // of it
    Bytes read;
    std::deque<std::byte> sent;  // on the link, not arrived
    Bytes shaking;               // of an attach that has not arrived whole
    bool proven = false;         // the attach of this link is over here
  };

  explicit PipeSimulation(PipeOptions options = {}) : dialler(options, budget), acceptor(options, budget) {}

  const std::shared_ptr<Budget> budget = std::make_shared<Budget>();
  End dialler, acceptor;
  BootTime now{std::chrono::hours(1)};
  std::size_t carried = 0;                                                          // bytes, over all links
  std::function<std::size_t(std::size_t)> piece = [](std::size_t n) { return n; };  // of n bytes, how many arrive next
  std::function<std::size_t(std::size_t)> takes = [](std::size_t n) { return n; };  // how many of n the link takes
  std::optional<std::string> breach;
  bool finishes = true;  // what has been written is followed by the end

  void new_link() {
    ++links_;
    alive_ = true;
    binding_ = some_bytes(32, static_cast<std::uint32_t>(100 + links_));
    for (End* end : {&dialler, &acceptor}) {
      end->sent.clear();
      end->shaking.clear();
      end->proven = false;
    }
    const Bytes words = encode(dialler.pipe.propose(binding_, now));
    dialler.sent.assign(words.begin(), words.end());
  }
  void cut(Notices who) {
    alive_ = false;
    if (who != Notices::kAcceptor) dialler.pipe.core.freeze(now);
    if (who != Notices::kDialler) acceptor.pipe.core.freeze(now);
  }
  bool alive() const { return alive_; }
  bool done() const { return is_done(dialler, acceptor) && is_done(acceptor, dialler); }

  // Carries up to `most` bytes, with all that follows from them. False: nothing moves any more.
  bool step(std::size_t most) {
    write(dialler);
    write(acceptor);
    speak(dialler);
    speak(acceptor);
    const bool there = deliver(dialler, acceptor, most);
    const bool back = deliver(acceptor, dialler, most - std::min(most, moved_));
    return there || back;
  }
  // Lets the time come for which the ends wait.
  void rest() {
    const BootTime next = std::min(dialler.pipe.core.next_time(), acceptor.pipe.core.next_time());
    if (next != BootTime::max()) now = std::max(now + std::chrono::milliseconds(1), next);
    dialler.pipe.core.on_time(now);
    acceptor.pipe.core.on_time(now);
  }

 private:
  static bool is_done(const End& writer, const End& reader) {
    return writer.pipe.core.all_acknowledged() && writer.written == writer.to_write.size() &&
           reader.pipe.core.ended() && reader.read == writer.to_write;
  }

  void write(End& end) const {
    end.written += end.pipe.core.write(ByteView(end.to_write).subspan(end.written));
    if (finishes && end.written == end.to_write.size()) end.pipe.core.finish();
  }

  void speak(End& end) {
    if (!alive_ || !end.proven) return;
    for (ByteView out = end.pipe.core.output(now); !out.empty() && end.sent.size() < 64 * 1024;
         out = end.pipe.core.output(now)) {
      const ByteView part = out.first(takes(out.size()));
      end.sent.insert(end.sent.end(), part.begin(), part.end());
      end.pipe.core.taken(part.size(), now);
      if (part.size() < out.size()) break;
    }
  }

  bool deliver(End& from, End& to, std::size_t most) {
    moved_ = 0;
    if (!alive_ || from.sent.empty() || most == 0) return false;
    const std::size_t n = std::clamp<std::size_t>(piece(from.sent.size()), 1, std::min(most, from.sent.size()));
    Bytes arrived(from.sent.begin(), from.sent.begin() + static_cast<std::ptrdiff_t>(n));
    from.sent.erase(from.sent.begin(), from.sent.begin() + static_cast<std::ptrdiff_t>(n));
    carried += n;
    moved_ = n;
    if (!to.proven && !shake(to, arrived)) return true;
    take(to, arrived);
    return true;
  }

  // Takes from the front what belongs to the attach.
  bool shake(End& end, Bytes& arrived) {
    end.shaking.insert(end.shaking.end(), arrived.begin(), arrived.end());
    const std::size_t size = kPipeHead + (&end == &acceptor ? kAttachSize : kAttachedSize);
    if (end.shaking.size() < size) return false;
    arrived.assign(end.shaking.begin() + static_cast<std::ptrdiff_t>(size), end.shaking.end());
    const ByteView body = ByteView(end.shaking).subspan(kPipeHead, size - kPipeHead);
    end.proven = true;
    if (&end == &acceptor) {
      const auto attach = decode_attach(body);
      if (!attach || !acceptor.pipe.take(*attach, binding_, now)) breach = "attach refused";
    } else {
      const auto attached = decode_attached(body);
      if (!attached || !dialler.pipe.confirm(*attached, binding_, now)) breach = "answer refused";
    }
    return !breach;
  }

  void take(End& end, ByteView bytes) {
    end.pipe.core.heard(now);
    while (!bytes.empty()) {
      const auto input = end.pipe.core.take(bytes, now);
      if (!input) {
        breach = input.error().message;
        return;
      }
      const ByteView payload = bytes.subspan(input->skip, input->payload);
      end.read.insert(end.read.end(), payload.begin(), payload.end());
      bytes = bytes.subspan(input->skip + input->payload);
    }
  }

  bool alive_ = false;
  std::size_t links_ = 0;
  std::size_t moved_ = 0;
  Bytes binding_;
};

}  // namespace portolan::tunnel
