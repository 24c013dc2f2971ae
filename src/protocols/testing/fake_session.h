// A Session for the tests of drivers: granted by the test, keeps what it is given, dials what the test says.
#pragma once
#include <map>
#include <utility>
#include <vector>

#include "protocols/session.h"

namespace portolan::protocols::testing {

// Everything is public: a test sets it before and looks at it after.
class FakeSession final : public Session {
 public:
  using Cancels = std::map<CancelKey, std::function<net::Task<Result<>>()>>;
  using Dial = std::function<net::Task<Result<std::unique_ptr<net::Stream>>>(std::size_t host)>;

  FakeSession() { granted_.hosts = {{"127.0.0.1", 1}}; }

  const std::string& id() const override { return id_; }
  const std::string& trace() const override { return trace_; }
  const Granted& granted() const override { return granted_; }
  const Clock& clock() const override { return use_real_clock_ ? Clock::real() : clock_; }
  net::StopSignal& stop() override { return stop_; }

  // Hands out `resource_` once, or what `dial_` gives.
  net::Task<Result<std::unique_ptr<net::Stream>>> dial(std::size_t host) override {
    ++dials_;
    if (dial_) return dial_(host);
    return hand_out();
  }

  DerivedKeys& derived_keys() override { return *derived_keys_; }

  Result<> record(audit::Query query) override {
    if (record_fails_) return std::unexpected(*record_fails_);
    queries_.push_back(std::move(query));
    return {};
  }
  audit::Mode audit_mode() const override { return mode_; }
  bool must_wait() const override { return mode_ == audit::Mode::kStrict && kept_ < queries_.size(); }
  void when_kept(std::move_only_function<void(Result<>)> then) override { waiters_.push_back(std::move(then)); }
  // The disk has kept all that is on record, or has failed.
  void keep(Result<> outcome = {}) {
    kept_ = queries_.size();
    for (auto& waiter : std::exchange(waiters_, {})) waiter(outcome);
  }
  void let_in() override { ++let_in_; }
  void describe_client(std::string client, std::string database) override {
    client_ = std::move(client);
    database_ = std::move(database);
  }
  void count_bytes(std::uint64_t to_resource, std::uint64_t from_resource) override {
    to_resource_ += to_resource;
    from_resource_ += from_resource;
  }
  CancelKey offer_cancel(std::function<net::Task<Result<>>()> cancel) override {
    const CancelKey key{7000 + static_cast<std::uint32_t>(cancels_->size()), 0x5ec4e7};
    cancels_->emplace(key, std::move(cancel));
    return key;
  }
  net::Task<Result<>> cancel(CancelKey key) override {
    const auto found = cancels_->find(key);
    if (found == cancels_->end()) co_return fail(Code::kNotFound, "no such session to cancel");
    auto run = found->second;
    co_return co_await run();
  }

  std::string id_ = "s-test";
  std::string trace_ = "trace-test";
  Granted granted_;
  FakeClock clock_;
  bool use_real_clock_ = false;
  net::StopSignal stop_;
  std::shared_ptr<DerivedKeys> derived_keys_ = std::make_shared<DerivedKeys>();  // shared by sessions of one lease
  std::unique_ptr<net::Stream> resource_;
  Dial dial_;
  int dials_ = 0;
  int let_in_ = 0;
  std::vector<audit::Query> queries_;
  std::optional<Error> record_fails_;
  audit::Mode mode_ = audit::Mode::kDurable;
  std::size_t kept_ = 0;  // of queries_
  std::vector<std::move_only_function<void(Result<>)>> waiters_;
  std::string client_, database_;
  std::uint64_t to_resource_ = 0, from_resource_ = 0;
  std::shared_ptr<Cancels> cancels_ =
      std::make_shared<Cancels>();  // shared by sessions of the same account, if the test says so

 private:
  net::Task<Result<std::unique_ptr<net::Stream>>> hand_out() {
    if (!resource_)
      co_return std::unexpected(
          Error{Code::kUnavailable, "connect to resource: connection refused", {}, Hop::kResource});
    co_return std::move(resource_);
  }
};

}  // namespace portolan::protocols::testing
