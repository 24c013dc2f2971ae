#include "node/session.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "audit/spool_line.h"
#include "base/id.h"
#include "base/log.h"
#include "net/tcp.h"
#include "net/wait.h"
#include "protocols/driver.h"

namespace portolan::node {
namespace {

void put_parameters(api::AuditRecord& record, audit::Parameters parameters) {
  if (parameters.count != parameters.values.size()) record.parameter_count = parameters.count;
  auto& out = record.parameters.emplace();
  for (audit::Parameter& value : parameters.values)
    out.push_back({std::move(value.text), std::move(value.hex), value.length});
}

std::optional<api::AuditHttpBody> body_of(std::optional<audit::HttpBody> body) {
  if (!body) return std::nullopt;
  return api::AuditHttpBody{std::move(body->text), std::move(body->base64), body->length};
}

void put_http(api::AuditRecord& record, audit::HttpRequest request) {
  record.http = api::AuditHttp{std::move(request.method),
                               std::move(request.host),
                               std::move(request.path),
                               std::move(request.query),
                               request.status,
                               request.bytes_in,
                               request.bytes_out,
                               request.messages_in,
                               request.messages_out,
                               body_of(std::move(request.request_body)),
                               body_of(std::move(request.response_body))};
}

}  // namespace

namespace {

bool lost_is_told(std::uint64_t lost) {
  while (lost % 10 == 0) lost /= 10;
  return lost == 1;
}

}  // namespace

protocols::CancelKey CancelRegistry::add(const LeaseKey& owner, std::function<net::Task<Result<>>()> cancel) {
  for (;;) {
    std::array<std::byte, 8> random{};
    fill_random(random);
    ByteReader reader(random);
    const std::uint32_t process = reader.u32() & 0x7fffffff;  // clients read it as a signed number
    const protocols::CancelKey key{process, reader.u32()};
    if (cancels_.try_emplace({owner, key}, std::move(cancel)).second) return key;
  }
}

void CancelRegistry::remove(const LeaseKey& owner, protocols::CancelKey key) { cancels_.erase({owner, key}); }

std::function<net::Task<Result<>>()> CancelRegistry::find(const LeaseKey& owner, protocols::CancelKey key) const {
  const auto found = cancels_.find({owner, key});
  return found == cancels_.end() ? nullptr : found->second;
}

NodeSession::NodeSession(SessionParts parts, std::shared_ptr<const api::Lease> lease, std::vector<net::Endpoint> hosts,
                         std::string trace, audit::Mode mode)
    : parts_(parts),
      lease_(std::move(lease)),
      id_(make_id("s")),
      trace_(std::move(trace)),
      mode_(mode),
      started_(parts.clock.boot()) {
  granted_ = {lease_->account,
              lease_->email,
              lease_->device,
              lease_->resource,
              lease_->name,
              std::move(hosts),
              {},
              lease_->username,
              lease_->password,
              lease_->tls_key.value_or(Secret())};
  granted_.settings = protocols::own_settings(lease_->settings);
  alike_ = alike({}, {});
}

Result<std::unique_ptr<NodeSession>> NodeSession::begin(SessionParts parts, std::shared_ptr<const api::Lease> lease,
                                                        std::string trace) {
  PL_TRY(auto hosts, protocols::hosts_of(lease->host, lease->port, lease->settings));
  PL_TRY(const auto mode, protocols::audit_mode(lease->settings));
  std::unique_ptr<NodeSession> session(
      new NodeSession(parts, std::move(lease), std::move(hosts), std::move(trace), mode));
  PL_TRY(session->derived_keys_, parts.leases.hold(session->key(), *session));
  PL_CHECK(session->append(session->blank("session.started"), "put the session on record"));
  session->ended_ = false;
  log::info("session started", {{"session", session->id_},
                                {"account", session->granted_.email},
                                {"resource", session->granted_.name},
                                {"trace", session->trace_}});
  return session;
}

NodeSession::~NodeSession() {
  end(fail(Code::kCancelled, "the node stopped"));
  parts_.leases.release(key(), *this);
  for (const auto& offered : offered_) parts_.cancels.remove(key(), offered);
}

Result<> NodeSession::append(const api::AuditRecord& record, std::string_view what) {
  auto json = audit::encode_record(record, alike_);
  auto appended = json ? parts_.spool.append_encoded(*json) : Result<>(std::unexpected(std::move(json).error()));
  if (appended) {
    ++kept_->appended;
    return {};
  }
  if (mode_ != audit::Mode::kBestEffort)
    return std::unexpected(std::move(appended).error().within(what).at(Hop::kEgress));
  const std::uint64_t lost = parts_.counters != nullptr ? ++parts_.counters->lost : 1;
  // The first, the tenth, the hundredth: a busy session would fill what is left of the disk with its log.
  if (lost_is_told(lost))
    log::error("a record is lost; the resource's audit is best-effort, so its session goes on",
               {{"session", id_}, {"lost", lost}, {"why", appended.error()}});
  return {};
}

net::Task<Result<>> NodeSession::kept() {
  if (!must_wait()) co_return Result<>{};
  co_return co_await net::wait_for_call([this](net::CallBack then) { when_kept(std::move(then)); });
}

void NodeSession::when_kept(std::move_only_function<void(Result<>)> then) {
  parts_.spool.when_durable([then = std::move(then), state = kept_, upto = kept_->appended](Result<> kept) mutable {
    if (kept) {
      state->kept = std::max(state->kept, upto);
      return then({});
    }
    then(std::unexpected(std::move(kept).error().within("put it on record").at(Hop::kEgress)));
  });
}

// Without what all records of the session say alike: alike_ has it.
api::AuditRecord NodeSession::blank(std::string kind) {
  api::AuditRecord record;
  record.kind = std::move(kind);
  record.session = id_;
  record.sequence = ++sequence_;
  record.time = parts_.clock.wall();
  return record;
}

std::string NodeSession::alike(std::string_view client, std::string_view database) const {
  api::AuditRecord record;
  record.trace = trace_;
  record.account = granted_.account;
  record.email = granted_.email;
  record.device = granted_.device;
  record.resource = granted_.resource;
  record.resource_name = granted_.name;
  record.type = lease_->type;
  record.node = lease_->node;
  if (!client.empty()) record.client = client;
  if (!database.empty()) record.database = database;
  return audit::alike_part(record);
}

void NodeSession::let_in() {
  if (!std::exchange(let_in_, true) && parts_.on_entrance) parts_.on_entrance(lease_->resource, Entrance::kLetIn);
}

void NodeSession::end(const Result<>& outcome) {
  if (std::exchange(ended_, true)) return;
  if (!let_in_ && !outcome && outcome.error().hop == Hop::kResource && parts_.on_entrance)
    parts_.on_entrance(lease_->resource, Entrance::kKeptOut);
  api::AuditRecord record = blank("session.ended");
  record.bytes_in = bytes_in_;
  record.bytes_out = bytes_out_;
  record.duration_us = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(parts_.clock.boot() - started_).count());
  record.reason = outcome ? "closed" : outcome.error().message;
  if (!outcome) record.error_code = std::string(outcome.error().stable_code());
  if (auto kept = append(record, "put its end on record"); !kept)
    log::error("cannot put the end of a session on record", {{"session", id_}, {"why", kept.error()}});
  log::info("session ended",
            {{"session", id_}, {"why", *record.reason}, {"to_resource", bytes_in_}, {"from_resource", bytes_out_}});
}

// None once the lease has ended: the session does so in a moment, and nobody is vouched for meanwhile.
Secret NodeSession::identity_token() const {
  const auto newest = parts_.leases.newest(key());
  return newest ? newest->identity_token.value_or(Secret()) : Secret();
}

net::Task<Result<std::unique_ptr<net::Stream>>> NodeSession::dial(std::size_t host) {
  auto stream = co_await net::dial_tcp(granted_.hosts.at(host), parts_.dial_limit);
  if (!stream)
    co_return std::unexpected(std::move(stream).error().within("reach " + quoted(granted_.name)).at(Hop::kResource));
  co_return std::move(*stream);
}

Result<> NodeSession::record(audit::Query query) {
  const bool over = query.stage == audit::Query::Stage::kOver;
  api::AuditRecord record = blank(over ? "query" : "query.begun");
  record.time = query.started;
  record.text = std::move(query.text);
  record.text_sha256 = std::move(query.text_sha256);
  record.text_length = query.text_length;
  record.duration_us = static_cast<std::uint64_t>(query.duration.count());
  record.rows = query.rows;
  record.statement = query.statement;
  record.copied_bytes = query.copied_bytes;
  if (query.parameters) put_parameters(record, std::move(*query.parameters));
  if (query.http) put_http(record, std::move(*query.http));
  record.tag = std::move(query.tag);
  record.error_code = std::move(query.error_code);
  record.error = std::move(query.error);
  if (over) {
    record.begun = std::exchange(under_way_, std::nullopt);
  } else {
    under_way_ = record.sequence;
    record.duration_us.reset();
  }
  return append(record, "put a query on record");
}

void NodeSession::describe_client(std::string client, std::string database) { alike_ = alike(client, database); }

void NodeSession::count_bytes(std::uint64_t to_resource, std::uint64_t from_resource) {
  bytes_in_ += to_resource;
  bytes_out_ += from_resource;
}

protocols::CancelKey NodeSession::offer_cancel(std::function<net::Task<Result<>>()> cancel) {
  offered_.push_back(parts_.cancels.add(key(), std::move(cancel)));
  return offered_.back();
}

net::Task<Result<>> NodeSession::cancel(protocols::CancelKey key) {
  const auto cancel = parts_.cancels.find(this->key(), key);
  if (!cancel) co_return fail(Code::kNotFound, "there is no such session to cancel");
  auto cancelled = co_await cancel();
  co_return cancelled;
}

}  // namespace portolan::node
