#include "cli/admin.h"

namespace portolan::cli {

void add_list_options(CLI::App& app, ListOptions& options, const std::vector<Filter>& exact, bool small) {
  for (const Filter& filter : exact) {
    auto* option =
        app.add_option("--" + filter.name, options.exact[filter.name], "only those with this " + filter.name);
    if (!filter.values.empty()) option->check(one_of(filter.values));
  }
  app.add_option("--limit", options.limit, "the first so many; all if it is not given")->check(one_to());
  if (small) return;
  app.add_option("--filter", options.filter,
                 "terms that must all hold, apart by spaces: 'name~bill created>=2026-11-01' (a day is in UTC)");
  app.add_option("--order-by", options.order_by, "a member, or 'MEMBER desc'");
  app.add_flag("-f,--watch", options.follow, "go on with what changes");
}

Query query_of(const ListOptions& options) {
  Query query = options.exact;
  std::erase_if(query, [](const auto& filter) { return filter.second.empty(); });
  if (!options.filter.empty()) query["filter"] = options.filter;
  if (!options.order_by.empty()) query["order_by"] = options.order_by;
  // Fewer calls; a watch takes none.
  if (!options.follow) query["limit"] = "1000";
  return query;
}

std::vector<Column> event_columns(std::vector<Column> columns) {
  columns.insert(columns.begin(), {{"TIME"}, {"CHANGE"}});
  return columns;
}

std::vector<std::string> event_row(std::string what, const std::vector<std::string>& cells) {
  std::vector<std::string> row = {local_time(Clock::real().wall()), std::move(what)};
  row.insert(row.end(), cells.begin(), cells.end());
  return row;
}

void add_if_revision(CLI::App& app, Revision& revision) {
  app.add_option("--if-revision", revision, "only if nobody has changed it since this revision, as --json shows it");
}

Result<> print_deleted(Context& context, const std::string& noun, const std::string& key) {
  if (context.out.json) context.out.object(Deleted{key});
  context.out.note("Deleted " + noun + " " + fit_for_terminal(key) + ".");
  return {};
}

}  // namespace portolan::cli
