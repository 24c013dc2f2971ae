// The server's connections from their first byte on: the TLS handshake, bounded in number and time, then HTTP.
// Connections that have not said a word are kept by net::Admission before they come here.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "control/options.h"
#include "net/http/sites.h"
#include "net/tcp.h"
#include "net/tls.h"

namespace portolan::control {

class Connections {
 public:
  struct Served {
    std::shared_ptr<const net::TlsServer> tls;
    const net::http::Router* router = nullptr;
    net::http::ServerOptions public_http;
    net::http::ServerOptions internal_http;  // for callers who have shown a certificate: larger bodies
  };
  Connections(net::Executor executor, const ServerOptions& options, Served served)
      : executor_(std::move(executor)), options_(options), served_(std::move(served)), beside_(options.beside) {
    served_.public_http.draining = served_.internal_http.draining = &draining_;
    for (auto& site : beside_) site.http.draining = &draining_;
  }

  // When too many shake hands, in all or from one address, the one that has been at it longest makes room: an honest
  // handshake takes milliseconds. When there are too many connections the new one is closed.
  void add(std::unique_ptr<net::TcpStream> stream);
  // For handshakes from now on.
  void use(std::shared_ptr<const net::TlsServer> tls) { served_.tls = std::move(tls); }
  std::size_t size() const { return entries_.size(); }
  // They take no further request; those of HTTP/2 say so.
  void drain() { draining_.stop.stop(Error{Code::kUnavailable, "the server is stopping", {}, Hop::kUnknown}); }
  // Whether one of them has an answer that is being made or sent.
  bool busy() const { return draining_.busy > 0; }
  // Ends them all.
  net::Task<> stop();

 private:
  struct Entry {
    Entry(const net::Executor& executor, std::string from) : address(std::move(from)), tasks(executor) {}
    std::string address;
    bool shaking = true;
    net::TaskGroup tasks;
  };
  net::Task<> serve(std::uint64_t id, std::unique_ptr<net::TcpStream> stream);
  void make_room_for(const std::string& address);
  void reap(std::uint64_t id);

  const net::Executor executor_;
  const ServerOptions& options_;
  Served served_;
  std::vector<net::http::Site> beside_;  // on the public name only
  net::http::Draining draining_;
  std::map<std::uint64_t, std::unique_ptr<Entry>> entries_;
  std::map<std::uint64_t, Entry*> shaking_;  // by age
  std::uint64_t next_ = 0;
  bool stopping_ = false;
};

}  // namespace portolan::control
