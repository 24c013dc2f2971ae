#include "control/audit_lists.h"

#include <charconv>
#include <memory>
#include <utility>

#include "api/admin.h"
#include "control/listing.h"
#include "control/sessions.h"

namespace portolan::control {
namespace {

struct AuditRequest {
  store::AuditFilter filter;
  store::Part part;
  // As they were typed, when the filter has ids.
  std::string account;
  std::string resource;
  std::optional<Error> unknown = {};  // the directory knows no such account or resource: what is on record may
};

Result<std::optional<WallTime>> time_parameter(const net::http::Request& request, const std::string& name) {
  const auto text = request.parameter(name);
  if (!text) return std::optional<WallTime>();
  auto time = from_rfc3339(*text);
  if (!time) return std::unexpected(std::move(time).error().within(name));
  return std::optional(*time);
}

enum class Extra { kNone, kSession, kSessionAndText };

Result<> check_extra(const net::http::Request& request, Extra extra) {
  switch (extra) {
    case Extra::kNone:
      return check_parameters(request, {"limit", "cursor", "watch", "account", "resource", "from", "to"});
    case Extra::kSession:
      return check_parameters(request, {"limit", "cursor", "watch", "account", "resource", "session", "from", "to"});
    case Extra::kSessionAndText:
      return check_parameters(request,
                              {"limit", "cursor", "watch", "account", "resource", "session", "from", "to", "text"});
  }
  return {};
}

Result<AuditRequest> audit_request(const net::http::Request& request, Extra extra) {
  PL_CHECK(check_extra(request, extra));
  AuditRequest out;
  PL_TRY(out.part.limit, list_limit(request));
  if (const auto cursor = request.parameter("cursor")) {
    std::uint64_t after = 0;
    const auto [end, error] = std::from_chars(cursor->data(), cursor->data() + cursor->size(), after);
    if (error != std::errc() || end != cursor->data() + cursor->size())
      return fail(Code::kInvalid, "cursor: must be a number");
    out.part.after = after;
  }
  out.filter.account = request.parameter("account").value_or("");
  out.filter.resource = request.parameter("resource").value_or("");
  out.filter.session = request.parameter("session").value_or("");
  PL_TRY(out.filter.from, time_parameter(request, "from"));
  PL_TRY(out.filter.to, time_parameter(request, "to"));
  out.filter.words = request.parameter("text").value_or("");
  // Each record of that time is read for it.
  if (!out.filter.words.empty() && !out.filter.from)
    return fail(Code::kInvalid, "text: say from when on (from), so that not the whole record is searched");
  return out;
}

api::ActivityView view_of(const directory::Activity& activity) {
  return {activity.id,     activity.revision, activity.time,  activity.actor,      activity.verb,
          activity.object, activity.before,   activity.after, activity.actor_name, activity.object_name};
}

// What an account or resource is known by: its id, and how it was called when something was done, since it may have
// been removed or renamed meanwhile.
struct Known {
  std::string_view member;  // of what refers to it
  std::string id;
  std::string name;

  bool empty() const { return id.empty() && name.empty(); }
  bool is(std::string_view of_id, std::string_view of_name) const {
    return of_id == id || (!of_name.empty() && of_name == name);
  }
  // It itself, or what connects it with something.
  bool concerned(const directory::Activity& activity) const {
    if (is(activity.object, activity.object_name)) return true;
    constexpr std::string_view kArrow = " → ";
    const std::string_view called = activity.object_name;
    const auto arrow = called.find(kArrow);
    if (arrow != std::string_view::npos && !name.empty() &&
        (called.substr(0, arrow) == name || called.substr(arrow + kArrow.size()) == name))
      return true;
    // The store writes no spaces. Of activities from before names were noted, too.
    const auto says = [&](std::string_view key, const std::string& value) {
      const std::string text = '"' + std::string(key) + "\":\"" + value + '"';
      return activity.before.find(text) != std::string::npos || activity.after.find(text) != std::string::npos;
    };
    if (says(member, id)) return true;
    const bool itself = activity.verb.starts_with(std::string(member) + ".");
    return itself && !name.empty() && says(member == "account" ? "email" : "name", name);
  }
};

// The store lists activities unfiltered: `account` is who did it or whom it was done to, `resource` what it was done
// to.
struct ActivityFilter {
  Known account;
  Known resource;
  std::optional<WallTime> from;
  std::optional<WallTime> to;

  bool empty() const { return account.empty() && resource.empty() && !from && !to; }
  bool passes(const directory::Activity& activity) const {
    if ((from && activity.time < *from) || (to && activity.time >= *to)) return false;
    if (!account.empty() && !account.is(activity.actor, activity.actor_name) && !account.concerned(activity))
      return false;
    return resource.empty() || resource.concerned(activity);
  }
};

// Forward from the cursor, or back over the newest kMostEntries.
Result<store::Listed<api::ActivityView>> activities(store::DirectoryStore& store, const ActivityFilter& filter,
                                                    store::Part part) {
  store::Listed<api::ActivityView> out;
  if (!part.after) {
    PL_TRY(auto newest, store.activities({std::nullopt, filter.empty() ? part.limit : store::kMostEntries}));
    std::erase_if(newest.items, [&](const auto& activity) { return !filter.passes(activity); });
    const auto skip = newest.items.size() - std::min(newest.items.size(), part.limit);
    for (auto at = newest.items.begin() + static_cast<std::ptrdiff_t>(skip); at != newest.items.end(); ++at)
      out.items.push_back(view_of(*at));
    out.cursor = newest.cursor;
    return out;
  }
  out.cursor = *part.after;
  do {
    // At most what is missing at a time: the cursor behind a page is behind the last one looked at.
    PL_TRY(const auto next, store.activities({out.cursor, part.limit - out.items.size()}));
    for (const auto& activity : next.items)
      if (filter.passes(activity)) out.items.push_back(view_of(activity));
    out.cursor = next.cursor;
    out.more = next.more;
  } while (out.more && out.items.size() < part.limit);
  return out;
}

// One kind of list. `list` blocks and is called on a pool.
template <class View>
struct Source {
  net::BlockingPool& pool;
  std::function<Result<store::Listed<View>>(const AuditRequest&)> list;
  Extra extra = Extra::kSession;
  bool live = false;  // first only what goes on; a follower is then told each beginning and end
  std::function<bool(const View&)> shown = {};
};

void name(api::SessionEntry& session, const Lookup& lookup) { name_node(session, lookup); }
template <class View>
void name(View& /*says it itself*/, const Lookup& /*lookup*/) {}

template <class View>
net::Task<Result<store::Listed<View>>> read(const Source<View>& source, AuditRequest request) {
  auto work = [list = source.list, request = std::move(request)] { return list(request); };
  co_return co_await net::run_blocking(source.pool, std::move(work));
}

// Filters by account and resource are what the person typed; the directory knows their ids, unless they have gone.
void resolve(AuditRequest& request, const Lookup& lookup) {
  const auto unknown = [&](std::string_view kind, const std::string& key) {
    request.unknown = Error{
        Code::kNotFound, "there is no " + std::string(kind) + " " + quoted(key) + ", and none on record in that time"};
  };
  if (auto& key = request.filter.account; !key.empty()) {
    request.account = directory::normalize_email(key).value_or(key);
    if (const auto* account = lookup.account(request.account)) {
      key = account->id;
      request.account = account->email;
    } else {
      unknown("account", key);
      key = request.account;
    }
  }
  if (auto& key = request.filter.resource; !key.empty()) {
    request.resource = key;
    if (const auto* resource = lookup.resource(key)) {
      key = resource->id;
      request.resource = resource->name;
    } else {
      unknown("resource", key);
    }
  }
}

template <class View>
net::Task<Answer> list_once(const Source<View>& source, Exchange exchange) {
  CO_TRY(auto request, audit_request(exchange.call.request, source.extra));
  resolve(request, *exchange.lookup);
  request.filter.live = source.live;
  const bool first_page = !request.part.after;
  const auto unknown = request.unknown;
  CO_TRY(auto listed, co_await read(source, std::move(request)));
  if (unknown && first_page && listed.items.empty()) co_return std::unexpected(*unknown);
  if (source.shown) std::erase_if(listed.items, [&](const View& item) { return !source.shown(item); });
  for (auto& item : listed.items) name(item, *exchange.lookup);
  api::Page<View> out{std::move(listed.items), {}};
  if (listed.more) out.cursor = std::to_string(listed.cursor);
  co_return ok(out);
}

template <class View>
net::Task<Result<>> follow(Core& core, const Source<View>& source, Exchange exchange, Watch& watch,
                           net::http::Sink& sink) {
  CO_TRY(auto request, audit_request(exchange.call.request, source.extra));
  resolve(request, *exchange.lookup);
  request.filter.live = source.live;
  LineSender lines(sink, core.options.clock, core.options.heartbeat);
  bool begun = false;
  while (true) {
    CO_CHECK(readmit(core, exchange));
    CO_TRY(auto listed, co_await read(source, request));
    if (!std::exchange(begun, true)) {
      if (request.unknown && !request.part.after && listed.items.empty()) co_return std::unexpected(*request.unknown);
      CO_CHECK(co_await lines.begin());
    }
    for (auto& item : listed.items) {
      name(item, *exchange.lookup);
      if (source.shown && request.filter.live && !source.shown(item)) continue;
      CO_CHECK(co_await lines.send(json::encode(item)));
    }
    request.part.after = listed.cursor;
    if (!listed.more) request.filter.live = false;
    if (listed.more) continue;
    if (lines.heartbeat_due()) {
      CO_CHECK(co_await lines.send(R"({"kind":"heartbeat"})"));
    }
    CO_CHECK(co_await watch.wait(lines.until_heartbeat()));
  }
}

template <class View>
void add_source(Routes& routes, Core& core, std::string_view route, Topic topic, Source<View> source) {
  const auto kept = std::make_shared<const Source<View>>(std::move(source));
  routes.add_watch(
      route, topic, [kept](Exchange exchange) { return list_once(*kept, std::move(exchange)); },
      [kept, &core](Exchange exchange, Watch& watch, net::http::Sink& sink) {
        return follow(core, *kept, std::move(exchange), watch, sink);
      });
}

}  // namespace

void AuditLists::add_to(Routes& routes) {
  auto* audit = core_.audit.get();
  auto* directory = core_.directory.get();
  add_source<api::SessionEntry>(
      routes, core_, "GET /v1/audit/sessions", Topic::kAudit,
      {core_.audit_pool, [audit](const AuditRequest& r) { return audit->sessions(r.filter, r.part); }});
  // The end of a session whose node was killed comes on record when the node is back.
  add_source<api::SessionEntry>(routes, core_, "GET /v1/sessions", Topic::kAudit,
                                {.pool = core_.audit_pool,
                                 .list = [audit](const AuditRequest& r) { return audit->sessions(r.filter, r.part); },
                                 .live = true,
                                 .shown = [this](const api::SessionEntry& entry) { return presence_.up(entry.node); }});
  add_source<api::AuditRecord>(
      routes, core_, "GET /v1/audit/queries", Topic::kAudit,
      {core_.audit_pool, [audit](const AuditRequest& r) { return audit->queries(r.filter, r.part); },
       Extra::kSessionAndText});
  add_source<api::ActivityView>(routes, core_, "GET /v1/audit/activities", Topic::kDirectory,
                                {core_.store_pool,
                                 [directory](const AuditRequest& r) {
                                   return activities(*directory,
                                                     {{"account", r.filter.account, r.account},
                                                      {"resource", r.filter.resource, r.resource},
                                                      r.filter.from,
                                                      r.filter.to},
                                                     r.part);
                                 },
                                 Extra::kNone});
}

}  // namespace portolan::control
