#include "protocols/tcp/driver.h"

#include "net/join.h"

namespace portolan::protocols::tcp {
namespace {

class TcpDriver final : public Driver {
 public:
  explicit TcpDriver(Session& session) : session_(session) {}

  net::Task<Result<>> serve(std::unique_ptr<net::Stream> client) override {
    CO_TRY(const auto resource, co_await session_.dial(0));
    session_.let_in();
    const net::Joined joined = co_await net::join(*client, *resource, {.stop = &session_.stop()});
    session_.count_bytes(joined.forward, joined.backward);
    co_return joined.outcome;
  }

 private:
  Session& session_;
};

}  // namespace

Result<> check(const Settings& settings, std::string_view username) {
  if (!settings.empty())
    return fail(Code::kInvalid, "unknown setting " + quoted(settings.begin()->first) + " for tcp; it has none");
  if (!username.empty()) return fail(Code::kInvalid, "tcp signs in to nothing: it takes no user name");
  return {};
}

std::unique_ptr<Driver> make(Session& session) { return std::make_unique<TcpDriver>(session); }

net::Task<> refuse(std::unique_ptr<net::Stream>, Error, std::string, std::chrono::milliseconds) { co_return; }

std::unique_ptr<Onlooker> look_on(ByteView) { return nullptr; }

net::Task<Result<>> probe(Target, Dial dial, std::chrono::milliseconds) {
  CO_TRY(const auto stream, co_await dial(0));
  co_return Result<>{};
}

}  // namespace portolan::protocols::tcp
