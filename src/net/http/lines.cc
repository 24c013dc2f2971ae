#include "net/http/lines.h"

#include <fmt/format.h>

namespace portolan::net::http {

Task<Result<std::string>> StreamedLines::next(std::chrono::milliseconds silence, std::size_t limit) {
  while (true) {
    const std::size_t end = pending_.find('\n', searched_);
    const std::size_t length = std::min(end, pending_.size());
    if (length > limit) co_return fail(Code::kLimit, fmt::format("line is longer than {} bytes", limit));
    const bool ended = parser_->done();
    if (end == std::string::npos && ended && pending_.empty()) co_return fail(Code::kEof, "the answer has ended");
    if (end != std::string::npos || ended) {
      std::string line = pending_.substr(0, length);
      if (line.ends_with('\r')) line.pop_back();
      pending_.erase(0, std::min(length + 1, pending_.size()));
      searched_ = 0;
      co_return line;
    }
    searched_ = pending_.size();
    CO_CHECK(co_await with_timeout(read_piece(wire_->reader, *parser_, pending_), silence));
  }
}

Task<Result<std::string>> StreamedPieces::next(std::chrono::milliseconds silence) {
  std::string piece;
  while (piece.empty() && !parser_->done()) {
    CO_CHECK(co_await with_timeout(read_piece(wire_->reader, *parser_, piece), silence));
  }
  co_return piece;
}

}  // namespace portolan::net::http
