// An answer on its way back: which names the client sees, how its body is framed, and its record, which is kept before
// the last of it goes.
#include "net/wait.h"
#include "protocols/http/hop.h"
#include "protocols/http/rewrite.h"
#include "protocols/http/serving.h"

namespace portolan::protocols::http {
namespace {

constexpr std::size_t kTogether = 16 * 1024;  // smaller pieces go with what stands before and behind them

bool holds_links(const Options& options, std::string_view content_type) {
  const std::string type = lower_case(trimmed(content_type.substr(0, content_type.find(';'))));
  const bool html = type == "text/html" || type == "application/xhtml+xml";
  const bool json = type == "application/json" || type.ends_with("+json");
  return (html && options.rewrite_html) || (json && options.rewrite_json);
}

// What was true of the body before it was rewritten.
void weaken(Fields& fields) {
  for (const std::string_view name :
       {"content-length", "accept-ranges", "content-md5", "digest", "repr-digest", "content-digest"})
    fields.remove(name);
  const std::string tag(fields.first("etag"));
  if (tag.starts_with('"')) fields.set("ETag", "W/" + tag);
}

}  // namespace

Result<> Serving::put_on_record(audit::Query::Stage stage) {
  if (stage == audit::Query::Stage::kOver) session_.count_bytes(recorded_.bytes_in(), recorded_.bytes_out());
  auto kept = session_.record(recorded_.query(stage));
  if (kept) return kept;
  Error error = std::move(kept).error().within("this request cannot be put on record, so the session ends");
  error.reason = kNotOnRecord;
  return std::unexpected(std::move(error).at(Hop::kEgress));
}

net::Task<Result<>> Serving::put(std::string_view bytes) {
  if (session_.must_wait()) {
    auto kept = co_await net::wait_for_call([this](net::CallBack then) { session_.when_kept(std::move(then)); });
    if (!kept) {
      kept.error().reason = kNotOnRecord;
      co_return kept;
    }
  }
  phase_ = Phase::kAnswering;
  auto written = co_await net::write(*client_, as_bytes(bytes));
  if (!written && written.error().code != Code::kCancelled) written.error().reason = "client_gone";
  progress();
  co_return written;
}

net::Task<Result<bool>> Serving::answer(const Request& request, const Injection& injection, ResponseHead head) {
  recorded_.answered(head.status);
  allow(options_.idle_timeout);
  // Of a long answer a part goes on before its outcome is known.
  if (session_.audit_mode() == audit::Mode::kStrict) {
    CO_CHECK(put_on_record(audit::Query::Stage::kUnderWay));
  }
  if (head.status == 101) {
    auto sound = check_switched(head);
    if (sound) sound = drop_hop_by_hop(head.fields);
    if (!sound) co_return std::unexpected(std::move(sound).error().at(Hop::kResource));
    auto switched = co_await switch_over(request, std::move(head));
    if (!switched) co_return std::unexpected(std::move(switched).error());
    co_return false;
  }
  auto dropped = drop_hop_by_hop(head.fields);
  if (!dropped) co_return std::unexpected(std::move(dropped).error().at(Hop::kResource));
  Answer how = shape(request, injection, head);
  const bool last = how.last_on_stream;
  auto passed = co_await pass_body(std::move(how), print(head));
  if (!passed) co_return std::unexpected(std::move(passed).error());
  input_->unwatch();
  if (!uploaded_) {
    uploads_.cancel();
    co_await uploads_.join();
  }
  application_->keep(request.view.host(), std::move(connection_));
  co_return !last;
}

Serving::Answer Serving::shape(const Request& request, const Injection& injection, ResponseHead& head) const {
  Answer how;
  Fields& fields = head.fields;
  const Framing framing = connection_->framing();
  how.bodiless = is_bodiless(head.status, request.head.method);
  // Nobody at a browser could answer a challenge that is the resource's to answer.
  if (injection.authorizes()) fields.remove("www-authenticate");
  to_local_names(fields, request.view);
  const bool identity = !fields.has("content-encoding") || same_name(fields.first("content-encoding"), "identity");
  const bool rewrites = request.view.form() == View::Form::kLocal && head.status != 206 && identity &&
                        holds_links(options_, fields.first("content-type"));
  if (rewrites) {
    weaken(fields);
    if (!how.bodiless) how.links.emplace(request.view.to_local_pairs());
  }
  const bool old_client = request.head.version == Version::k10;
  if (!how.bodiless) {
    const bool known = framing.kind == Framing::Kind::kLength && !rewrites;
    fields.remove("content-length");
    if (known) fields.add("Content-Length", std::to_string(framing.length));
    how.chunked = !known && !old_client;
    if (how.chunked) fields.add("Transfer-Encoding", "chunked");
    how.last_on_stream = !known && !how.chunked;
  } else if (head.status == 204) {
    fields.remove("content-length");
  }
  // Who has been answered before its request was over might send on, and what it sends would be the next request.
  // Behind a request for a WebSocket the person's web proxy looks at nothing any more.
  if (!uploaded_ || request.websocket || old_client || !keeps_alive(request.head.version, request.head.fields))
    how.last_on_stream = true;
  if (how.last_on_stream) fields.add("Connection", "close");
  return how;
}

// `head` is printed, and goes with the first bytes of the body if these are here.
net::Task<Result<>> Serving::pass_body(Answer how, std::string head) {
  std::string out = std::move(head);
  if (how.bodiless) {
    CO_CHECK(put_on_record(audit::Query::Stage::kOver));
    co_return co_await put(out);
  }
  for (bool last = false; !last;) {
    if (!out.empty() && !connection_->ready()) {
      CO_CHECK(co_await put(out));
      out.clear();
    }
    auto got = co_await connection_->body();
    if (!got) co_return std::unexpected(std::move(got).error().at(Hop::kResource));
    std::string_view piece = *got;
    last = piece.empty() || connection_->ended();
    recorded_.received(piece);
    progress();
    std::string rewritten;
    if (how.links) {
      how.links->feed(piece, rewritten);
      if (last) how.links->end(rewritten);
      piece = rewritten;
    }
    if (how.chunked && !piece.empty()) out += chunk_head(piece.size());
    if (piece.size() > kTogether) {
      // The record comes before the end of the answer, and so before its last piece.
      if (last) {
        CO_CHECK(put_on_record(audit::Query::Stage::kOver));
      }
      if (!out.empty()) {
        CO_CHECK(co_await put(out));
      }
      CO_CHECK(co_await put(piece));
      out.clear();
    } else {
      out += piece;
      if (last) {
        CO_CHECK(put_on_record(audit::Query::Stage::kOver));
      }
    }
    if (how.chunked && !piece.empty()) out += "\r\n";
    if (how.chunked && last) {
      Fields trailers = connection_->trailers();
      keep_harmless_trailers(trailers);
      out += last_chunk(trailers);
    }
    const bool more = !last && connection_->ready() && out.size() < kTogether;
    if (!out.empty() && !more) {
      CO_CHECK(co_await put(out));
      out.clear();
    }
  }
  co_return Result<>{};
}

net::Task<Result<>> Serving::switch_over(const Request& request, ResponseHead head) {
  to_local_names(head.fields, request.view);
  head.fields.add("Connection", "Upgrade");
  head.fields.add("Upgrade", "websocket");
  for (const std::string& extension : head.fields.tokens("sec-websocket-extensions"))
    if (extension.starts_with("permessage-deflate")) deflates_ = true;
  const std::string text = print(head);
  CO_CHECK(co_await put(text));
  phase_ = Phase::kSwitched;
  input_->unwatch();
  switched_ = connection_->take_stream();
  connection_.reset();
  co_return Result<>{};
}

}  // namespace portolan::protocols::http
