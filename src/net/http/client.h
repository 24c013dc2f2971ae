// An HTTP/1.1 client over any Stream, for our own API: keeps one connection, makes a new one when that has gone.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "net/http/message.h"
#include "net/stream.h"

namespace portolan::net::http {

using Connect = std::function<Task<Result<std::unique_ptr<Stream>>>()>;

// The body of a streamed answer, line by line (JSON lines of a watch).
class Lines {
 public:
  virtual ~Lines() = default;
  virtual const Response& head() const = 0;
  // The next line without its end; Code::kEof at the end of the body, Code::kIo if it breaks off; longer than `limit`
  // bytes is Code::kLimit; nothing for `silence` is Code::kTimeout (a watch sends heartbeats), after which it may be
  // called again.
  virtual Task<Result<std::string>> next(std::chrono::milliseconds silence, std::size_t limit) = 0;
};

// The body of an answer in the pieces in which it arrives, for what is too large to be kept.
class Pieces {
 public:
  virtual ~Pieces() = default;
  virtual const Response& head() const = 0;
  // The next bytes, at most what one read brings; empty at the end of the body. Code::kIo or kEof if it breaks off,
  // Code::kTimeout when nothing comes for `silence`.
  virtual Task<Result<std::string>> next(std::chrono::milliseconds silence) = 0;
};

// One at a time: a request that is made while another is under way waits for it. On one loop.
class Client {
 public:
  // `host` goes into the Host header.
  Client(Connect connect, std::string host, Limits limits = {});
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  // Sends and reads the whole answer within `limit`. A kept connection that turns out closed before any byte of the
  // answer is replaced once, for methods that may be repeated (GET, HEAD, PUT, DELETE) or requests with an
  // Idempotency-Key.
  Task<Result<Response>> request(Request request, std::chrono::milliseconds limit);
  // Opens a streamed answer on a connection of its own. A status other than 200 is returned as the head with its body
  // as lines.
  Task<Result<std::unique_ptr<Lines>>> open(Request request, std::chrono::milliseconds limit);
  // The same as pieces. `limit` is for the connection and the head; the body may be of any length.
  Task<Result<std::unique_ptr<Pieces>>> open_pieces(Request request, std::chrono::milliseconds limit);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace portolan::net::http
