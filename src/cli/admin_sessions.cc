// Sessions: what people use now. The control plane keeps them with the audit records, not in the directory, so that
// they have a list of their own.
#include "api/audit.h"
#include "cli/admin.h"

namespace portolan::cli {
namespace {

constexpr const char* kSessions = "/v1/sessions";
constexpr std::size_t kMostSessions = 1000;  // of one answer

const std::vector<Column>& session_columns() {
  static const std::vector<Column> columns = {{"STARTED"}, {"WHO"},     {"RESOURCE"}, {"NODE"},
                                              {"CLIENT"},  {"SESSION"}, {"ENDED"},    {"WHY IT ENDED"}};
  return columns;
}

std::vector<std::string> session_row(const api::SessionEntry& s) {
  return {local_time(s.started),
          name_or(s.email, s.account),
          name_or(s.resource_name, s.resource),
          name_or(s.node_name.value_or(""), s.node),
          s.client,
          s.session,
          local_time(s.ended),
          s.reason.value_or("")};
}

Result<> print_sessions(Context& context, const std::vector<api::SessionEntry>& sessions) {
  Table table(session_columns());
  for (const auto& session : sessions) {
    if (context.out.json) context.out.object(session);
    table.add(session_row(session));
  }
  if (context.out.json) return {};
  if (table.empty()) {
    context.out.note("No session goes on.");
  } else {
    context.out.table(table);
  }
  return {};
}

struct SessionOptions {
  std::string session;
  std::string account;
  std::string resource;
  std::size_t limit = kMostSessions;
  bool follow = false;
};

struct Line {
  std::optional<std::string> kind;
};
BOOST_DESCRIBE_STRUCT(Line, (), (kind))

Result<> print_followed(const Output& out, RowPrinter& rows, std::string_view line) {
  PL_TRY(const auto shape, json::decode<Line>(line, json::Unknown::kIgnore));
  if (shape.kind == "heartbeat") return {};
  if (out.json) {
    out.line(line);
    return {};
  }
  PL_TRY(const auto session, json::decode<api::SessionEntry>(line, json::Unknown::kIgnore));
  rows.row(event_row(session.ended ? "ended" : "", session_row(session)));
  return {};
}

Result<> list_sessions(Context& context, SessionOptions& options) {
  Query query;
  if (!options.account.empty()) query["account"] = options.account;
  if (!options.resource.empty()) query["resource"] = options.resource;
  query["limit"] = std::to_string(options.limit);
  if (options.follow) {
    RowPrinter rows(context.out, event_columns(session_columns()));
    return call_watch(kSessions, query, [&](std::string_view line) { return print_followed(context.out, rows, line); });
  }
  PL_TRY(const auto page, call_get<api::Page<api::SessionEntry>>(kSessions, query));
  return print_sessions(context, page.items);
}

Result<> show_session(Context& context, SessionOptions& options) {
  PL_TRY(const auto path, path_with(kSessions, options.session));
  PL_TRY(auto session, call_get<api::SessionEntry>(path));
  return print_sessions(context, {std::move(session)});
}

struct EndedSession {
  std::string ended;
};
BOOST_DESCRIBE_STRUCT(EndedSession, (), (ended))

Result<> end_session(Context& context, SessionOptions& options) {
  PL_TRY(const auto path, path_with(kSessions, options.session));
  PL_CHECK(call_delete(path));
  if (context.out.json) context.out.object(EndedSession{options.session});
  context.out.note("Ended session " + fit_for_terminal(options.session) + ".");
  return {};
}

}  // namespace

void add_admin_sessions(CLI::App& admin, Context& context) {
  CLI::App& group = add_group(admin, "sessions", "what is being used now");
  auto listed = std::make_shared<SessionOptions>();
  CLI::App& listing = add_command(group, context, "list", "sessions that go on, the newest last",
                                  "portolan admin sessions list --account ann@example.com");
  listing.add_option("--account", listed->account, "of this account: e-mail address or id");
  listing.add_option("--resource", listed->resource, "with this resource: name or id");
  listing.add_option("--limit", listed->limit, "the newest so many")
      ->check(one_to(kMostSessions))
      ->capture_default_str();
  listing.add_flag("-f,--watch", listed->follow, "go on with each that begins or ends");
  on_chosen(listing, context, listed, list_sessions);

  auto shown = std::make_shared<SessionOptions>();
  CLI::App& showing = add_command(group, context, "show", "one session, ended or not",
                                  "portolan admin sessions show s-4k2m0000000000000000");
  showing.add_option("session", shown->session, "its id")->required();
  on_chosen(showing, context, shown, show_session);

  auto ended = std::make_shared<SessionOptions>();
  CLI::App& ending = add_command(group, context, "end", "end a session at its node; what it may use stays as it is",
                                 "portolan admin sessions end s-4k2m0000000000000000");
  ending.add_option("session", ended->session, "its id")->required();
  on_chosen(ending, context, ended, end_session);
}

}  // namespace portolan::cli
