// Where releases come from: the tree of `portolan release publish` behind any web server.
#pragma once
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "net/http/client.h"

namespace portolan::update {

// "https://downloads.us.example[:PORT][/PREFIX]". Plain http only to an address of this machine: what is signed needs
// no TLS, but without it anybody on the way can keep us from seeing what is new.
struct Url {
  bool tls = true;
  std::string host;
  std::uint16_t port = 443;
  std::string prefix;  // "" or "/a/b"
};
Result<Url> parse_url(std::string_view text);
std::string to_text(const Url& url);

struct SourceOptions {
  Url url;
  // Authorities beside the machine's own, PEM.
  std::string ca_pem = {};
  std::chrono::milliseconds connect_limit = std::chrono::seconds(15);
};

// One loop. Requests one at a time.
class Source {
 public:
  static Result<std::unique_ptr<Source>> make(SourceOptions options);
  // For tests, and for other transports: `connect` gives a connection to the server.
  Source(net::http::Connect connect, std::string host, std::string prefix);

  // A document, at most `limit` bytes; none if the server has none (404).
  net::Task<Result<std::optional<std::string>>> document(std::string path, std::size_t limit);
  // A file from byte `offset` on. The answer's status is 200, 206 or 416; anything else is an error.
  net::Task<Result<std::unique_ptr<net::http::Pieces>>> file(std::string path, std::uint64_t offset);
  const std::string& host() const { return host_; }

 private:
  std::string host_;  // with its port, as in a URL
  std::string prefix_;
  net::http::Client documents_;
};

}  // namespace portolan::update
