// The lists of the directory: GET of a collection, once in pages or as a watch, the same for every kind of object.
//
// A watch sends first what is there, then "synced", then each object that comes, changes or goes, in no order but that
// of time; what comes while the reader does not read is sent once, as it is then.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "api/admin.h"
#include "api/list.h"
#include "control/list_page.h"
#include "store/kinds.h"

namespace portolan::control {

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
