#include "base/clock.h"
#include "cli/dev_parts.h"

namespace portolan::cli {
namespace {

constexpr std::chrono::milliseconds kPause = std::chrono::milliseconds(30);

}  // namespace

net::Task<Result<>> probe_until(std::function<net::Task<Result<>>()> probe,
                                std::function<std::optional<Error>()> given_up, std::chrono::milliseconds limit) {
  const auto end = Clock::real().boot() + limit;
  for (;;) {
    auto answer = co_await probe();
    if (answer) co_return answer;
    if (auto why = given_up()) co_return std::unexpected(std::move(*why));
    if (Clock::real().boot() > end)
      co_return std::unexpected(std::move(answer).error().within("not ready after " + format_duration(limit)));
    CO_CHECK(co_await net::sleep_for(kPause));
  }
}

}  // namespace portolan::cli
