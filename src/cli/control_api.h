// The control plane, as the one who is signed in in the client's home.
#pragma once
#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/client.h"
#include "base/clock.h"
#include "client/home.h"

namespace portolan::cli {

// Code::kUnauthenticated, telling to log in, when nobody is signed in.
Result<std::unique_ptr<api::ControlClient>> signed_in_control(const client::Home& home, api::ControlLimits limits = {});

inline constexpr std::size_t kWholeList = 0;

// The first `most` entries of a list, or all of its pages.
template <class View>
net::Task<Result<std::vector<View>>> list_all(api::ControlClient& control, std::string path,
                                              std::map<std::string, std::string> query, std::size_t most = kWholeList) {
  constexpr std::size_t kPage = 1000;
  std::vector<View> all;
  for (;;) {
    if (most != kWholeList) query["limit"] = std::to_string(std::min(most - all.size(), kPage));
    CO_TRY(auto page, co_await control.get<api::Page<View>>(path, query));
    std::move(page.items.begin(), page.items.end(), std::back_inserter(all));
    if (!page.cursor || page.cursor->empty() || (most != kWholeList && all.size() >= most)) co_return all;
    query["cursor"] = std::move(*page.cursor);
  }
}

// A path segment: everything but unreserved characters would be the caller's mistake or attack; a slash is refused.
Result<std::string> path_with(std::string collection, const std::string& key);

// For tables: in the time zone of this machine, to the second. JSON has RFC 3339 in UTC.
std::string local_time(WallTime time);
std::string local_time(const std::optional<WallTime>& time);
// "3s ago", "5m ago", "2d ago"; empty for none.
std::string ago(const std::optional<WallTime>& time, WallTime now);
// RFC 3339, or a day ("2026-11-23", local).
Result<WallTime> parse_time(const std::string& text);
// --from and --to: RFC 3339, a day ("2026-11-23", local), or how long ago ("2h").
Result<WallTime> parse_moment(const std::string& text, WallTime now);

}  // namespace portolan::cli
