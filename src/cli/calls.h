// One call to the control plane, as the one who is signed in, from a command that does nothing else meanwhile.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "cli/control_api.h"
#include "cli/run.h"

namespace portolan::cli {

using Query = std::map<std::string, std::string>;

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
Result<std::vector<View>> call_list(std::string path, Query query = {}) {
  return ask_control<std::vector<View>>(
      [&](api::ControlClient& control) { return list_all<View>(control, path, query); });
}
template <class View>
Result<View> call_get(std::string path, Query query = {}) {
  return ask_control<View>([&](api::ControlClient& control) { return control.get<View>(path, query); });
}
template <class View, class Body>
Result<View> call_post(std::string path, Body body) {
  return ask_control<View>([&](api::ControlClient& control) { return control.post<View>(path, body); });
}
template <class View, class Body>
Result<View> call_patch(std::string path, Body body) {
  return ask_control<View>([&](api::ControlClient& control) { return control.patch<View>(path, body); });
}
inline Result<> call_delete(std::string path) {
  return ask_control<void>([&](api::ControlClient& control) { return control.remove(path); });
}

}  // namespace portolan::cli
