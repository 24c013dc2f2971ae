// One call to the control plane, as the one who is signed in, from a command that does nothing else meanwhile.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/control_api.h"
#include "cli/run.h"

namespace portolan::cli {

using Query = std::map<std::string, std::string>;
using Revision = std::optional<std::uint64_t>;

template <class T>
Result<T> ask_control(std::function<net::Task<Result<T>>(api::ControlClient&)> ask) {
  // The lambda outlives its coroutine: run_on_loop keeps it until the loop has ended.
  return run_on_loop<T>([&ask](net::Loop&) -> net::Task<Result<T>> {
    CO_TRY(const auto home, client::Home::from_environment());
    CO_TRY(const auto control, signed_in_control(home));
    auto answer = co_await ask(*control);
    co_return answer;
  });
}

template <class View>
Result<std::vector<View>> call_list(std::string path, Query query = {}, std::size_t most = kWholeList) {
  return ask_control<std::vector<View>>(
      [&](api::ControlClient& control) { return list_all<View>(control, path, query, most); });
}
template <class View>
Result<View> call_get(std::string path, Query query = {}) {
  return ask_control<View>([&](api::ControlClient& control) { return control.get<View>(path, query); });
}
template <class View, class Body>
Result<View> call_post(std::string path, Body body) {
  return ask_control<View>([&](api::ControlClient& control) { return control.post<View>(path, body); });
}
// With a revision, only if the object is still at it.
template <class View, class Body>
Result<View> call_patch(std::string path, Body body, Revision revision = {}) {
  return ask_control<View>([&](api::ControlClient& control) { return control.patch<View>(path, body, revision); });
}
inline Result<> call_delete(std::string path, Revision revision = {}) {
  return ask_control<void>([&](api::ControlClient& control) { return control.remove(path, revision); });
}
// Lines of a watch, until it fails or the process is stopped.
inline Result<> call_watch(std::string path, Query query, std::function<Result<>(std::string_view)> on_line) {
  query["watch"] = "1";
  return ask_control<void>([&](api::ControlClient& control) { return control.watch(path, query, on_line); });
}

}  // namespace portolan::cli
