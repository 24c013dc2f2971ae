#include "net/http/http2_head.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "net/http/codec.h"
#include "net/http/target.h"

namespace portolan::net::http {
namespace {

// RFC 9113 §8.2.2: what belongs to a connection of HTTP/1.1. A request that bears one is malformed: somebody has
// forwarded it without understanding it.
constexpr std::array<std::string_view, 5> kOfConnection = {"connection", "keep-alive", "proxy-connection",
                                                           "transfer-encoding", "upgrade"};

bool is_of_connection(std::string_view name) { return std::ranges::find(kOfConnection, name) != kOfConnection.end(); }

std::unexpected<Error> bad_host(std::string what) { return fail(Code::kInvalid, std::move(what), "bad_host"); }

Result<std::optional<std::uint64_t>> content_length(const Headers& headers) {
  const auto field = headers.find("content-length");
  if (field == headers.end()) return std::nullopt;
  std::uint64_t length = 0;
  const std::string& text = field->second;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), length);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size())
    return fail(Code::kProtocol, "bad content-length " + quoted(text), "bad_message");
  return length;
}

}  // namespace

void FieldBlock::add(std::string_view name, std::string_view value) {
  size_ += name.size() + value.size() + 32;
  if (defect_) return;
  if (size_ > limits_.header_bytes || ++count_ > limits_.header_count + 4) {  // the four are the pseudo-headers
    set_defect({});                                                           // forgets what was kept
    defect_ =
        Error{Code::kLimit,
              fmt::format("header is longer than {} bytes or {} fields", limits_.header_bytes, limits_.header_count),
              "headers_too_large", Hop::kUnknown};
    return;
  }
  if (name.starts_with(':')) return add_pseudo(name, value);
  if (lower_case(name) != name || !check_field(name, value)) return set_defect("bad header " + quoted(name));
  if (value.starts_with(' ') || value.starts_with('\t') || value.ends_with(' ') || value.ends_with('\t'))
    return set_defect("blanks around the value of header " + quoted(name));
  if (is_of_connection(name) || (name == "te" && value != "trailers"))
    return set_defect("header " + quoted(name) + " has no place in HTTP/2");
  const auto added = add_field(headers_, std::string(name), value);
  if (!added) set_defect(added.error().message);
}

void FieldBlock::add_pseudo(std::string_view name, std::string_view value) {
  auto* field = name == ":method"      ? &method_
                : name == ":scheme"    ? &scheme_
                : name == ":authority" ? &authority_
                : name == ":path"      ? &path_
                                       : nullptr;
  if (field == nullptr) return set_defect("unknown pseudo-header " + quoted(name));
  if (*field) return set_defect("more than one " + std::string(name));
  if (!headers_.empty()) return set_defect(std::string(name) + " behind the headers");
  if (value.empty() || !check_field("x", value)) return set_defect("bad " + std::string(name));
  *field = value;
}

void FieldBlock::set_defect(std::string what) {
  headers_.clear();
  method_ = scheme_ = authority_ = path_ = std::nullopt;
  defect_ = Error{Code::kProtocol, "malformed message: " + std::move(what), "bad_message", Hop::kUnknown};
}

// A Host header beside :authority says the same, or somebody could be shown one and we another.
Result<std::string> FieldBlock::check_host() {
  const auto field = headers_.find("host");
  if (!authority_ && field == headers_.end()) return bad_host("neither :authority nor host header");
  const std::string authority = authority_.value_or(field == headers_.end() ? "" : field->second);
  if (authority.contains('@')) return bad_host("bad host " + quoted(authority));
  PL_TRY(const std::string host, host_name(authority));
  if (field != headers_.end()) {
    PL_TRY(const std::string of_header, host_name(field->second));
    if (of_header != host) return bad_host("host header and :authority differ");
  }
  headers_["host"] = authority;
  return host;
}

Result<FieldBlock::Head> FieldBlock::finish() {
  if (!defect_ && (!method_ || !check_field(*method_, {}))) set_defect("no proper :method");
  if (!defect_ && *method_ != "CONNECT" && (!scheme_ || (*scheme_ != "https" && *scheme_ != "http")))
    set_defect("no proper :scheme");
  if (defect_) return std::unexpected(*defect_);
  Head head;
  PL_TRY(head.host, check_host());
  // Of the absolute form there is none here, and CONNECT and "OPTIONS *" have nothing that we serve.
  if (!path_ || !path_->starts_with('/')) return fail(Code::kInvalid, "request target: is not a path", "bad_target");
  PL_TRY(Target target, parse_target(*path_));
  PL_TRY(head.length, content_length(headers_));
  head.head_only = *method_ == "HEAD";
  head.request = {std::move(*method_), std::move(target.path), std::move(target.query), std::move(headers_), {}};
  head.request.target = std::move(target.origin);
  return head;
}

Result<FieldList> encode_fields(const Response& response, std::optional<std::size_t> length) {
  if (response.status < 200 || response.status > 599)
    return fail(Code::kInternal, "response without a proper status: " + std::to_string(response.status));
  FieldList fields;
  fields.emplace_back(":status", std::to_string(response.status));
  for (const auto& [header, value] : response.headers) {
    PL_CHECK(check_field(header, value));
    std::string name = lower_case(header);
    if (!is_framing(name) && !is_of_connection(name)) fields.emplace_back(std::move(name), value);
  }
  fields.emplace_back("date", http_date());
  if (length && may_have_body(response.status)) fields.emplace_back("content-length", std::to_string(*length));
  return fields;
}

}  // namespace portolan::net::http
