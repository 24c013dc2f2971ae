// The way to the application: dial, TLS as the resource's settings say, which version of HTTP; and the connections that
// are kept between requests, one for each of its hosts.
#pragma once
#include <map>
#include <memory>

#include "net/tls.h"
#include "protocols/driver.h"
#include "protocols/http/connection.h"
#include "protocols/http/settings.h"

namespace portolan::protocols::http {

struct Way {
  std::string resource;  // its name, for errors; empty: none
  const Options& options;
  const Settings& settings;
  const Secret& tls_key;
  Dial dial;                        // by the number of an address
  std::chrono::milliseconds limit;  // of TLS
};

// Of one session; on its thread.
class Application {
 public:
  explicit Application(Way way) : way_(std::move(way)) {}

  enum class For { kRequests, kWebSocket /* HTTP/1.1, never kept */ };
  // A new connection. Errors bear Hop::kResource, and the reasons of driver.h where they fit.
  net::Task<Result<std::unique_ptr<Connection>>> connect(const Host& host, For purpose);
  // One that was kept and can take a request; null if there is none.
  std::unique_ptr<Connection> take_kept(const Host& host);
  // Keeps it, if it can take another request.
  void keep(const Host& host, std::unique_ptr<Connection> connection);
  void drop_kept() { kept_.clear(); }

 private:
  struct Leg {
    std::unique_ptr<net::Stream> stream;
    std::string alpn = {};
  };
  net::Task<Result<Leg>> protect(std::unique_ptr<net::Stream> raw, const Host& host, std::vector<std::string> alpn);
  net::Task<Result<Leg>> reach(const Host& host, For purpose);
  std::unexpected<Error> failed(Error error) const;

  Way way_;
  bool no_alpn_ = false;  // the server chooses none of the protocols that are offered
  std::map<std::string, std::shared_ptr<const net::TlsClient>> tls_;  // by the host's label and what is offered
  std::map<std::string, std::unique_ptr<Connection>> kept_;           // by the host's label
};

}  // namespace portolan::protocols::http
