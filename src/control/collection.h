// The lists of the directory: GET of a collection, once in pages or as a watch, the same for every kind of object.
//
// A page is read from the snapshot of its request. Its cursor is the place behind its last entry in the list's order,
// so that objects that come and go between two pages disturb nothing. A watch sends first what is there, then "synced",
// then each object that comes, changes or goes, in no order but that of time; what comes while the reader does not read
// is sent once, as it is then.
#pragma once
#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "api/admin.h"
#include "api/list.h"
#include "control/listing.h"
#include "control/query.h"
#include "control/routes.h"
#include "store/kinds.h"

namespace portolan::control {

// A query parameter that is an exact filter: `account=ann@example.com`.
struct ExactFilter {
  std::string_view parameter;
  std::string_view member;
  // What a person types as what the member holds; null: the same.
  std::string (*resolve)(const Lookup&, const std::string&) = nullptr;
};
std::string account_id(const Lookup& lookup, const std::string& key);
std::string role_id(const Lookup& lookup, const std::string& key);
std::string resource_id(const Lookup& lookup, const std::string& key);

// How much of the directory one list shows, and how.
template <class View, class Object>
struct Collection {
  std::function<View(const Exchange&, const Object&)> view;
  std::string order = "name";  // the member by which it is ordered if nobody asks
  std::vector<ExactFilter> exact = {};
  // Views that also change without the object: a watch looks at all of them each time. For short lists.
  bool lively = false;
  // Which objects the caller may see; null: all.
  bool (*visible)(const Caller&, const Object&) = nullptr;
};

struct ListQuery {
  std::size_t limit = 100;
  std::string after;  // place in the order; empty: from the beginning
  Order order;
  std::vector<Term> terms;
};
enum class ListUse { kPage, kWatch };
Result<ListQuery> list_query(const Exchange& exchange, const std::vector<Member>& members,
                             std::span<const ExactFilter> exact, std::string_view usual_order, ListUse use);

namespace detail {

// An object that is looked at. Its view is made when it is needed: most questions are answered by the object.
template <class View, class Object>
class Row {
 public:
  Row(const Collection<View, Object>& collection, const Exchange& exchange, const Object& object)
      : collection_(&collection), exchange_(&exchange), object_(&object) {}

  const View& view() const {
    if (!view_) view_ = collection_->view(*exchange_, *object_);
    return *view_;
  }
  Field field(std::string_view member) const {
    if (auto of_object = field_of(*object_, member)) return *of_object;
    return field_of(view(), member).value_or(Field());
  }
  bool passes(const std::vector<Term>& terms) const {
    if (collection_->visible && !collection_->visible(exchange_->caller, *object_)) return false;
    return std::ranges::all_of(terms, [&](const Term& term) {
      return term.member.empty() ? any_text_contains(view(), term.text) : holds(term, field(term.member));
    });
  }
  const std::string& id() const { return object_->id; }

 private:
  const Collection<View, Object>* collection_;
  const Exchange* exchange_;
  const Object* object_;
  mutable std::optional<View> view_;
};

// Place in the order. The id makes it unique.
inline std::string place_of(std::string key, std::string_view id) {
  key += '\n';
  key += id;
  return key;
}

}  // namespace detail

template <class View, class Object>
Answer list_page(const Collection<View, Object>& collection, const Exchange& exchange) {
  PL_TRY(const ListQuery query,
         list_query(exchange, members_of<View>(), collection.exact, collection.order, ListUse::kPage));
  using Entry = std::pair<std::string, const Object*>;  // views are made of the few that are shown
  std::vector<Entry> entries;
  const auto before = [&](const std::string& a, const std::string& b) {
    return query.order.descending ? b < a : a < b;
  };
  for (const auto& [id, object] : exchange.lookup->snapshot().*store::kObjects<Object>) {
    const detail::Row<View, Object> row(collection, exchange, object);
    if (!row.passes(query.terms)) continue;
    auto place = detail::place_of(sort_key(row.field(query.order.member)), id);
    if (query.after.empty() || before(query.after, place)) entries.emplace_back(std::move(place), &object);
  }
  const auto end = entries.begin() + static_cast<std::ptrdiff_t>(std::min(entries.size(), query.limit));
  std::ranges::partial_sort(entries, end, before, &Entry::first);
  api::Page<View> out;
  for (auto at = entries.begin(); at != end; ++at) out.items.push_back(collection.view(exchange, *at->second));
  if (end != entries.end()) out.cursor = encode_cursor(std::prev(end)->first);
  return ok(out);
}

// What one watch has sent.
template <class View, class Object>
class Follower {
 public:
  Follower(Core& core, const Collection<View, Object>& collection, Exchange exchange, LineSender& lines)
      : core_(core), collection_(collection), exchange_(std::move(exchange)), lines_(lines) {}

  net::Task<Result<>> run(Watch& watch) {
    CO_TRY(query_, list_query(exchange_, members_of<View>(), collection_.exact, collection_.order, ListUse::kWatch));
    CO_CHECK(co_await lines_.begin());
    while (true) {
      CO_CHECK(readmit(core_, exchange_));
      CO_CHECK(co_await send_news());
      if (lines_.heartbeat_due()) {
        CO_CHECK(co_await lines_.send(json::encode(event("heartbeat"))));
      }
      CO_CHECK(co_await watch.wait(lines_.until_heartbeat()));
    }
  }

 private:
  using Event = api::ListEvent<View>;
  Event event(std::string kind) const {
    const auto& snapshot = exchange_.lookup->snapshot();
    return {std::move(kind), snapshot.epoch, snapshot.revision, {}, {}};
  }

  net::Task<Result<>> send_news() {
    const auto& snapshot = exchange_.lookup->snapshot();
    const bool first = epoch_.empty();
    std::optional<std::vector<Changes::Step>> steps;
    if (!first && !collection_.lively && epoch_ == snapshot.epoch)
      steps = core_.changes.since(revision_, snapshot.revision);
    if (steps) {
      CO_CHECK(co_await send_touched(std::move(*steps)));
    } else {
      CO_CHECK(co_await send_all());
    }
    epoch_ = snapshot.epoch;
    revision_ = snapshot.revision;
    if (first) {
      CO_CHECK(co_await lines_.send(json::encode(event("synced"))));
    }
    co_return Result<>{};
  }

  net::Task<Result<>> send_touched(std::vector<Changes::Step> steps) {
    for (const auto& step : steps)
      for (const auto& touched : *step)
        if (touched.table == std::string_view(store::kKind<Object>.table)) {
          CO_CHECK(co_await send_one(touched.id));
        }
    co_return Result<>{};
  }

  net::Task<Result<>> send_all() {
    for (const auto& [id, object] : exchange_.lookup->snapshot().*store::kObjects<Object>) {
      CO_CHECK(co_await send_one(id));
    }
    std::vector<std::string> gone;
    for (const auto& [id, print] : sent_)
      if (!(exchange_.lookup->snapshot().*store::kObjects<Object>).contains(id)) gone.push_back(id);
    for (auto& id : gone) {
      CO_CHECK(co_await send_one(std::move(id)));
    }
    co_return Result<>{};
  }

  // The object as it is now, if that is news.
  net::Task<Result<>> send_one(std::string id) {
    const auto& objects = exchange_.lookup->snapshot().*store::kObjects<Object>;
    const auto found = objects.find(id);
    const bool known = sent_.contains(id);
    if (found != objects.end()) {
      const detail::Row<View, Object> row(collection_, exchange_, found->second);
      if (row.passes(query_.terms)) {
        const std::size_t print = collection_.lively ? std::hash<std::string>()(json::encode(row.view()))
                                                     : static_cast<std::size_t>(found->second.revision);
        if (known && sent_[id] == print) co_return Result<>{};
        sent_[id] = print;
        auto put = event("put");
        put.item = row.view();
        co_return co_await lines_.send(json::encode(put));
      }
    }
    if (!known) co_return Result<>{};
    sent_.erase(id);
    auto removed = event("delete");
    removed.id = std::move(id);
    co_return co_await lines_.send(json::encode(removed));
  }

  Core& core_;
  const Collection<View, Object>& collection_;
  Exchange exchange_;
  LineSender& lines_;
  ListQuery query_;
  std::string epoch_;
  std::uint64_t revision_ = 0;
  std::unordered_map<std::string, std::size_t> sent_;  // what of each was sent, as a fingerprint
};

template <class View, class Object>
net::Task<Answer> answer_page(std::shared_ptr<const Collection<View, Object>> collection, Exchange exchange) {
  co_return list_page(*collection, exchange);
}

template <class View, class Object>
net::Task<Result<>> follow_list(Core& core, std::shared_ptr<const Collection<View, Object>> collection,
                                Exchange exchange, Watch& watch, net::http::Sink& sink) {
  LineSender lines(sink, core.options.clock, core.options.heartbeat);
  Follower<View, Object> follower(core, *collection, std::move(exchange), lines);
  co_return co_await follower.run(watch);
}

template <class View, class Object>
void add_collection(Routes& routes, Core& core, std::string_view route, Collection<View, Object> collection) {
  const auto kept = std::make_shared<const Collection<View, Object>>(std::move(collection));
  routes.add_watch(
      route, Topic::kDirectory, [kept](Exchange exchange) { return answer_page(kept, std::move(exchange)); },
      [kept, &core](Exchange exchange, Watch& watch, net::http::Sink& sink) {
        return follow_list(core, kept, std::move(exchange), watch, sink);
      });
}

}  // namespace portolan::control
