#include "cli/admin.h"

namespace portolan::cli {

void add_list_options(CLI::App& app, ListOptions& options, const std::vector<std::string>& exact, bool small) {
  for (const std::string& filter : exact)
    app.add_option("--" + filter, options.exact[filter], "only those with this " + filter);
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

std::string event_line(std::string_view what, const std::vector<std::string>& cells) {
  std::string line = local_time(Clock::real().wall());
  line += "  ";
  line += what;
  line.resize(line.size() + 7 - std::min<std::size_t>(what.size(), 7), ' ');
  for (const auto& cell : cells)
    if (!cell.empty()) line += "  " + fit_for_terminal(cell);
  return line;
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
