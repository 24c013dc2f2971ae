// Where a gateway takes links over WebSocket: HTTP with one path, all else is 404. What is found inside a WebSocket is
// a path like any other: the link on it proves itself (acceptor.h). Strangers are held as the gateway's own port holds
// them.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "net/admission.h"
#include "net/tls.h"
#include "node/node.h"

namespace portolan::node {

// One loop. stop() before destruction.
class WebEntrance {
 public:
  using OnPath = std::function<void(std::unique_ptr<net::Stream>)>;
  // Code::kInvalid for files that cannot be used, and for plain HTTP anywhere but on loopback.
  static Result<std::unique_ptr<WebEntrance>> start(const net::Executor& executor, const NodeOptions& options,
                                                    OnPath on_path);
  net::Endpoint local() const { return listener_->local(); }
  // Nobody new; what has been accepted goes on.
  void close() { listener_.reset(); }
  net::Task<> stop();

 private:
  WebEntrance(const net::Executor& executor, const NodeOptions& options, OnPath on_path);
  void begin(std::unique_ptr<net::Stream> stream);
  net::Task<> serve(std::unique_ptr<net::Stream> stream);
  Result<> load();
  void look_again();

  WebListen web_;
  std::size_t handshakes_;
  std::chrono::milliseconds limit_;
  OnPath on_path_;
  std::shared_ptr<const net::TlsServer> tls_;  // none: plain HTTP
  std::vector<std::filesystem::file_time_type> loaded_;
  net::Admission admission_;
  net::Timer look_;
  std::unique_ptr<net::Listener> listener_;
  bool stopping_ = false;
  net::TaskGroup tasks_;
};

}  // namespace portolan::node
