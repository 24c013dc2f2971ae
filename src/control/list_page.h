// What the lists of the directory are made of, and one page of one. A page is read from the snapshot of its request;
// its cursor is the place behind its last entry in the list's order, so that objects that come and go between two pages
// disturb nothing.
#pragma once
#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/list.h"
#include "control/listing.h"
#include "control/places.h"
#include "control/query.h"
#include "control/routes.h"
#include "store/kinds.h"

namespace portolan::control {

// A query parameter that is an exact filter: `account=ann@example.com`.
struct ExactFilter {
  std::string_view parameter;
  std::string_view member;
  // What a person types as what the member holds; null: the same.
  Result<std::string> (*resolve)(const Lookup&, const std::string&) = nullptr;
  // The values that there are, if they are a few: others are refused, in `filter` too.
  std::vector<std::string_view> values = {};
};
// Code::kNotFound without such an object: a mistyped name must not look like an empty list.
Result<std::string> account_id(const Lookup& lookup, const std::string& key);
Result<std::string> role_id(const Lookup& lookup, const std::string& key);
Result<std::string> resource_id(const Lookup& lookup, const std::string& key);

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
  // Its orders by members of the object itself.
  std::shared_ptr<Places> places = std::make_shared<Places>();
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

}  // namespace detail

template <class View, class Object>
using Shown = std::vector<std::pair<std::string, const Object*>>;  // with their places

// What an unfiltered page shows, and one more: by places that are kept.
template <class View, class Object>
Shown<View, Object> first_of_all(const Collection<View, Object>& collection, const Exchange& exchange,
                                 const ListQuery& query) {
  const auto& objects = exchange.lookup->snapshot().*store::kObjects<Object>;
  const auto& places = collection.places->by(query.order.member, exchange.lookup->snapshot(), [&] {
    std::vector<std::string> made;
    made.reserve(objects.size());
    for (const auto& [id, object] : objects)
      made.push_back(place_of(sort_key(*field_of(object, query.order.member)), id));
    return made;
  });
  Shown<View, Object> out;
  const auto take = [&](const std::string& place) {
    const Object& object = objects.find(id_of_place(place))->second;
    if (!collection.visible || collection.visible(exchange.caller, object)) out.emplace_back(place, &object);
    return out.size() <= query.limit;
  };
  if (query.order.descending) {
    const auto last = query.after.empty() ? places.end() : std::ranges::lower_bound(places, query.after);
    for (auto at = last; at != places.begin() && take(*std::prev(at)); --at) {
    }
  } else {
    for (auto at = std::ranges::upper_bound(places, query.after); at != places.end() && take(*at); ++at) {
    }
  }
  return out;
}

template <class View, class Object>
Shown<View, Object> first_of_passing(const Collection<View, Object>& collection, const Exchange& exchange,
                                     const ListQuery& query) {
  Shown<View, Object> out;
  const auto before = [&](const std::string& a, const std::string& b) {
    return query.order.descending ? b < a : a < b;
  };
  for (const auto& [id, object] : exchange.lookup->snapshot().*store::kObjects<Object>) {
    const detail::Row<View, Object> row(collection, exchange, object);
    if (!row.passes(query.terms)) continue;
    auto place = place_of(sort_key(row.field(query.order.member)), id);
    if (query.after.empty() || before(query.after, place)) out.emplace_back(std::move(place), &object);
  }
  const auto end = out.begin() + static_cast<std::ptrdiff_t>(std::min(out.size(), query.limit + 1));
  std::ranges::partial_sort(out, end, before, &Shown<View, Object>::value_type::first);
  out.erase(end, out.end());
  return out;
}

template <class View, class Object>
Answer list_page(const Collection<View, Object>& collection, const Exchange& exchange) {
  PL_TRY(const ListQuery query,
         list_query(exchange, members_of<View>(), collection.exact, collection.order, ListUse::kPage));
  const bool kept = query.terms.empty() && field_of(Object(), query.order.member).has_value();
  const auto shown = kept ? first_of_all(collection, exchange, query) : first_of_passing(collection, exchange, query);
  const auto count = std::min(shown.size(), query.limit);
  api::Page<View> out;
  for (std::size_t i = 0; i < count; ++i) out.items.push_back(collection.view(exchange, *shown[i].second));
  if (shown.size() > count) out.cursor = encode_cursor(shown[count - 1].first);
  return ok(out);
}

}  // namespace portolan::control
