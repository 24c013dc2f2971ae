#include "api/record_facts.h"

#include <array>
#include <utility>
#include <variant>

#include <boost/json/basic_parser_impl.hpp>

namespace portolan::api {
namespace {

using boost::system::error_code;

using Target = std::variant<std::string RecordFacts::*, std::uint64_t RecordFacts::*, WallTime RecordFacts::*,
                            std::optional<std::string> RecordFacts::*, std::optional<std::uint64_t> RecordFacts::*>;
struct Member {
  std::string_view name;
  Target target;
};
// The order of AuditRecord, which is that of a record's text: mostly the next one is meant.
constexpr std::array<Member, 16> kMembers = {{{"kind", &RecordFacts::kind},
                                              {"session", &RecordFacts::session},
                                              {"sequence", &RecordFacts::sequence},
                                              {"time", &RecordFacts::time},
                                              {"trace", &RecordFacts::trace},
                                              {"account", &RecordFacts::account},
                                              {"email", &RecordFacts::email},
                                              {"device", &RecordFacts::device},
                                              {"resource", &RecordFacts::resource},
                                              {"resource_name", &RecordFacts::resource_name},
                                              {"type", &RecordFacts::type},
                                              {"client", &RecordFacts::client},
                                              {"bytes_in", &RecordFacts::bytes_in},
                                              {"bytes_out", &RecordFacts::bytes_out},
                                              {"reason", &RecordFacts::reason},
                                              {"begun", &RecordFacts::begun}}};
constexpr std::size_t kMandatory = 5;  // the first ones
constexpr std::size_t kNone = kMembers.size();

template <class... Of>
struct Overloaded : Of... {
  using Of::operator()...;
};

// What Boost.JSON's parser calls.
class Reader {
 public:
  static constexpr std::size_t max_object_size = 100'000;
  static constexpr std::size_t max_array_size = 1'000'000;
  static constexpr std::size_t max_key_size = 4096;
  static constexpr std::size_t max_string_size = 64 * 1024 * 1024;

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code& error) { return open(error); }
  bool on_array_begin(error_code& error) { return depth_ > 0 ? open(error) : refuse("not an object", error); }
  bool on_object_end(std::size_t, error_code&) { return close(); }
  bool on_array_end(std::size_t, error_code&) { return close(); }
  bool on_key_part(std::string_view part, std::size_t, error_code&) {
    if (depth_ == 1) text_ += part;
    return true;
  }
  bool on_key(std::string_view part, std::size_t, error_code& error) {
    if (depth_ != 1) return true;
    if (text_.empty()) return begin(part, error);
    text_ += part;
    return begin(std::exchange(text_, {}), error);
  }
  bool on_string_part(std::string_view part, std::size_t, error_code&) {
    if (wanted()) text_ += part;
    return true;
  }
  bool on_string(std::string_view part, std::size_t, error_code& error) {
    if (depth_ == 0) return refuse("not an object", error);
    if (!wanted()) return true;
    text_ += part;
    return std::visit(Overloaded{[&](std::string RecordFacts::* to) { return put(to); },
                                 [&](std::optional<std::string> RecordFacts::* to) { return put(to); },
                                 [&](WallTime RecordFacts::* to) { return put_time(to, error); },
                                 [&](auto) { return refuse("is no number", error); }},
                      kMembers[member_].target);
  }
  bool on_number_part(std::string_view, error_code&) { return true; }
  bool on_int64(std::int64_t value, std::string_view, error_code& error) {
    if (value < 0 && wanted()) return refuse("is out of range", error);
    return on_uint64(static_cast<std::uint64_t>(value), {}, error);
  }
  bool on_uint64(std::uint64_t value, std::string_view, error_code& error) {
    if (depth_ == 0) return refuse("not an object", error);
    if (!wanted()) return true;
    return std::visit(Overloaded{[&](std::uint64_t RecordFacts::* to) { return put(to, value); },
                                 [&](std::optional<std::uint64_t> RecordFacts::* to) { return put(to, value); },
                                 [&](auto) { return refuse("is no text", error); }},
                      kMembers[member_].target);
  }
  bool on_double(double, std::string_view, error_code& error) { return other(error); }
  bool on_bool(bool, error_code& error) { return other(error); }
  bool on_null(error_code& error) {
    if (depth_ == 0) return refuse("not an object", error);
    return !wanted() || member_ >= kMandatory || refuse("is missing", error);
  }
  bool on_comment_part(std::string_view, error_code&) { return true; }
  bool on_comment(std::string_view, error_code&) { return true; }

  Result<RecordFacts> take() {
    for (std::size_t i = 0; i < kMandatory; ++i)
      if ((seen_ >> i & 1) == 0) return fail(Code::kInvalid, std::string(kMembers[i].name) + ": is missing");
    return std::move(facts_);
  }
  const std::string& why() const { return why_; }

 private:
  bool wanted() const { return depth_ == 1 && member_ != kNone; }
  bool open(error_code& error) {
    if (wanted()) return refuse("is of another type", error);
    ++depth_;
    return true;
  }
  bool close() {
    --depth_;
    return true;
  }
  // A value of a kind that no member here has.
  bool other(error_code& error) {
    if (depth_ == 0) return refuse("not an object", error);
    return !wanted() || refuse("is of another type", error);
  }

  bool begin(std::string_view name, error_code& error) {
    member_ = kNone;
    text_.clear();
    for (std::size_t i = 0; i < kNone && member_ == kNone; ++i)
      if (const std::size_t at = (next_ + i) % kNone; kMembers[at].name == name) member_ = at;
    if (member_ == kNone) return true;
    next_ = (member_ + 1) % kNone;
    if ((seen_ >> member_ & 1) != 0) return refuse("appears twice", error);
    seen_ |= 1U << member_;
    return true;
  }
  template <class To>
  bool put(To RecordFacts::* to) {
    facts_.*to = std::exchange(text_, {});
    return true;
  }
  template <class To>
  bool put(To RecordFacts::* to, std::uint64_t value) {
    facts_.*to = value;
    return true;
  }
  bool put_time(WallTime RecordFacts::* to, error_code& error) {
    const auto time = from_rfc3339(text_);
    text_.clear();
    if (!time) return refuse(time.error().message, error);
    facts_.*to = *time;
    return true;
  }
  bool refuse(std::string_view what, error_code& error) {
    why_ = (wanted() ? std::string(kMembers[member_].name) + ": " : "") + std::string(what);
    error = boost::json::error::syntax;
    return false;
  }

  RecordFacts facts_;
  std::size_t depth_ = 0;
  std::size_t member_ = kNone;  // whose value comes
  std::size_t next_ = 0;
  std::uint32_t seen_ = 0;
  std::string text_;  // of a key or a value that comes in parts
  std::string why_;
};

}  // namespace

Result<RecordFacts> facts_of(std::string_view json) {
  boost::json::parse_options options;
  options.max_depth = 64;
  boost::json::basic_parser<Reader> parser(options);
  error_code error;
  const std::size_t consumed = parser.write_some(false, json.data(), json.size(), error);
  Reader& reader = parser.handler();
  if (!reader.why().empty()) return fail(Code::kInvalid, reader.why());
  if (!error && json.find_first_not_of(" \t\r\n", consumed) != std::string_view::npos)
    error = boost::json::error::extra_data;
  if (!error && !parser.done()) error = boost::json::error::incomplete;
  if (error) return fail(Code::kInvalid, "invalid JSON: " + error.message());
  return reader.take();
}

RecordFacts facts_of(const AuditRecord& record) {
  RecordFacts out{.kind = record.kind,
                  .session = record.session,
                  .sequence = record.sequence,
                  .time = record.time,
                  .trace = record.trace,
                  .account = record.account.value_or(""),
                  .email = record.email.value_or(""),
                  .device = record.device.value_or(""),
                  .resource = record.resource.value_or(""),
                  .resource_name = record.resource_name.value_or(""),
                  .type = record.type.value_or(""),
                  .client = record.client.value_or(""),
                  .reason = record.reason,
                  .bytes_in = record.bytes_in.value_or(0),
                  .bytes_out = record.bytes_out.value_or(0),
                  .begun = record.begun};
  return out;
}

}  // namespace portolan::api
