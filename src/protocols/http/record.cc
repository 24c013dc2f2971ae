#include "protocols/http/record.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/bytes.h"

namespace portolan::protocols::http {
namespace {

constexpr std::size_t kErrorLimit = 1024;

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? digit(text[i + 1]) : -1;
    const int low = high >= 0 ? digit(text[i + 2]) : -1;
    if (low >= 0) {
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return lower_case(out);
}

// Whether the text is UTF-8 without control characters, but for a character that is cut at its end. In JSON a control
// character takes six bytes: two bodies of these would be more than a record can hold, and the request be on none.
bool is_text(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 && c != '\t' && c != '\n' && c != '\r') return false;
    const std::size_t more = c < 0x80                ? 0
                             : c >= 0xc2 && c < 0xe0 ? 1
                             : c >= 0xe0 && c < 0xf0 ? 2
                             : c >= 0xf0 && c < 0xf5 ? 3
                                                     : 4;
    if (more == 4) return false;
    for (std::size_t k = 1; k <= more; ++k) {
      if (i + k >= text.size()) return true;
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xc0) != 0x80) return false;
      // Overlong forms, surrogates, and what lies beyond U+10FFFF.
      if (k == 1 && ((c == 0xe0 && next < 0xa0) || (c == 0xed && next > 0x9f) || (c == 0xf0 && next < 0x90) ||
                     (c == 0xf4 && next > 0x8f)))
        return false;
    }
    i += more + 1;
  }
  return true;
}

// Without the character that is cut.
std::string whole_characters(std::string text) {
  std::size_t back = 0;
  while (back < 3 && back < text.size() && (static_cast<unsigned char>(text[text.size() - 1 - back]) & 0xc0) == 0x80)
    ++back;
  if (back == text.size()) return text;
  const auto lead = static_cast<unsigned char>(text[text.size() - 1 - back]);
  const std::size_t needs = lead < 0xc0 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
  if (needs > back) text.resize(text.size() - 1 - back);
  return text;
}

}  // namespace

std::string masked_query(std::string_view query, const Options& options) {
  std::string out;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find_first_of("&;"), query.size());
    const std::string_view part = query.substr(0, end);
    const char separator = end < query.size() ? query[end] : '\0';
    query.remove_prefix(std::min(end + 1, query.size()));
    const std::size_t equals = std::min(part.find('='), part.size());
    const std::string name = decoded(part.substr(0, equals));
    const bool masked = options.mask_all || std::ranges::any_of(options.mask_query, [&](const std::string& each) {
                          return lower_case(each) == name;
                        });
    // A name without a value may be the secret itself: "/reset?TOKEN".
    const bool bare = equals == part.size();
    out += bare && options.mask_all && !part.empty() ? std::string_view("***") : part.substr(0, equals);
    if (equals < part.size()) {
      out += '=';
      out += masked ? "***" : part.substr(equals + 1);
    }
    if (separator != '\0') out += separator;
  }
  return out;
}

void KeptBody::add(std::string_view piece) {
  length_ += piece.size();
  if (kept_.size() < limit_) kept_ += piece.substr(0, limit_ - kept_.size());
}

std::optional<audit::HttpBody> KeptBody::take() {
  if (limit_ == 0 || length_ == 0) return std::nullopt;
  audit::HttpBody out;
  if (is_text(kept_))
    out.text = whole_characters(std::move(kept_));
  else
    out.base64 = base64(as_bytes(kept_));
  out.length = length_;
  kept_.clear();
  return out;
}

void Recorded::begin(const RequestHead& head, std::string_view scheme, std::string_view real_host) {
  request_ = {};
  request_.method = head.method;
  request_.host = real_host;
  // Whole: kTargetLimit is little, and behind a cut the part that matters could be hidden.
  request_.path = std::string(head.path());
  const std::string query = masked_query(head.query(), options_);
  if (!query.empty()) request_.query = query;
  text_ = fmt::format("{} {}://{}{}{}{}", head.method, scheme, real_host, request_.path, query.empty() ? "" : "?",
                      request_.query.value_or(""));
  started_ = clock_.wall();
  since_ = clock_.boot();
  status_ = 0;
  why_.reset();
  bytes_in_ = bytes_out_ = 0;
  request_body_ = KeptBody(options_.record_bodies);
  response_body_ = KeptBody(options_.record_bodies);
  open_ = true;
}

void Recorded::failed(const Error& why) {
  if (!why_) why_ = why;
}

void Recorded::messages(std::uint64_t from_client, std::uint64_t from_application) {
  request_.messages_in = from_client;
  request_.messages_out = from_application;
}

audit::Query Recorded::query(audit::Query::Stage stage) {
  audit::Query query;
  query.text = text_;
  query.stage = stage;
  query.started = started_;
  query.http = request_;
  if (stage == audit::Query::Stage::kUnderWay) return query;
  query.duration = std::chrono::duration_cast<std::chrono::microseconds>(clock_.boot() - since_);
  audit::HttpRequest& http = *query.http;
  if (status_ != 0) {
    http.status = static_cast<std::uint64_t>(status_);
    query.tag = std::to_string(status_);
  }
  http.bytes_in = bytes_in_;
  http.bytes_out = bytes_out_;
  http.request_body = request_body_.take();
  http.response_body = response_body_.take();
  if (why_) {
    query.error_code = std::string(why_->stable_code());
    query.error = why_->message.substr(0, kErrorLimit);
  }
  open_ = false;
  return query;
}

}  // namespace portolan::protocols::http
