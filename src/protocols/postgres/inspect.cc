#include "protocols/postgres/inspect.h"

#include <fmt/format.h>

namespace portolan::protocols::postgres {
namespace {

// A client that pipelines without reading is held back by flow control long before.
constexpr std::size_t kPendingLimit = 400'000;
constexpr std::size_t kNamesLimit = 32'768;
constexpr std::size_t kTextsBytes = 16 * 1024 * 1024;
constexpr std::size_t kShortText = 1024;
// Of all requests without an answer: beyond the first, texts are kept by their beginning and hash; beyond the second
// it is over. A server keeps its short answers back until it is asked for them or has enough, and a client may wait
// with that, and not read.
constexpr std::size_t kHeldShort = 4 * 1024 * 1024;
constexpr std::size_t kHeldLimit = 64 * 1024 * 1024;
constexpr std::size_t kErrorLimit = 1024;

// What the server may send after sign-in. Answers in order; the rest may come at any time or carry rows and copies.
constexpr std::string_view kServerTypes = "123ACDEGHINSTVWZcdnst";

// What is a part of a request's answer, with its outcome to follow.
constexpr std::string_view kAnswerParts = "DGHTWd";

// Bytes of a body that are looked at; all else passes unread.
std::size_t needed(char type) {
  switch (type) {
    case 'C': return 256;
    case 'E': return 4096;
    case 'Z': return 1;
    default: return 0;
  }
}

Error out_of_order(char type) {
  return Error{Code::kProtocol, "the server answered with " + quoted_type(type) + ", which nothing asked for"};
}

}  // namespace

// ---- names ----

Result<> NamedTexts::put(const std::string& name, Shared text) {
  erase(name);
  if (texts_.size() >= kNamesLimit)
    return fail(Code::kLimit, fmt::format("more than {} named statements or portals at a time", kNamesLimit),
                "sqlstate_54000");
  if (bytes_ + text->kept.size() > kTextsBytes) text = std::make_shared<const Text>(text->shortened(kShortText));
  bytes_ += text->kept.size();
  texts_.emplace(name, std::move(text));
  return {};
}

NamedTexts::Shared NamedTexts::find(const std::string& name) const {
  const auto it = texts_.find(name);
  return it == texts_.end() ? nullptr : it->second;
}

void NamedTexts::erase(const std::string& name) {
  const auto it = texts_.find(name);
  if (it == texts_.end()) return;
  bytes_ -= it->second->kept.size();
  texts_.erase(it);
}

void NamedTexts::clear() {
  texts_.clear();
  bytes_ = 0;
}

// ---- both directions ----

Inspect::Inspect(const Clock& clock, Sink sink) : clock_(clock), sink_(std::move(sink)) {}

Result<> Inspect::from_client(ByteView bytes) {
  ClientHandler handler{*this, request_reader_};
  return client_framer_.feed(bytes, handler);
}

Result<> Inspect::from_server(ByteView bytes) {
  ServerHandler handler{*this};
  return server_framer_.feed(bytes, handler);
}

Result<> Inspect::ClientHandler::end() {
  if (reader.type() == 'd') return {};
  PL_TRY(Request request, reader.end());
  return owner.on_request(std::move(request));
}

Result<> Inspect::ServerHandler::begin(Header header) {
  if (!kServerTypes.contains(header.type))
    return fail(Code::kProtocol, "unknown message type " + quoted_type(header.type) + " from the server");
  owner.answer_type_ = header.type;
  owner.answer_keep_ = needed(header.type);
  return {};
}

void Inspect::ServerHandler::body(ByteView part) {
  if (owner.answer_.size() < owner.answer_keep_)
    owner.answer_ += as_text(part.first(std::min(part.size(), owner.answer_keep_ - owner.answer_.size())));
}

Result<> Inspect::ServerHandler::end() { return owner.on_answer(owner.answer_type_); }

// ---- requests ----

Result<> Inspect::on_request(Request request) {
  using Kind = Pending::Kind;
  const auto shared = [](Text text) { return std::make_shared<const Text>(std::move(text)); };
  if (request.type == 'X') terminated_ = true;
  if (skipping_ && request.type == 'S') {
    skipping_ = false;
  } else if (skipping_) {
    return {};
  }
  switch (request.type) {
    case 'Q': return enqueue({.kind = Kind::kQuery, .text = shared(std::move(request.text))});
    case 'P':
      return enqueue({.kind = Kind::kParse, .name = std::move(request.name), .text = shared(std::move(request.text))});
    case 'B': return enqueue({.kind = Kind::kBind, .name = std::move(request.name), .from = std::move(request.from)});
    case 'D':
      return enqueue({.kind = Kind::kDescribe, .of_portal = request.of_portal, .name = std::move(request.name)});
    case 'C': return enqueue({.kind = Kind::kClose, .of_portal = request.of_portal, .name = std::move(request.name)});
    case 'E': return enqueue({.kind = Kind::kExecute, .of_portal = true, .name = std::move(request.name)});
    case 'F':
      return enqueue(
          {.kind = Kind::kFunction, .text = shared({fmt::format("(call of function {})", request.function)})});
    case 'S': return copying_in_ ? Result<>() : enqueue({.kind = Kind::kSync});
    case 'c':
    case 'f':
      // Sent before the server has asked for the copy: remembered, since it tells which Sync ends what.
      if (!copying_in_ && !pending_.empty()) return enqueue({.kind = Kind::kCopyEnd});
      copying_in_ = false;
      return {};
    default: return {};  // Flush, CopyData, Terminate: nothing is answered
  }
}

Result<> Inspect::enqueue(Pending pending) {
  if (pending_.size() >= kPendingLimit)
    return fail(Code::kLimit, fmt::format("more than {} requests without an answer", kPendingLimit), "sqlstate_54000");
  if (pending.text && held_ + pending.text->kept.size() > kHeldShort)
    pending.text = std::make_shared<const Text>(pending.text->shortened(kShortText));
  const std::size_t size = pending.name.size() + pending.from.size() + (pending.text ? pending.text->kept.size() : 0);
  if (held_ + size > kHeldLimit)
    return fail(Code::kLimit, fmt::format("more than {} bytes of requests without an answer", kHeldLimit),
                "sqlstate_54000");
  pending.held = Held(held_, size);
  pending.started = clock_.wall();
  pending.since = clock_.boot();
  pending_.push_back(std::move(pending));
  return {};
}

// ---- answers ----

Inspect::Pending* Inspect::front() {
  while (!pending_.empty() && pending_.front().kind == Pending::Kind::kCopyEnd) pending_.pop_front();
  return pending_.empty() ? nullptr : &pending_.front();
}

Result<> Inspect::on_answer(char type) {
  const std::string body = std::exchange(answer_, {});
  answered_ = answered_ || kAnswerParts.contains(type);
  switch (type) {
    case '1': return on_confirmed(Pending::Kind::kParse);
    case '2': return on_confirmed(Pending::Kind::kBind);
    case '3': return on_confirmed(Pending::Kind::kClose);
    case 'D': ++rows_; return {};
    case 'C': {
      const std::string tag = body.substr(0, body.find('\0'));
      return on_complete({.rows = rows_of_tag(tag), .tag = to_utf8(tag, kErrorLimit)});
    }
    case 'I': return on_complete({});
    case 's': return on_complete({.rows = rows_});
    case 'V': return on_complete({});
    case 'E': return on_error(parse_server_error(as_bytes(body)));
    case 'Z': return on_ready(body.empty() ? '\0' : body.front());
    case 'G':
    case 'W': on_copy_in(); return {};
    case 'T':
    case 'n':
      if (const Pending* at = front(); at != nullptr && at->kind == Pending::Kind::kDescribe) {
        pending_.pop_front();
        answered_ = false;
      }
      return {};
    default: return {};  // rows of a copy, parameter values, notices, notifications
  }
}

Result<> Inspect::on_confirmed(Pending::Kind kind) {
  const Pending* at = front();
  if (at == nullptr || at->kind != kind) return std::unexpected(out_of_order(answer_type_));
  const Pending confirmed = std::move(pending_.front());
  pending_.pop_front();
  if (kind == Pending::Kind::kParse) return statements_.put(confirmed.name, confirmed.text);
  if (kind == Pending::Kind::kBind) return portals_.put(confirmed.name, text_of(confirmed));
  (confirmed.of_portal ? portals_ : statements_).erase(confirmed.name);
  return {};
}

// CommandComplete and its like. A simple query may hold several statements; each is recorded, the next begins with this
// end.
Result<> Inspect::on_complete(Outcome outcome) {
  using Kind = Pending::Kind;
  Pending* at = front();
  const bool fits = at != nullptr && !at->settled &&
                    (answer_type_ == 'V'   ? at->kind == Kind::kFunction
                     : answer_type_ == 's' ? at->kind == Kind::kExecute
                                           : at->kind == Kind::kExecute || at->kind == Kind::kQuery);
  if (!fits) return std::unexpected(out_of_order(answer_type_));
  // DISCARD ALL and its like drop the prepared statements of both ways.
  if (outcome.tag == "DISCARD ALL" || outcome.tag == "DEALLOCATE ALL") statements_.clear();
  PL_CHECK(record(*at, std::move(outcome)));
  rows_ = 0;
  answered_ = false;
  at->noted = false;
  copying_in_ = false;
  if (at->kind == Kind::kExecute) {
    pending_.pop_front();
  } else if (at->kind == Kind::kFunction) {
    at->settled = true;
  } else {
    at->started = clock_.wall();
    at->since = clock_.boot();
  }
  return {};
}

Result<> Inspect::on_error(const ServerError& error) {
  using Kind = Pending::Kind;
  Pending* at = front();
  if (at == nullptr) return {};  // the server's own, such as its shutdown
  PL_CHECK(record(*at, {.error_code = to_utf8(error.code, 5), .error = to_utf8(error.message, kErrorLimit)}));
  rows_ = 0;
  answered_ = false;
  copying_in_ = false;
  if (at->kind == Kind::kQuery || at->kind == Kind::kFunction || at->kind == Kind::kSync) {
    at->settled = true;  // ReadyForQuery follows by itself
  } else {
    skip_to_sync();
  }
  return {};
}

void Inspect::skip_to_sync() {
  while (!pending_.empty() && pending_.front().kind != Pending::Kind::kSync) pending_.pop_front();
  skipping_ = pending_.empty();
}

Result<> Inspect::on_ready(char transaction) {
  using Kind = Pending::Kind;
  rows_ = 0;
  answered_ = false;
  copying_in_ = false;
  skipping_ = false;
  if (transaction == 'I') portals_.clear();  // portals end with their transaction
  const Pending* at = front();
  if (at == nullptr) return {};
  if (at->kind != Kind::kQuery && at->kind != Kind::kFunction && at->kind != Kind::kSync)
    return std::unexpected(out_of_order('Z'));
  if (at->kind == Kind::kQuery) {
    statements_.erase("");  // a simple query takes the place of both unnamed ones
    portals_.erase("");
  }
  pending_.pop_front();
  return {};
}

// The server now takes CopyData, and ignores Sync and Flush until CopyDone or CopyFail: those already sent get no
// answer.
void Inspect::on_copy_in() {
  if (front() == nullptr) return;
  auto next = std::next(pending_.begin());
  while (next != pending_.end() && next->kind == Pending::Kind::kSync) next = pending_.erase(next);
  copying_in_ = next == pending_.end();
  if (!copying_in_ && next->kind == Pending::Kind::kCopyEnd) pending_.erase(next);
}

// ---- records ----

NamedTexts::Shared Inspect::text_of(const Pending& pending) const {
  using Kind = Pending::Kind;
  if (pending.text) return pending.text;
  if (pending.kind == Kind::kSync)
    return std::make_shared<const Text>(Text{"(commit at the end of an implicit transaction)"});
  const bool portal = pending.kind != Kind::kBind && pending.of_portal;
  const std::string& name = pending.kind == Kind::kBind ? pending.from : pending.name;
  if (auto known = (portal ? portals_ : statements_).find(name)) return known;
  return std::make_shared<const Text>(
      Text{fmt::format("({} {}, made by SQL)", portal ? "cursor" : "prepared statement", quoted(name))});
}

Result<> Inspect::note_under_way() {
  using Kind = Pending::Kind;
  Pending* at = front();
  const bool part = answered_ || !at_server_boundary();
  if (at == nullptr || at->noted || at->settled || !part) return {};
  if (at->kind != Kind::kQuery && at->kind != Kind::kExecute && at->kind != Kind::kFunction) return {};
  at->noted = true;
  return record(*at, {}, audit::Query::Stage::kUnderWay);
}

Result<> Inspect::record(const Pending& pending, Outcome outcome, audit::Query::Stage stage) {
  const auto text = text_of(pending);
  audit::Query query;
  query.text = to_utf8(text->kept, audit::kTextLimit);
  if (text->sha256 || query.text != text->kept) {
    query.text_sha256 = text->sha256 ? *text->sha256 : hex(crypto::sha256(as_bytes(text->kept)));
    query.text_length = text->length;
  }
  query.stage = stage;
  query.started = pending.started;
  query.duration = std::chrono::duration_cast<std::chrono::microseconds>(clock_.boot() - pending.since);
  query.rows = outcome.rows;
  query.tag = std::move(outcome.tag);
  query.error_code = std::move(outcome.error_code);
  query.error = std::move(outcome.error);
  return sink_(std::move(query));
}

Result<> Inspect::connection_lost() {
  using Kind = Pending::Kind;
  Result<> first;
  for (; !pending_.empty(); pending_.pop_front()) {
    const Pending& at = pending_.front();
    if (at.kind == Kind::kParse || at.kind == Kind::kBind) {
      // As if the server had confirmed them: what was sent behind them may have run.
      const auto put = at.kind == Kind::kParse ? statements_.put(at.name, at.text) : portals_.put(at.name, text_of(at));
      if (!put && first) first = put;
    }
    if ((at.kind != Kind::kQuery && at.kind != Kind::kExecute && at.kind != Kind::kFunction) || at.settled) continue;
    const auto kept = record(at, {.error = "connection lost"});
    if (!kept && first) first = kept;
  }
  return first;
}

}  // namespace portolan::protocols::postgres
