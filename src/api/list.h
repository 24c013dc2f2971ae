// What every list answers: a page, or with ?watch=1 a stream of these events, one JSON object a line.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe.hpp>

namespace portolan::api {

// `cursor` is absent on the last page.
template <class T>
struct Page {
  std::vector<T> items;
  std::optional<std::string> cursor;
  BOOST_DESCRIBE_CLASS(Page, (), (items, cursor), (), ())
};

// `kind`: "put" (`item` is new, has changed, or has come to fit the filter), "delete" (`id` is gone or no longer fits),
// "synced" (once: all that was there has been sent), "heartbeat" (after five seconds of silence).
template <class T>
struct ListEvent {
  std::string kind;
  std::string epoch;
  std::uint64_t revision = 0;
  std::optional<T> item;
  std::optional<std::string> id;
  BOOST_DESCRIBE_CLASS(ListEvent, (), (kind, epoch, revision, item, id), (), ())
};

}  // namespace portolan::api
