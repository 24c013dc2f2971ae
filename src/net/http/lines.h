// Inside net/http/ only: one answer of a server as it arrives.
#pragma once
#include <memory>
#include <string>

#include "net/http/client.h"
#include "net/http/codec.h"

namespace portolan::net::http {

// A connection as a client keeps it.
struct Wire {
  explicit Wire(std::unique_ptr<Stream> connected) : stream(std::move(connected)), reader(*stream) {}
  std::unique_ptr<Stream> stream;
  Reader reader;
};

class StreamedLines final : public Lines {
 public:
  StreamedLines(std::unique_ptr<Wire> wire, std::unique_ptr<Parser> parser, Response head)
      : wire_(std::move(wire)), parser_(std::move(parser)), head_(std::move(head)) {}
  const Response& head() const override { return head_; }
  Task<Result<std::string>> next(std::chrono::milliseconds silence, std::size_t limit) override;

 private:
  std::unique_ptr<Wire> wire_;
  std::unique_ptr<Parser> parser_;
  Response head_;
  std::string pending_;       // of the body, not yet given out
  std::size_t searched_ = 0;  // so much of it has no line end
};

class StreamedPieces final : public Pieces {
 public:
  StreamedPieces(std::unique_ptr<Wire> wire, std::unique_ptr<Parser> parser, Response head)
      : wire_(std::move(wire)), parser_(std::move(parser)), head_(std::move(head)) {}
  const Response& head() const override { return head_; }
  Task<Result<std::string>> next(std::chrono::milliseconds silence) override;

 private:
  std::unique_ptr<Wire> wire_;
  std::unique_ptr<Parser> parser_;
  Response head_;
};

}  // namespace portolan::net::http
