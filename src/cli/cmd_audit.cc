// portolan audit: what is on record, as the control plane keeps it; with -f it goes on with what comes.
#include <algorithm>
#include <deque>
#include <functional>
#include <unordered_set>

#include <fmt/format.h>

#include "cli/activity_words.h"
#include "cli/audit_unseal.h"
#include "cli/audit_verify.h"
#include "cli/calls.h"
#include "cli/command.h"
#include "cli/exit.h"
#include "cli/request_words.h"
#include "cli/row_printer.h"
#include "net/backoff.h"

namespace portolan::cli {
namespace {

struct Options {
  std::string from;
  std::string to;
  std::string account;
  std::string resource;
  std::string session;
  std::string text;
  std::size_t limit = 100;
  bool follow = false;
};

constexpr std::size_t kMostEntries = 1000;
constexpr std::chrono::hours kSearched(24);  // for a text, unless somebody says from when on
constexpr std::size_t kShownColumns = 160;   // of texts in tables; --json has all that is on record

Result<Query> query_of(const Options& options) {
  Query query;
  const WallTime now = Clock::real().wall();
  for (const auto& [name, text] : {std::pair("from", options.from), std::pair("to", options.to)}) {
    if (text.empty()) continue;
    PL_TRY(const WallTime moment, parse_moment(text, now));
    query[name] = to_rfc3339(moment);
  }
  if (!options.account.empty()) query["account"] = options.account;
  if (!options.resource.empty()) query["resource"] = options.resource;
  if (!options.session.empty()) query["session"] = options.session;
  if (!options.text.empty()) {
    query["text"] = options.text;
    query.try_emplace("from", to_rfc3339(now - kSearched));
  }
  if (options.limit == 0 || options.limit > kMostEntries)
    return wrong_usage(fmt::format("--limit: must be 1 to {}; narrow the rest with --from and --to", kMostEntries));
  query["limit"] = std::to_string(options.limit);
  return query;
}

std::string duration_text(const std::optional<std::uint64_t>& microseconds) {
  return microseconds ? fmt::format("{:.1f} ms", static_cast<double>(*microseconds) / 1000.0) : "";
}

// One kind of record. Fixed widths for following: rows come one by one.
template <class Entry>
struct View;

template <>
struct View<api::SessionEntry> {
  static constexpr const char* kPath = "/v1/audit/sessions";
  static std::vector<Column> columns() {
    return {{"STARTED"},
            {"ENDED"},
            {"WHO"},
            {"RESOURCE"},
            {"QUERIES", Align::kRight},
            {"IN", Align::kRight},
            {"OUT", Align::kRight},
            {"SESSION"},
            {"WHY IT ENDED"}};
  }
  static std::vector<std::string> row(const api::SessionEntry& e) {
    return {local_time(e.started),
            local_time(e.ended),
            e.email,
            e.resource_name,
            std::to_string(e.queries),
            std::to_string(e.bytes_in),
            std::to_string(e.bytes_out),
            e.session,
            e.reason.value_or("")};
  }
};

template <>
struct View<api::AuditRecord> {
  static constexpr const char* kPath = "/v1/audit/queries";
  static std::vector<Column> columns() {
    return {{"TIME"},
            {"WHO"},
            {"RESOURCE"},
            {"DURATION", Align::kRight},
            {"ROWS", Align::kRight},
            {"COPIED", Align::kRight},
            {"QUERY"}};
  }
  static std::vector<std::string> row(const api::AuditRecord& r) {
    const auto& failure = r.error_code ? r.error_code : r.error;
    const std::string failed = failure ? fmt::format("[failed: {}] ", *failure) : "";
    return {local_time(r.time),
            r.email.value_or(r.account.value_or("")),
            r.resource_name.value_or(r.resource.value_or("")),
            duration_text(r.duration_us),
            r.rows ? std::to_string(*r.rows) : "",
            copied_text(r),
            cut(failed + place_of(r) + fit_for_terminal(asked_text(r)), kShownColumns)};
  }

 private:
  // Of the statements in one text, the second and later ones.
  static std::string place_of(const api::AuditRecord& r) {
    return r.statement ? fmt::format("[statement {}] ", *r.statement) : "";
  }
  static std::string copied_text(const api::AuditRecord& r) {
    if (r.http) return std::to_string(r.http->bytes_in + r.http->bytes_out);
    return r.copied_bytes ? std::to_string(*r.copied_bytes) : "";
  }
  static std::string asked_text(const api::AuditRecord& r) {
    const std::string text = r.text.value_or("");
    return r.http ? request_in_words(text, *r.http) : text + parameters_text(r);
  }
  static std::string parameters_text(const api::AuditRecord& r) {
    std::string out;
    if (!r.parameters) return out;
    for (std::size_t i = 0; i < r.parameters->size(); ++i) {
      const api::AuditParameter& value = (*r.parameters)[i];
      const std::string shown = value.text ? "'" + *value.text + "'" : value.hex ? "\\x" + *value.hex : "NULL";
      out += fmt::format("{}${} = {}", i == 0 ? "  -- " : ", ", i + 1, shown);
    }
    return out;
  }
};

template <>
struct View<api::ActivityView> {
  static constexpr const char* kPath = "/v1/audit/activities";
  static std::vector<Column> columns() { return {{"TIME"}, {"WHO"}, {"WHAT"}, {"ON"}, {"CHANGE"}}; }
  static std::vector<std::string> row(const api::ActivityView& a) {
    return {local_time(a.time), a.actor_name.empty() ? a.actor : a.actor_name, verb_in_words(a.verb),
            object_in_words(a), cut(fit_for_terminal(change_in_words(a)), kShownColumns)};
  }
};

template <class Entry>
Result<> list(Context& context, const Query& query) {
  PL_TRY(const auto page, call_get<api::Page<Entry>>(View<Entry>::kPath, query));
  if (context.out.json) {
    for (const Entry& entry : page.items) context.out.object(entry);
    return {};
  }
  Table table(View<Entry>::columns());
  for (const Entry& entry : page.items) table.add(View<Entry>::row(entry));
  if (table.empty()) {
    context.out.note("Nothing on record.");
  } else {
    context.out.table(table);
  }
  return {};
}

struct Line {
  std::optional<std::string> kind;
};
BOOST_DESCRIBE_STRUCT(Line, (), (kind))

template <class Entry>
Result<> print_followed(const Output& out, RowPrinter& rows, std::string_view line) {
  if (out.json) {
    out.line(line);
    return {};
  }
  PL_TRY(const auto entry, json::decode<Entry>(line, json::Unknown::kIgnore));
  rows.row(View<Entry>::row(entry));
  return {};
}

// Follows over restarts of the control plane. It is asked for the newest lines anew then, and those that are known
// already are left out: what was printed, and what was on record before the follow began. Of that as many are known
// from the start as the control plane lists at once.
template <class Entry>
class Follower {
 public:
  Follower(Context& context, Query query, std::size_t shown)
      : context_(context), query_(std::move(query)), shown_(shown) {}

  net::Task<Result<>> run(api::ControlClient& control) {
    CO_CHECK(co_await begin(control));
    net::Backoff backoff(std::chrono::milliseconds(500), std::chrono::seconds(10));
    for (;;) {
      const auto ended =
          co_await control.watch(View<Entry>::kPath, query_, [this](std::string_view line) { return take(line); });
      if (ended || !was_there_ || !ended.error().retry_can_help()) co_return ended;
      if (!std::exchange(told_, true)) {
        context_.out.warn("the control plane is away (" + ended.error().message + "); going on when it is back");
        backoff.reset();
      }
      query_["limit"] = std::to_string(kMostEntries);
      CO_CHECK(co_await net::sleep_for(backoff.next()));
    }
  }

 private:
  // Prints the newest, and knows the others.
  net::Task<Result<>> begin(api::ControlClient& control) {
    query_["limit"] = std::to_string(kMostEntries);
    CO_TRY(const auto page, co_await control.get<api::Page<Entry>>(View<Entry>::kPath, query_));
    const std::size_t old = page.items.size() - std::min(page.items.size(), shown_);
    for (std::size_t i = 0; i < page.items.size(); ++i) {
      const std::string line = json::encode(page.items[i]);
      if (!is_new(line) || i < old) continue;
      CO_CHECK(print_followed<Entry>(context_.out, rows_, line));
    }
    was_there_ = true;
    // Some may have come since.
    query_["limit"] = std::to_string(std::max(shown_, kMeanwhile));
    query_["watch"] = "1";
    co_return Result<>{};
  }

  Result<> take(std::string_view line) {
    was_there_ = true;
    if (std::exchange(told_, false)) context_.out.warn("the control plane is back");
    PL_TRY(const auto shape, json::decode<Line>(line, json::Unknown::kIgnore));
    if (shape.kind == "heartbeat") return {};
    // As it was encoded for the list: a control plane of another release may have more to say in a line.
    PL_TRY(const auto entry, json::decode<Entry>(line, json::Unknown::kIgnore));
    if (!is_new(json::encode(entry))) return {};
    return print_followed<Entry>(context_.out, rows_, line);
  }

  bool is_new(std::string_view line) {
    const std::size_t hash = std::hash<std::string_view>()(line);
    if (!known_.insert(hash).second) return false;
    order_.push_back(hash);
    if (order_.size() > 4 * kMostEntries) {
      known_.erase(order_.front());
      order_.pop_front();
    }
    return true;
  }

  static constexpr std::size_t kMeanwhile = 100;

  Context& context_;
  Query query_;
  std::size_t shown_;
  RowPrinter rows_{context_.out, View<Entry>::columns()};
  bool was_there_ = false;
  bool told_ = false;
  std::unordered_set<std::size_t> known_;
  std::deque<std::size_t> order_;
};

template <class Entry>
Result<> follow(Context& context, Query query, std::size_t shown) {
  Follower<Entry> follower(context, std::move(query), shown);
  return ask_control<void>([&](api::ControlClient& control) { return follower.run(control); });
}

template <class Entry>
Result<> run(Context& context, Options& options) {
  PL_TRY(auto query, query_of(options));
  return options.follow ? follow<Entry>(context, std::move(query), options.limit) : list<Entry>(context, query);
}

CLI::App& add_list(CLI::App& group, Context& context, const std::string& name, const std::string& description,
                   const std::shared_ptr<Options>& options) {
  CLI::App& app = add_command(group, context, name, description, "portolan audit " + name + " --from 2h -f");
  app.add_option("--from", options->from, "not before: 2026-11-23T20:24:01Z, 2026-11-23, or how long ago, like 2h");
  app.add_option("--to", options->to, "before");
  app.add_option("--account", options->account,
                 "by or about this account, also one that has been removed: e-mail address or id");
  app.add_option("--resource", options->resource, "of this resource, also one that has been removed: name or id");
  app.add_option("--limit", options->limit, "the newest so many")->capture_default_str();
  app.add_flag("-f,--follow", options->follow, "go on with what comes");
  return app;
}

}  // namespace

void add_audit(CLI::App& root, Context& context) {
  CLI::App& group = add_group(root, "audit", "what is on record");
  auto sessions = std::make_shared<Options>();
  CLI::App& session_list = add_list(group, context, "sessions", "who used what, and when", sessions);
  session_list.add_option("--session", sessions->session, "this one only");
  on_chosen(session_list, context, sessions, run<api::SessionEntry>);
  auto queries = std::make_shared<Options>();
  CLI::App& query_list = add_list(group, context, "queries", "what was asked", queries);
  query_list.add_option("--session", queries->session, "of this session");
  query_list.add_option("--text", queries->text,
                        "whose text has this in it, letters in either case: part of a statement, or of a web request "
                        "like GET https://wiki.example/; within the last 24 hours, unless --from says else");
  on_chosen(query_list, context, queries, run<api::AuditRecord>);
  auto activities = std::make_shared<Options>();
  on_chosen(add_list(group, context, "activities", "who changed the directory", activities), context, activities,
            run<api::ActivityView>);
  add_audit_verify(group, context);
  add_audit_unseal(group, context);
}

}  // namespace portolan::cli
