// What the groups of `portolan admin` share: list, show and delete are the same for every kind of object; each kind
// says how its objects look in a table.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/calls.h"
#include "cli/command.h"

namespace portolan::cli {

void add_admin_accounts(CLI::App& admin, Context& context);
void add_admin_roles(CLI::App& admin, Context& context);
void add_admin_memberships(CLI::App& admin, Context& context);
void add_admin_grants(CLI::App& admin, Context& context);
void add_admin_resources(CLI::App& admin, Context& context);
void add_admin_nodes(CLI::App& admin, Context& context);
void add_admin_keys(CLI::App& admin, Context& context);
void add_admin_access(CLI::App& admin, Context& context);
void add_admin_health(CLI::App& admin, Context& context);

// One kind of object.
template <class View>
struct Kind {
  std::string group;       // "admin roles", for examples
  std::string noun;        // "role"
  std::string collection;  // "/v1/roles"
  std::string key;         // what names one: "role"
  std::vector<Column> columns;
  std::vector<std::string> (*row)(const View&);
  std::vector<std::string> filters = {};               // of the list, each an option
  Result<> (*beautify)(std::vector<View>&) = nullptr;  // names for ids, before a table is printed
  // What is asked for beside the objects, as more columns of the table: a row's cells by the object's id.
  std::vector<Column> more_columns = {};
  Result<std::map<std::string, std::vector<std::string>>> (*more)(const std::vector<View>&) = nullptr;
};

template <class View>
Result<> print_list(Context& context, const Kind<View>& kind, std::vector<View> items) {
  if (context.out.json) {
    for (const View& item : items) context.out.object(item);
    return {};
  }
  if (kind.beautify) PL_CHECK(kind.beautify(items));
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
    context.out.note("No " + kind.noun + " yet.");
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

template <class View>
void add_list(CLI::App& group, Context& context, const Kind<View>& kind) {
  struct Options {
    Kind<View> kind;
    std::map<std::string, std::string> filters;
  };
  CLI::App& app = add_command(group, context, "list", "all of them", "portolan " + kind.group + " list --json");
  auto options = std::make_shared<Options>(Options{kind, {}});
  for (const std::string& filter : kind.filters)
    app.add_option("--" + filter, options->filters[filter], "only those with this " + filter);
  on_chosen<Options>(app, context, options, [](Context& ctx, Options& chosen) -> Result<> {
    std::erase_if(chosen.filters, [](const auto& filter) { return filter.second.empty(); });
    PL_TRY(auto items, call_list<View>(chosen.kind.collection, chosen.filters));
    return print_list(ctx, chosen.kind, std::move(items));
  });
}

template <class View>
struct KeyOptions {
  Kind<View> kind;
  std::string key;
};

template <class View>
void add_show(CLI::App& group, Context& context, const Kind<View>& kind) {
  using Options = KeyOptions<View>;
  CLI::App& app = add_command(group, context, "show", "one " + kind.noun, "portolan " + kind.group + " show NAME");
  auto options = std::make_shared<Options>(Options{kind, {}});
  app.add_option(kind.key, options->key, "its name or id")->required();
  on_chosen<Options>(app, context, options, [](Context& ctx, Options& chosen) -> Result<> {
    PL_TRY(auto path, path_with(chosen.kind.collection, chosen.key));
    PL_TRY(auto item, call_get<View>(std::move(path)));
    return print_one(ctx, chosen.kind, std::move(item));
  });
}

struct Deleted {
  std::string deleted;
};
BOOST_DESCRIBE_STRUCT(Deleted, (), (deleted))

template <class View>
void add_delete(CLI::App& group, Context& context, const Kind<View>& kind, const std::string& description) {
  using Options = KeyOptions<View>;
  CLI::App& app = add_command(group, context, "delete", description, "portolan " + kind.group + " delete NAME");
  auto options = std::make_shared<Options>(Options{kind, {}});
  app.add_option(kind.key, options->key, "its name or id")->required();
  on_chosen<Options>(app, context, options, [](Context& ctx, Options& chosen) -> Result<> {
    PL_TRY(auto path, path_with(chosen.kind.collection, chosen.key));
    PL_CHECK(call_delete(std::move(path)));
    if (ctx.out.json) ctx.out.object(Deleted{chosen.key});
    ctx.out.note("Deleted " + chosen.kind.noun + " " + fit_for_terminal(chosen.key) + ".");
    return {};
  });
}

inline std::string yes(bool value) { return value ? "yes" : ""; }

}  // namespace portolan::cli
