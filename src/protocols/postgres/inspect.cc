#include "protocols/postgres/inspect.h"

#include <algorithm>

#include <fmt/format.h>

namespace portolan::protocols::postgres {
namespace {

// A client that pipelines without reading is held back by flow control long before.
constexpr std::size_t kPendingLimit = 400'000;
constexpr std::size_t kShortText = 1024;
// Of all requests without an answer: beyond the first, texts are kept by their beginning and hash, and values by
// their number; beyond the second it is over. A server keeps its short answers back until it is asked for them or has
// enough, and a client may wait with that, and not read.
constexpr std::size_t kHeldShort = 4 * 1024 * 1024;
constexpr std::size_t kHeldLimit = 64 * 1024 * 1024;
constexpr std::size_t kErrorLimit = 1024;

// What is a part of a request's answer, with its outcome to follow.
constexpr std::string_view kAnswerParts = "DGHTWd";

// As a value that may be kept; null if there is nothing to keep.
std::shared_ptr<const audit::Parameters> shared(audit::Parameters parameters, bool kept) {
  return kept ? std::make_shared<const audit::Parameters>(std::move(parameters)) : nullptr;
}

std::shared_ptr<const Text> shared(Text text) { return std::make_shared<const Text>(std::move(text)); }

}  // namespace

Inspect::Inspect(const Clock& clock, Sink sink, ValuesReader::Keep keep)
    : clock_(clock),
      sink_(std::move(sink)),
      request_reader_(keep),
      keeps_values_(keep == ValuesReader::Keep::kValues) {}

Result<> Inspect::from_client(ByteView bytes) {
  ClientHandler handler{*this};
  return client_framer_.feed(bytes, handler);
}

Result<> Inspect::from_server(ByteView bytes) {
  ServerHandler handler{*this};
  return server_framer_.feed(bytes, handler);
}

void Inspect::ClientHandler::body(ByteView part) {
  if (owner.request_reader_.type() != 'd') return owner.request_reader_.body(part);
  (owner.client_copies_ ? *owner.copied_ : owner.sent_ahead_) += part.size();
}

Result<> Inspect::ClientHandler::end() {
  if (owner.request_reader_.type() == 'd') return {};
  PL_TRY(Request request, owner.request_reader_.end());
  return owner.on_request(std::move(request));
}

void Inspect::ServerHandler::body(ByteView part) {
  if (owner.answer_.type() == 'd' && owner.copied_) *owner.copied_ += part.size();
  owner.answer_.body(part);
}

Result<> Inspect::ServerHandler::end() {
  PL_CHECK(owner.answer_.end());
  return owner.on_answer();
}

// ---- requests ----

Result<> Inspect::on_request(Request request) {
  if (terminated_) return {};  // no server reads on
  if (request.type == 'X') terminated_ = true;
  if (skipping_ && request.type != 'S') return {};
  switch (request.type) {
    case 'Q': return enqueue({.kind = Asked::kQuery, .text = shared(std::move(request.text))});
    case 'P':
      return enqueue({.kind = Asked::kParse, .name = std::move(request.name), .text = shared(std::move(request.text))});
    case 'B':
      return enqueue({.kind = Asked::kBind,
                      .name = std::move(request.name),
                      .from = std::move(request.from),
                      .parameters = shared(std::move(request.parameters), keeps_values_)});
    case 'D':
      return enqueue({.kind = Asked::kDescribe, .of_portal = request.of_portal, .name = std::move(request.name)});
    case 'C': return enqueue({.kind = Asked::kClose, .of_portal = request.of_portal, .name = std::move(request.name)});
    case 'E': return enqueue({.kind = Asked::kExecute, .of_portal = true, .name = std::move(request.name)});
    case 'F':
      return enqueue({.kind = Asked::kFunction,
                      .text = shared({fmt::format("(call of function {})", request.function)}),
                      .parameters = shared(std::move(request.parameters), keeps_values_)});
    case 'S': return on_sync();
    case 'c':
    case 'f': return on_copy_end();
    default: return {};  // Flush, CopyData, Terminate: nothing is answered
  }
}

Result<> Inspect::on_sync() {
  skipping_ = false;
  return enqueue({.kind = Asked::kSync, .doubtful = client_copies_});
}

// Also where it was sent before the server has asked for the copy: it tells which Syncs are ignored.
Result<> Inspect::on_copy_end() {
  const std::uint64_t ahead = std::exchange(sent_ahead_, 0);
  client_copies_ = false;
  return pending_.empty() ? Result<>() : enqueue({.kind = Asked::kCopyEnd, .copied = ahead});
}

Result<> Inspect::enqueue(Pending pending) {
  if (pending_.size() >= kPendingLimit)
    return fail(Code::kLimit, fmt::format("more than {} requests without an answer", kPendingLimit), "sqlstate_54000");
  if (pending.text && held_ + pending.text->kept.size() > kHeldShort)
    pending.text = std::make_shared<const Text>(pending.text->shortened(kShortText));
  std::size_t size = pending.name.size() + pending.from.size() + (pending.text ? pending.text->kept.size() : 0);
  if (pending.parameters && held_ + bytes_of(*pending.parameters) > kHeldShort)
    pending.parameters = std::make_shared<const audit::Parameters>(audit::Parameters{{}, pending.parameters->count});
  if (pending.parameters) size += bytes_of(*pending.parameters);
  if (held_ + size > kHeldLimit)
    return fail(Code::kLimit, fmt::format("more than {} bytes of requests without an answer", kHeldLimit),
                "sqlstate_54000");
  // What a client sends ahead of a copy comes behind the request for it.
  if (pending.kind == Asked::kQuery || pending.kind == Asked::kExecute) sent_ahead_ = 0;
  pending.held = Held(held_, size);
  pending.started = clock_.wall();
  pending.since = clock_.boot();
  pending_.push_back(std::move(pending));
  return {};
}

// ---- answers ----

Inspect::Pending* Inspect::front() {
  while (!pending_.empty() && pending_.front().kind == Asked::kCopyEnd) pending_.pop_front();
  return pending_.empty() ? nullptr : &pending_.front();
}

Result<> Inspect::on_answer() {
  const char type = answer_.type();
  if (type == 'E') return on_error(parse_server_error(as_bytes(answer_.kept())));
  if (comes_unasked(type)) return {};
  if (!belongs(type))
    return fail(Code::kProtocol, "the server answered with " + quoted_type(type) + ", which nothing asked for");
  answered_ = answered_ || kAnswerParts.contains(type);
  switch (type) {
    case '1':
    case '2':
    case '3': return on_confirmed();
    case 'D': ++rows_; return {};
    case 'C': {
      const std::string tag = answer_.kept().substr(0, answer_.kept().size() - 1);
      const auto counted = rows_of_tag(tag);
      return on_complete({.rows = counted ? counted : rows_seen(), .tag = to_utf8(tag, kErrorLimit)});
    }
    case 'I':
    case 'V': return on_complete({});
    case 's': return on_complete({.rows = rows_});
    case 'Z': on_ready(answer_.kept().front()); return {};
    case 'G': on_copy(Copying::kIn); return {};
    case 'H': on_copy(Copying::kOut); return {};
    case 'W': on_copy(Copying::kBoth); return {};
    case 'c': copying_ = Copying::kNone; return {};
    case 't': pending_.front().outcomes = 1; return {};
    case 'T':
    case 'n':
      if (pending_.front().kind == Asked::kDescribe) {
        pending_.pop_front();
        answered_ = false;
      }
      return {};
    default: return {};  // 'd'
  }
}

// Whether the message can be an answer to the front as it stands.
bool Inspect::belongs(char type) {
  for (;;) {
    const Pending* at = front();
    if (at == nullptr) return false;
    bool fits = answers(type, at->kind);
    if (type == 'Z') {
      fits = fits && (at->kind == Asked::kSync || at->settled || at->outcomes > 0);
    } else if (at->settled) {
      fits = false;
    } else if (at->kind == Asked::kDescribe) {
      // Of a statement the parameters are told first.
      fits = fits && (type == 't' ? !at->of_portal && at->outcomes == 0 : at->of_portal || at->outcomes == 1);
    } else if (copying_ == Copying::kIn) {
      fits = type == 'C';
    } else {
      const bool of_copy = type == 'd' || type == 'c';
      fits = fits && of_copy == (copying_ == Copying::kOut || copying_ == Copying::kBoth);
    }
    if (fits || at->settled || copying_ != Copying::kNone || !drop_to_doubtful_sync(type)) return fits;
  }
}

// An answer that does not fit belongs behind a Sync that a copy has ignored, with all that the server skipped up to
// there.
bool Inspect::drop_to_doubtful_sync(char type) {
  const auto doubtful = std::ranges::find(pending_, true, &Pending::doubtful);
  if (doubtful == pending_.end()) return false;
  const bool stays = type == 'Z' && doubtful != pending_.begin();
  pending_.erase(pending_.begin(), stays ? doubtful : std::next(doubtful));
  return true;
}

Result<> Inspect::on_confirmed() {
  const Pending confirmed = std::move(pending_.front());
  pending_.pop_front();
  if (confirmed.kind == Asked::kParse) return statements_.put(confirmed.name, {confirmed.text});
  if (confirmed.kind == Asked::kBind) return portals_.put(confirmed.name, meaning_of(confirmed));
  (confirmed.of_portal ? portals_ : statements_).erase(confirmed.name);
  return {};
}

// CommandComplete and its like. A simple query may hold several statements; each is recorded.
Result<> Inspect::on_complete(Outcome outcome) {
  Pending& at = pending_.front();
  const std::string tag = outcome.tag.value_or("");
  PL_CHECK(record(at, std::move(outcome)));
  PL_CHECK(on_names(at, tag));
  const Asked kind = at.kind;
  at.noted = false;
  if (kind == Asked::kFunction) at.settled = true;
  if (answer_.type() == 'C' && kind == Asked::kQuery) portals_.erase("");  // it took its place
  if (answer_.type() == 'C') drop_ignored_syncs();                         // from here on `at` may have been moved
  forget_answer();
  if (kind == Asked::kExecute) pending_.pop_front();
  return {};
}

Result<> Inspect::on_error(const ServerError& error) {
  server_said_why_ = error.severity == "FATAL" || error.severity == "PANIC";
  Pending* at = front();
  if (at == nullptr) return {};  // the server's own, such as its shutdown
  if (!at->settled)
    PL_CHECK(record(
        *at,
        {.rows = rows_seen(), .error_code = to_utf8(error.code, 5), .error = to_utf8(error.message, kErrorLimit)}));
  forget_answer();
  if (at->kind == Asked::kQuery || at->kind == Asked::kFunction || at->kind == Asked::kSync) {
    at->settled = true;  // ReadyForQuery follows by itself
    return {};
  }
  if (at->kind == Asked::kParse && at->name.empty()) statements_.erase("");  // gone before the new one was looked at
  skip_to_sync();
  return {};
}

void Inspect::skip_to_sync() {
  while (!pending_.empty() && pending_.front().kind != Asked::kSync) pending_.pop_front();
  skipping_ = pending_.empty();
}

void Inspect::on_ready(char transaction) {
  forget_answer();
  skipping_ = false;
  if (transaction == 'I') portals_.end_of_transaction();
  const Pending done = std::move(pending_.front());
  pending_.pop_front();
  if (done.kind == Asked::kQuery) statements_.erase("");
  if (!done.doubtful) return;
  // It may have been the next one's.
  const auto certain = [](const Pending& p) { return p.kind == Asked::kSync && !p.doubtful; };
  if (const auto next = std::ranges::find_if(pending_, certain); next != pending_.end()) next->doubtful = true;
}

void Inspect::forget_answer() {
  rows_ = 0;
  answered_ = false;
  copied_.reset();
  copying_ = Copying::kNone;
  client_copies_ = false;
}

// The server now takes CopyData, and ignores Sync and Flush until CopyDone or CopyFail.
void Inspect::on_copy(Copying copying) {
  copying_ = copying;
  copied_ = 0;
  if (copying == Copying::kOut) return;
  auto next = std::next(pending_.begin());
  for (; next != pending_.end() && next->kind == Asked::kSync; ++next) next->doubtful = true;
  client_copies_ = next == pending_.end();
  if (client_copies_) {
    copied_ = std::exchange(sent_ahead_, 0);
  } else if (next->kind == Asked::kCopyEnd) {
    copied_ = next->copied;
  }
}

// A copy has ended well: the server had read its end and has ignored the Syncs before it.
void Inspect::drop_ignored_syncs() {
  if (copying_ != Copying::kIn) return;
  for (auto it = std::next(pending_.begin()); it != pending_.end();) {
    const bool end = it->kind == Asked::kCopyEnd;
    if (!end && !it->doubtful) return;
    it = pending_.erase(it);
    if (end) return;
  }
}

}  // namespace portolan::protocols::postgres
