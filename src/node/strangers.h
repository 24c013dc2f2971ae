// Who asks a node's port by HTTPS (people with a browser, health checks of balancers) is told that there is nothing of
// that kind here: 404, whatever was asked. So they see that something answers, and whose certificate it has; nothing
// else is told, since nobody has proven anything (docs/wire.md, "What else a node's port answers").
#pragma once
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "net/tls.h"

namespace portolan::node {

// By ALPN http/1.1, and for clients that offer none. No client certificate is asked for.
std::vector<net::TlsServerPurpose> stranger_purposes(const net::TlsIdentity& identity);

// One loop.
class Strangers {
 public:
  explicit Strangers(const Clock& clock) : clock_(clock) {}
  // Reads a head of at most 8 KiB, all of it within `limit`, answers, and closes: one request a connection. The
  // object outlives the task.
  net::Task<> answer(std::unique_ptr<net::TlsStream> stream, std::chrono::milliseconds limit);
  std::uint64_t answered() const { return answered_; }

 private:
  void note(const std::string& peer);

  const Clock& clock_;
  std::uint64_t answered_ = 0;
  std::uint64_t told_ = 0;  // of those, that have been logged or counted in a line of the log
  BootTime next_words_{};   // not before then is another line logged
};

}  // namespace portolan::node
