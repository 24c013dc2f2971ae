// getaddrinfo knows everything that an administrator has set up (hosts files, search domains, resolved, mDNS), and
// blocks. It runs on a few threads that belong to the loop: one name server that does not answer holds up one of them,
// not all look-ups.
#include "net/resolve.h"

#include <netdb.h>
#include <cstring>

#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/this_coro.hpp>

#include "net/system_error.h"

namespace portolan::net {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kThreads = 4;
constexpr std::size_t kWaiting = 1024;
constexpr std::size_t kAddresses = 8;

// Lives in the io_context; made by the first look-up, ends with the loop (waiting for look-ups in progress).
class Resolver : public asio::execution_context::service {
 public:
  using key_type = Resolver;
  inline static asio::execution_context::id id;
  explicit Resolver(asio::execution_context& context) : service(context), pool_("resolve", kThreads, kWaiting) {}
  BlockingPool& pool() { return pool_; }

 private:
  void shutdown() noexcept override {}
  BlockingPool pool_;
};

Result<std::vector<SocketAddress>> look_up(const Endpoint& to) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(to.host.c_str(), std::to_string(to.port).c_str(), &hints, &found);
  if (error != 0) {
    const bool unknown = error == EAI_NONAME || error == EAI_NODATA;
    const std::string why = unknown ? "no such name" : error == EAI_SYSTEM ? errno_text(errno) : gai_strerror(error);
    return fail(unknown ? Code::kNotFound : Code::kUnavailable, "look up " + quoted(to.host, 253) + ": " + why);
  }
  std::vector<SocketAddress> addresses;
  for (auto* each = found; each != nullptr && addresses.size() < kAddresses; each = each->ai_next) {
    auto& address = addresses.emplace_back();
    std::memcpy(&address.storage, each->ai_addr, each->ai_addrlen);
    address.size = each->ai_addrlen;
  }
  freeaddrinfo(found);
  return addresses;
}

}  // namespace

Task<Result<std::vector<SocketAddress>>> resolve(Endpoint to) {
  if (to.host.empty()) co_return fail(Code::kInvalid, "no host given");
  if (auto numeric = numeric_address(to)) co_return std::vector{*numeric};
  const Executor executor = co_await asio::this_coro::executor;
  auto& resolver = asio::use_service<Resolver>(asio::query(executor, asio::execution::context));
  co_return co_await run_blocking(resolver.pool(), [to] { return look_up(to); });
}

}  // namespace portolan::net
