// portolan_delay: a long line between two network namespaces, where the kernel has no netem.
//
//   portolan_delay --near NETNS --far NETNS [--device NAME] [--mtu N] [--delay MS] [--jitter MS] [--loss P] …
//
// A TUN device in each; one thread carries the packets from one to the other. While it runs, a line of the same words
// on standard input ("--loss 0.01 --cut none") changes what it does, and each is answered by "ok" or by what is wrong;
// it ends with standard input. tests/bench/delay_line.py starts it for benchmarks and tests, and gives addresses.
#include <malloc.h>
#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "options.h"
#include "tun.h"
#include "way.h"

namespace portolan::delay {
namespace {

constexpr const char* kUsage =
    R"(a long line between two network namespaces: a TUN device in each, and the packets carried between them
usage: portolan_delay --near NETNS --far NETNS [OPTION VALUE]...

  --near, --far NETNS   a name of `ip netns`, or a path
  --device NAME         of the TUN device in both: delay0
  --mtu N               of both devices: 1500
  --seed N              of what is random: 1
and what may be changed while it runs, by a line of such words on standard input; both ways alike:
  --delay MS            each way
  --jitter MS           up to so much more for each packet; the order stays
  --loss P              0..1, each packet for itself
  --reorder P           0..1, packets that do not wait
  --rate MBIT           a second; 0: no limit
  --queue KIB           what may wait where there is a rate: 4096
  --black-hole BYTES    longer packets vanish; 0: none
  --cut none|out|back|both   nothing passes from near to far, from far to near, or at all

It prints "ready" when both devices are there and up, without addresses; ends with standard input, and then prints an
object with what has passed each way. Needs CAP_NET_ADMIN and CAP_SYS_ADMIN.
)";

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> out;
  constexpr std::string_view kBlank = " \t\r";
  for (std::size_t at = line.find_first_not_of(kBlank); at < line.size(); at = line.find_first_not_of(kBlank, at)) {
    const std::size_t end = std::min(line.find_first_of(kBlank, at), line.size());
    out.push_back(line.substr(at, end - at));
    at = end;
  }
  return out;
}

class Line {
 public:
  explicit Line(const Options& options)
      : settings_(options.settings),
        near_(options.near, options.device, options.mtu),
        far_(options.far, options.device, options.mtu),
        out_(settings_, Cut::kOut, options.seed),
        back_(settings_, Cut::kBack, options.seed + 1) {
    as_settings_say();
  }

  void run() {
    std::puts("ready");
    std::fflush(stdout);
    std::array<pollfd, 3> all = {pollfd{.fd = near_.fd(), .events = POLLIN, .revents = 0},
                                 pollfd{.fd = far_.fd(), .events = POLLIN, .revents = 0},
                                 pollfd{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0}};
    for (;;) {
      const timespec patience = until_next();
      if (ppoll(all.data(), all.size(), &patience, nullptr) < 0 && errno != EINTR) die("poll");
      if (all[0].revents != 0) take_in(near_, out_, far_);
      if (all[1].revents != 0) take_in(far_, back_, near_);
      let_out(out_, far_);
      let_out(back_, near_);
      if (all[2].revents != 0 && !obey()) break;
    }
    tell();
  }

 private:
  void as_settings_say() {
    const auto pieces = settings_.single_packets() ? Tun::Pieces::kSingle : Tun::Pieces::kLarge;
    near_.take(pieces);
    far_.take(pieces);
  }

  timespec until_next() const {
    constexpr std::chrono::seconds kLongest{60};
    const auto left = std::clamp<std::chrono::nanoseconds>(std::min(out_.next(), back_.next()) - Clock::now(),
                                                           std::chrono::nanoseconds{0}, kLongest);
    return {.tv_sec = left.count() / 1'000'000'000, .tv_nsec = left.count() % 1'000'000'000};
  }

  void take_in(Tun& from, Way& way, Tun& to) {
    constexpr unsigned kAtATime = 64;  // then those that are due, and the other way, have their turn
    for (unsigned i = 0; i < kAtATime; ++i) {
      if (!room_) room_ = std::make_unique_for_overwrite<char[]>(kLargest);
      const std::size_t size = from.read({room_.get(), kLargest});
      if (size <= kHeader) return;
      const Moment now = Clock::now();
      Packet packet{.bytes = nullptr, .size = size, .due = {}};
      if (!way.admit(size - kHeader, now, packet.due)) continue;
      // A small one is copied, so that what waits takes no more memory than it needs; a large one is handed on.
      constexpr std::size_t kLarge = 16384;
      if (size < kLarge) {
        packet.bytes = std::make_unique_for_overwrite<char[]>(size);
        std::memcpy(packet.bytes.get(), room_.get(), size);
      } else {
        packet.bytes = std::move(room_);
      }
      way.keep(std::move(packet), now);
      let_out(way, to);
    }
  }

  static void let_out(Way& way, Tun& to) {
    const Moment now = Clock::now();
    while (const Packet packet = way.release(now)) {
      if (!to.write({packet.bytes.get(), packet.size})) ++way.counts.dropped;
    }
  }

  // False: standard input has ended.
  bool obey() {
    std::array<char, 1024> more{};
    const ssize_t count = read(STDIN_FILENO, more.data(), more.size());
    if (count <= 0) return count < 0 && errno == EINTR;
    said_.append(more.data(), static_cast<std::size_t>(count));
    if (said_.size() > more.size()) return false;  // not a line of ours
    for (std::size_t end = said_.find('\n'); end != std::string::npos; end = said_.find('\n')) {
      const std::string wrong = change(words_of(std::string_view(said_).substr(0, end)), settings_);
      said_.erase(0, end + 1);
      as_settings_say();
      std::printf("%s\n", wrong.empty() ? "ok" : wrong.c_str());
      std::fflush(stdout);
    }
    return true;
  }

  void tell() const {
    const auto one = [](const char* name, const Counts& of) {
      std::printf("\"%s\": {\"passed\": %lu, \"bytes\": %lu, \"lost\": %lu, \"cut\": %lu, \"dropped\": %lu}", name,
                  of.passed, of.bytes, of.lost, of.cut, of.dropped);
    };
    std::printf("{");
    one("out", out_.counts);
    std::printf(", ");
    one("back", back_.counts);
    std::printf("}\n");
  }

  Settings settings_;
  Tun near_;
  Tun far_;
  Way out_;
  Way back_;
  std::unique_ptr<char[]> room_ = {};
  std::string said_ = {};
};

int main(int argc, char** argv) {
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  if (words.size() == 1 && (words[0] == "--help" || words[0] == "-h")) return std::fputs(kUsage, stdout) < 0 ? 1 : 0;
  Options options;
  if (const std::string wrong = parse(words, options); !wrong.empty()) {
    std::fprintf(stderr, "portolan_delay: %s; see: portolan_delay --help\n", wrong.c_str());
    return 2;
  }
  prctl(PR_SET_TIMERSLACK, 1000UL);  // nanoseconds
  // Packets come and go all the time: what is freed is kept for the next.
  mallopt(M_TRIM_THRESHOLD, 512 << 20);
  mallopt(M_MMAP_THRESHOLD, 64 << 20);
  Line(options).run();
  return 0;
}

}  // namespace
}  // namespace portolan::delay

int main(int argc, char** argv) { return portolan::delay::main(argc, argv); }
