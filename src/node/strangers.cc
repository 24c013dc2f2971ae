#include "node/strangers.h"

#include <algorithm>

#include "base/log.h"

namespace portolan::node {
namespace {

constexpr std::size_t kHeadLimit = 8 * 1024;
constexpr std::chrono::milliseconds kGoodbye = std::chrono::seconds(1);
constexpr std::chrono::minutes kWordsEvery{1};
constexpr std::string_view kBody = "404 Not Found: this is a node of Portolan, and no web server.\n";

// Who has asked for what is not looked at, but for whether the answer may have a body.
std::string answer_to(std::string_view head) {
  std::string answer =
      "HTTP/1.1 404 Not Found\r\n"
      "Content-Type: text/plain; charset=utf-8\r\n"
      "Content-Length: " +
      std::to_string(kBody.size()) +
      "\r\n"
      "Cache-Control: no-store\r\n"
      "Connection: close\r\n\r\n";
  if (!head.starts_with("HEAD ")) answer += kBody;
  return answer;
}

// "METHOD TARGET HTTP/1.x" and lines behind it, to an empty one; none: it is something else, or too long.
net::Task<Result<std::string>> read_head(net::TlsStream& stream) {
  std::string head;
  while (head.size() < kHeadLimit) {
    CO_TRY(const auto more, co_await net::read(stream));
    if (more.empty()) co_return fail(Code::kEof, "the connection ended early");
    const std::size_t from = head.size() < 3 ? 0 : head.size() - 3;
    head.append(as_text(more.data()).substr(0, kHeadLimit - head.size()));
    if (head.front() < 'A' || head.front() > 'Z') co_return fail(Code::kProtocol, "not HTTP");
    if (head.find("\r\n\r\n", from) != head.npos) co_return head;
  }
  co_return fail(Code::kLimit, "the head is too long");
}

net::Task<Result<>> serve(net::TlsStream& stream) {
  CO_TRY(const auto head, co_await read_head(stream));
  const std::string answer = answer_to(head);
  CO_CHECK(co_await net::write(stream, as_bytes(answer)));
  co_return co_await net::finish(stream, kGoodbye);
}

}  // namespace

std::vector<net::TlsServerPurpose> stranger_purposes(const net::TlsIdentity& identity) {
  std::vector<net::TlsServerPurpose> purposes(2);
  purposes[0].alpn = {"http/1.1"};
  for (auto& purpose : purposes) purpose.identity = identity;
  return purposes;
}

net::Task<> Strangers::answer(std::unique_ptr<net::TlsStream> stream, std::chrono::milliseconds limit) {
  const std::string peer = stream->describe();
  const auto served = co_await net::with_timeout(serve(*stream), limit);
  if (served) {
    note(peer);
  } else {
    log::debug("a stranger was not answered", {{"peer", peer}, {"why", served.error()}});
  }
}

// A balancer asks every other second, and anyone may: so one line a minute, that says how many there were.
void Strangers::note(const std::string& peer) {
  ++answered_;
  if (clock_.boot() < next_words_) return;
  next_words_ = clock_.boot() + kWordsEvery;
  log::info("told somebody by HTTPS that there is no web server here",
            {{"peer", peer}, {"others_since", answered_ - told_ - 1}});
  told_ = answered_;
}

}  // namespace portolan::node
