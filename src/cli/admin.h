// What the groups of `portolan admin` share: list, show and delete are the same for every kind of object; each kind
// says how its objects look in a table.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/list.h"
#include "cli/calls.h"
#include "cli/command.h"
#include "cli/exit.h"
#include "cli/row_printer.h"

namespace portolan::cli {

void add_admin_accounts(CLI::App& admin, Context& context);
void add_admin_roles(CLI::App& admin, Context& context);
void add_admin_memberships(CLI::App& admin, Context& context);
void add_admin_grants(CLI::App& admin, Context& context);
void add_admin_resources(CLI::App& admin, Context& context);
void add_admin_nodes(CLI::App& admin, Context& context);
void add_admin_clusters(CLI::App& admin, Context& context);
void add_admin_peering(CLI::App& admin, Context& context);
// To the group of nodes.
void add_admin_route(CLI::App& nodes, Context& context);
void add_admin_keys(CLI::App& admin, Context& context);
void add_admin_tokens(CLI::App& admin, Context& context);
void add_admin_devices(CLI::App& admin, Context& context);
void add_admin_sessions(CLI::App& admin, Context& context);
void add_admin_apply(CLI::App& admin, Context& context);
void add_admin_access(CLI::App& admin, Context& context);
void add_admin_health(CLI::App& admin, Context& context);

inline constexpr const char* kById = "its id, as the list shows it";

// An option of a list, such as --kind. `values`: those that there are, if they are a few.
struct Filter {
  // NOLINTNEXTLINE(google-explicit-constructor): lists of them are lists of names
  Filter(const char* its_name, std::vector<std::string> its_values = {})
      : name(its_name), values(std::move(its_values)) {}
  std::string name;
  std::vector<std::string> values;
};

// One kind of object.
template <class View>
struct Kind {
  std::string group;       // "admin roles", for examples
  std::string noun;        // "role"
  std::string collection;  // "/v1/roles"
  std::string key;         // what names one: "role"
  std::vector<Column> columns;
  std::vector<std::string> (*row)(const View&);
  std::vector<Filter> filters = {};
  // What is asked for beside the objects, as more columns of the table: a row's cells by the object's id.
  std::vector<Column> more_columns = {};
  Result<std::map<std::string, std::vector<std::string>>> (*more)(const std::vector<View>&) = nullptr;
  std::string key_is = "its name or id";
  bool small = false;  // a list of a few, all shown as they are: it takes no filter, order or watch
  // All of one, with what hangs on it, for `show`; null: its row.
  Result<> (*details)(const Output&, const View&) = nullptr;
};

enum class Asked { kAll, kSome };

template <class View>
Result<> print_list(Context& context, const Kind<View>& kind, std::vector<View> items, Asked asked = Asked::kAll) {
  if (context.out.json) {
    for (const View& item : items) context.out.object(item);
    return {};
  }
  std::map<std::string, std::vector<std::string>> more;
  if (kind.more && !items.empty()) {
    PL_TRY(more, kind.more(items));
  }
  std::vector<Column> columns = kind.columns;
  columns.insert(columns.end(), kind.more_columns.begin(), kind.more_columns.end());
  Table table(std::move(columns));
  for (const View& item : items) {
    std::vector<std::string> row = kind.row(item);
    if constexpr (requires { item.id; }) {
      const auto& cells = more[item.id];
      row.insert(row.end(), cells.begin(), cells.end());
    }
    table.add(std::move(row));
  }
  if (table.empty()) {
    context.out.note(asked == Asked::kAll ? "No " + kind.noun + " yet." : "There is no such " + kind.noun + ".");
  } else {
    context.out.table(table);
  }
  return {};
}

template <class View>
Result<> print_one(Context& context, const Kind<View>& kind, View item) {
  if (context.out.json) {
    context.out.object(item);
    return {};
  }
  std::vector<View> one;
  one.push_back(std::move(item));
  return print_list(context, kind, std::move(one));
}

// What a list is asked for.
struct ListOptions {
  std::map<std::string, std::string> exact;
  std::string filter;
  std::string order_by;
  std::size_t limit = kWholeList;
  bool follow = false;
};
void add_list_options(CLI::App& app, ListOptions& options, const std::vector<Filter>& exact, bool small = false);
Query query_of(const ListOptions& options);
// Of a watch: when something has come, and what has become of an object, before its cells.
std::vector<Column> event_columns(std::vector<Column> columns);
std::vector<std::string> event_row(std::string what, const std::vector<std::string>& cells);

// Prints what is there, then each change, until the process is stopped.
template <class View>
Result<> follow_list(Context& context, const Kind<View>& kind, const ListOptions& options) {
  if (options.limit != kWholeList || !options.order_by.empty())
    return wrong_usage("--watch shows what comes in the order in which it comes: leave out --limit and --order-by");
  std::map<std::string, std::vector<std::string>> known;  // cells by id
  bool synced = false;
  RowPrinter rows(context.out, event_columns(kind.columns));
  rows.hold();
  return call_watch(kind.collection, query_of(options), [&](std::string_view line) -> Result<> {
    PL_TRY(const auto event, json::decode<api::ListEvent<View>>(line, json::Unknown::kIgnore));
    if (event.kind == "heartbeat") return {};
    if (context.out.json) {
      context.out.line(line);
      return {};
    }
    if (event.kind == "synced" && !std::exchange(synced, true)) rows.flush();
    if (event.kind == "put" && event.item) {
      auto cells = kind.row(*event.item);
      const bool is_new = !known.contains(event.item->id);
      rows.row(event_row(!synced ? "" : is_new ? "new" : "changed", cells));
      known[event.item->id] = std::move(cells);
    }
    if (event.kind == "delete" && event.id) {
      const auto gone = known.extract(*event.id);
      rows.row(event_row("gone", gone ? gone.mapped() : std::vector{*event.id}));
    }
    return {};
  });
}

template <class View>
void add_list(CLI::App& group, Context& context, const Kind<View>& kind) {
  struct Options {
    Kind<View> kind;
    ListOptions list;
  };
  CLI::App& app = add_command(group, context, "list", "all of them", "portolan " + kind.group + " list --json");
  auto options = std::make_shared<Options>(Options{kind, {}});
  add_list_options(app, options->list, kind.filters, kind.small);
  on_chosen<Options>(app, context, options, [](Context& ctx, Options& chosen) -> Result<> {
    if (chosen.list.follow) return follow_list(ctx, chosen.kind, chosen.list);
    PL_TRY(auto items, call_list<View>(chosen.kind.collection, query_of(chosen.list), chosen.list.limit));
    const bool narrowed = query_of(chosen.list).size() > 1;  // than its limit
    return print_list(ctx, chosen.kind, std::move(items), narrowed ? Asked::kSome : Asked::kAll);
  });
}

template <class View>
struct KeyOptions {
  Kind<View> kind;
  std::string key;
  Revision revision = {};
};

template <class View>
void add_show(CLI::App& group, Context& context, const Kind<View>& kind) {
  using Options = KeyOptions<View>;
  CLI::App& app = add_command(group, context, "show", "one " + kind.noun,
                              "portolan " + kind.group + " show " + (kind.key_is == kById ? "ID" : "NAME"));
  auto options = std::make_shared<Options>(Options{kind, {}});
  app.add_option(kind.key, options->key, kind.key_is)->required();
  on_chosen<Options>(app, context, options, [](Context& ctx, Options& chosen) -> Result<> {
    PL_TRY(auto path, path_with(chosen.kind.collection, chosen.key));
    PL_TRY(auto item, call_get<View>(std::move(path)));
    if (chosen.kind.details && !ctx.out.json) return chosen.kind.details(ctx.out, item);
    return print_one(ctx, chosen.kind, std::move(item));
  });
}

// --if-revision, of updates and deletions.
void add_if_revision(CLI::App& app, Revision& revision);

struct Deleted {
  std::string deleted;
};
BOOST_DESCRIBE_STRUCT(Deleted, (), (deleted))

Result<> print_deleted(Context& context, const std::string& noun, const std::string& key);

template <class View>
void add_delete(CLI::App& group, Context& context, const Kind<View>& kind, const std::string& description) {
  using Options = KeyOptions<View>;
  CLI::App& app = add_command(group, context, "delete", description,
                              "portolan " + kind.group + " delete " + (kind.key_is == kById ? "ID" : "NAME"));
  auto options = std::make_shared<Options>(Options{kind, {}});
  app.add_option(kind.key, options->key, kind.key_is)->required();
  add_if_revision(app, options->revision);
  on_chosen<Options>(app, context, options, [](Context& ctx, Options& chosen) -> Result<> {
    PL_TRY(auto path, path_with(chosen.kind.collection, chosen.key));
    PL_CHECK(call_delete(std::move(path), chosen.revision));
    return print_deleted(ctx, chosen.kind.noun, chosen.key);
  });
}

// The id of what connects two objects, a membership or a grant: `first` itself if there is no `second`, else of the one
// between the two, which the list's parameters of these names find.
template <class View>
Result<std::string> connecting_id(const Kind<View>& kind, const std::string& first, const std::string& second) {
  if (second.empty()) return first;
  PL_TRY(const auto found,
         call_list<View>(kind.collection, {{kind.filters[0].name, first}, {kind.filters[1].name, second}}));
  if (found.size() == 1) return found.front().id;
  return fail(Code::kNotFound, "there is no " + kind.noun + " of " + quoted(first) + " and " + quoted(second));
}

inline std::string yes(bool value) { return value ? "yes" : ""; }
// A name, or the id where an older control plane does not say the name.
inline const std::string& name_or(const std::string& name, const std::string& id) { return name.empty() ? id : name; }

}  // namespace portolan::cli
