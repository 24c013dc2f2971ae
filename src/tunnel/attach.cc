#include "tunnel/attach.h"

#include "base/log.h"

namespace portolan::tunnel {
namespace {

constexpr std::chrono::milliseconds kRefusalLimit{2'000};

struct Frame {
  PipeHead head;
  Bytes body;
};

// The next frame of an attach, which is never long.
net::Task<Result<Frame>> read_frame(net::Reader& reader) {
  CO_CHECK(co_await reader.fill(kPipeHead));
  CO_TRY(const PipeHead head, decode_pipe_head(reader.data().first(kPipeHead)));
  if (head.type != PipeFrame::kAttach && head.type != PipeFrame::kAttached && head.type != PipeFrame::kRefused)
    co_return fail(Code::kProtocol, "a frame of a pipe before its attach");
  reader.consume(kPipeHead);
  CO_TRY(Bytes body, co_await reader.take(head.length));
  co_return Frame{head, std::move(body)};
}

Error explain(AttachRefusal why) {
  switch (why) {
    case AttachRefusal::kStale: return {Code::kUnavailable, "a newer link has taken the place of this one"};
    case AttachRefusal::kLimit: return {Code::kLimit, "the egress node has too many connections of this account"};
    case AttachRefusal::kImpossible:
      return {Code::kIo, "the egress node has lost what was under way", std::string(kPipeUnknown), Hop::kAgent};
    default:
      return {Code::kIo, "the egress node does not know this connection any more; it was restarted",
              std::string(kPipeUnknown), Hop::kAgent};
  }
}

}  // namespace

std::unexpected<Error> of_the_way(Error why) {
  if (why.reason == kPipeUnknown) why.reason.clear();
  return std::unexpected(std::move(why));
}

net::Task<Result<>> attach(std::shared_ptr<Pipe> pipe, FreshLink link, std::chrono::milliseconds limit) {
  const Bytes words = encode(pipe->propose(link.binding));
  if (auto written = co_await net::write(*link.stream, words); !written) co_return of_the_way(written.error());
  const auto answer = co_await net::with_timeout(read_frame(*link.reader), limit);
  if (!answer) co_return of_the_way(answer.error());
  if (answer->head.type == PipeFrame::kRefused) {
    CO_TRY(const AttachRefusal why, decode_refused(answer->body));
    co_return std::unexpected(explain(why));
  }
  if (answer->head.type != PipeFrame::kAttached) co_return fail(Code::kProtocol, "no answer to an attach");
  CO_TRY(const Attached attached, decode_attached(answer->body));
  Bytes rest = link.reader->take_rest();
  co_return pipe->confirm(attached, link.binding, std::move(link.stream), std::move(rest));
}

net::Task<Result<Attach>> read_attach(FreshLink& link, std::chrono::milliseconds limit) {
  CO_TRY(const Frame frame, co_await net::with_timeout(read_frame(*link.reader), limit));
  if (frame.head.type != PipeFrame::kAttach) co_return fail(Code::kProtocol, "no attach");
  co_return decode_attach(frame.body);
}

net::Task<> refuse_attach(std::unique_ptr<net::Stream> link, AttachRefusal why) {
  const Bytes words = encode(why);
  auto told = co_await net::write(*link, words);
  if (told) told = co_await net::finish(*link, kRefusalLimit);
  if (!told) log::debug("the refusal of an attach was not read", {{"why", told.error()}});
}

}  // namespace portolan::tunnel
