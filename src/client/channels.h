// The pipes from here to one egress node. One serves until it moves bulk; then those that come later get another, so
// that they need not share its way: one TCP connection lets all that is behind a lost packet wait. A stream stays on
// the channel that it was opened on (docs/wire-pipe.md, "Several pipes").
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "client/changes.h"
#include "client/meter.h"
#include "net/backoff.h"
#include "net/event.h"
#include "tunnel/hops.h"
#include "tunnel/succession.h"

namespace portolan::client {

// One pipe with the links that it has had, or one link where the egress node knows no pipes; its successors when its
// certificate is renewed.
struct Channel {
  Channel(const net::Executor& executor, std::string egress, Changes& changes, const Clock& clock);
  // Whether streams can be opened on it now.
  bool stands() const;
  // Whether it has a pipe that waits for a link.
  bool waits() const;
  // The pipe of the newest link; none: there is no link, or it has no pipe.
  std::shared_ptr<tunnel::Pipe> pipe() const;

  bool retired = false;  // not needed any more: its end is no news
  tunnel::Succession links;
  std::shared_ptr<Meter> meter;
  std::string gateway;     // name
  std::string gateway_id;  // empty: direct
  tunnel::Hops hops = {};  // gateways behind that one
  std::string kind;
  std::string fallback;  // why it is not spliced
  bool renewing = false;
  BootTime next_renewal{};
  bool tells_endings = false;                 // asked for, on the newest link
  std::optional<Error> not_reconnected = {};  // why the last attempt has failed, while there is none that succeeded
  net::Event turn;                            // of reconnecting: one attempt has failed, or it has succeeded
  net::Event hurry;                           // the next attempt is due now
  net::Backoff rest;                          // before each attempt
  BootTime reconnected{};
};

// Of one egress node. One loop; tasks that work on a channel share it.
class Channels {
 public:
  // So many at once.
  static constexpr std::size_t kMost = 4;
  // Bytes lately that are bulk; and where a link has fallen silent within the last minute: what is lossy moves less.
  static constexpr std::uint64_t kBulk = std::uint64_t{1} * 1024 * 1024;
  static constexpr std::uint64_t kBulkOnBadWay = std::uint64_t{128} * 1024;
  static constexpr std::chrono::milliseconds kBadFor = std::chrono::minutes(1);
  // Those beyond the first go when nothing has run on them for so long.
  static constexpr std::chrono::milliseconds kIdle = std::chrono::minutes(1);
  // After another one could not be made.
  static constexpr std::chrono::milliseconds kRefusedFor = std::chrono::minutes(1);

  explicit Channels(const Clock& clock) : clock_(clock) {}

  // The oldest first.
  const std::vector<std::shared_ptr<Channel>>& all() const { return all_; }
  void add(std::shared_ptr<Channel> channel) { all_.push_back(std::move(channel)); }
  // Which one a new stream takes: one that serves and is not silent, if there is any, and of these the one that has
  // moved least lately. Null: none stands.
  std::shared_ptr<Channel> for_new_stream() const;
  // One that waits for a link; null: none.
  std::shared_ptr<Channel> waiting() const;
  // Whether any has a link, or one that waits, or an older one on which something runs.
  bool lives() const;

  // Whether one more should be made, at once: all that there are stand and move bulk. If so, it counts as being made
  // until made() or could_not_be_made().
  bool begin_another();
  void made(std::shared_ptr<Channel> another);
  void could_not_be_made();
  // A link has fallen silent.
  void fell_silent() { bad_until_ = clock_.boot() + kBadFor; }

  // Takes those out that have ended, but for the last one, and ends those that are not needed any more. To be called
  // now and then, not while the first link is being made.
  void tidy();
  // Ends all of them; their egress node is told why. Until all_ended().
  void close(const Error& why);
  bool all_ended() const;

 private:
  const Clock& clock_;
  std::vector<std::shared_ptr<Channel>> all_;
  std::vector<std::shared_ptr<Channel>> ending_;
  bool making_ = false;
  BootTime bad_until_{};
  BootTime not_before_{};
};

}  // namespace portolan::client
