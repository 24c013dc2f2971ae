#include "node/shipper.h"

#include "audit/spool_line.h"
#include "base/log.h"
#include "net/backoff.h"

namespace portolan::node {
namespace {

constexpr std::size_t kBatchRecords = 1000;
constexpr std::chrono::milliseconds kHeadInterval = std::chrono::seconds(2);
// A control plane that does not know chains is asked again after so long: it may have been upgraded.
constexpr std::chrono::milliseconds kAskAgain = std::chrono::seconds(30);
constexpr const char* kChainPath = "/v1/node/audit/chain";
constexpr const char* kHeadsPath = "/v1/node/audit/heads";

// The previous release refuses members that it does not know.
void leave_out_what_is_new(api::AuditRecord& record) {
  record.begun.reset();
  record.statement.reset();
  record.copied_bytes.reset();
  record.parameters.reset();
  record.parameter_count.reset();
  record.http.reset();
}

}  // namespace

Shipper::Shipper(const net::Executor& executor, audit::Spool& spool, std::unique_ptr<api::ControlClient> client,
                 Signer signer)
    : spool_(spool), client_(std::move(client)), signer_(std::move(signer)), tasks_(executor) {
  tasks_.spawn("ship-audit", ship());
  tasks_.spawn("tell-heads", tell_heads());
}

net::Task<> Shipper::ship() {
  net::Backoff backoff;
  for (;;) {
    auto batch = co_await spool_.next(kBatchRecords);
    Result<> done;
    if (!batch) {
      done = std::unexpected(std::move(batch).error());
    } else {
      done = co_await hand_over(*batch);
      if (done) done = spool_.acknowledge(batch->end);
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

bool Shipper::chains_known() const { return !chains_unknown_until_ || signer_.clock.boot() >= *chains_unknown_until_; }

net::Task<Result<>> Shipper::hand_over(const audit::SpoolBatch& batch) {
  if (batch.chain.empty() || !chains_known()) co_return co_await hand_over_unchained(batch);
  const auto stored = co_await client_->post_lines(kChainPath, batch.lines);
  if (stored) {
    chains_unknown_until_.reset();
    co_return Result<>{};
  }
  if (stored.error().code != Code::kNotFound) co_return std::unexpected(stored.error());
  chains_unknown_until_ = signer_.clock.boot() + kAskAgain;
  co_return co_await hand_over_unchained(batch);
}

net::Task<Result<>> Shipper::hand_over_unchained(const audit::SpoolBatch& batch) {
  api::AuditBatch out;
  CO_TRY(const auto records, audit::records_in(batch.lines));
  for (const auto& chained : records) {
    CO_TRY(auto record, audit::decode_record(chained.record));
    leave_out_what_is_new(record);
    out.records.push_back(std::move(record));
  }
  CO_CHECK(co_await client_->post<api::AuditAcknowledged>("/v1/node/audit", std::move(out)));
  co_return Result<>{};
}

net::Task<> Shipper::tell_heads() {
  for (;;) {
    const auto told = co_await tell_head();
    if (!told && told.error().code == Code::kCancelled) co_return;
    if (!told) log::debug("cannot tell how far the audit is", {{"why", told.error()}});
    const auto slept = co_await net::sleep_for(kHeadInterval);
    if (!slept) co_return;
  }
}

net::Task<Result<>> Shipper::tell_head() {
  const audit::ChainPoint point = spool_.head();
  const std::pair now(point.chain, point.number);
  if (point.number == 0 || now == told_ || !chains_known()) co_return Result<>{};
  api::ChainHeads told;
  told.heads.push_back(audit::sign_head(point, signer_.node, signer_.clock.wall(), signer_.key));
  const auto taken = co_await client_->post<api::AuditAcknowledged>(kHeadsPath, std::move(told));
  if (!taken) {
    if (taken.error().code == Code::kNotFound) chains_unknown_until_ = signer_.clock.boot() + kAskAgain;
    co_return std::unexpected(taken.error());
  }
  told_ = now;
  co_return Result<>{};
}

net::Task<> Shipper::stop(std::chrono::milliseconds limit) {
  const auto step = std::chrono::milliseconds(20);
  auto waited = std::chrono::milliseconds(0);
  for (; waited < limit && spool_.backlog() > 0; waited += step) {
    const auto slept = co_await net::sleep_for(step);
    if (!slept) break;
  }
  tasks_.cancel();
  co_await tasks_.join();
  if (waited >= limit) co_return;
  const auto told = co_await net::with_timeout(tell_head(), limit - waited);
  if (!told) log::debug("cannot tell how far the audit came", {{"why", told.error()}});
}

}  // namespace portolan::node
