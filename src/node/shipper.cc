#include "node/shipper.h"

#include "base/log.h"
#include "net/backoff.h"

namespace portolan::node {
namespace {

constexpr std::size_t kBatchRecords = 1000;

}  // namespace

Shipper::Shipper(const net::Executor& executor, audit::Spool& spool, std::unique_ptr<api::ControlClient> client)
    : spool_(spool), client_(std::move(client)), tasks_(executor) {
  tasks_.spawn("ship-audit", ship());
}

net::Task<> Shipper::ship() {
  net::Backoff backoff;
  for (;;) {
    auto batch = co_await spool_.next(kBatchRecords);
    Result<> done;
    if (!batch) {
      done = std::unexpected(std::move(batch).error());
    } else {
      auto stored =
          co_await client_->post<api::AuditAcknowledged>("/v1/node/audit", api::AuditBatch{std::move(batch->records)});
      done = stored ? spool_.acknowledge(batch->end) : Result<>(std::unexpected(std::move(stored).error()));
    }
    if (done) {
      backoff.reset();
      continue;
    }
    if (done.error().code == Code::kCancelled) co_return;
    log::warn("cannot hand over the audit; it stays here", {{"why", done.error()}, {"bytes", spool_.backlog()}});
    const auto slept = co_await net::sleep_for(backoff.next());
    if (!slept) co_return;
  }
}

net::Task<> Shipper::stop(std::chrono::milliseconds limit) {
  const auto step = std::chrono::milliseconds(20);
  for (auto waited = std::chrono::milliseconds(0); waited < limit && spool_.backlog() > 0; waited += step) {
    const auto slept = co_await net::sleep_for(step);
    if (!slept) break;
  }
  tasks_.cancel();
  co_await tasks_.join();
}

}  // namespace portolan::node
