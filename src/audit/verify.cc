#include "audit/verify.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/json.h"

namespace portolan::audit {
namespace {

// Heads come every two seconds, and a minute's worth is thinned to its last.
constexpr std::chrono::milliseconds kSignedWithin = std::chrono::minutes(2);

// What tells how old a record is.
struct Timed {
  std::optional<WallTime> time;
};
BOOST_DESCRIBE_STRUCT(Timed, (), (time))

// "1 record" and what goes on for one, "2 records" and what goes on for many.
std::string counted(std::uint64_t number, std::string_view one, std::string_view many) {
  return number == 1 ? fmt::format("1 record{}", one) : fmt::format("{} records{}", number, many);
}

}  // namespace

std::optional<WallTime> time_of(const api::ChainedRecord& record) {
  const auto timed = json::decode<Timed>(record.record, json::Unknown::kIgnore);
  return timed ? timed->time : std::nullopt;
}

Heads::Heads(std::string node, std::string chain, const crypto::PublicKey& key)
    : node_(std::move(node)), chain_(std::move(chain)), key_(key) {}

void Heads::add(const api::ChainHead& head) {
  const auto found = [&](std::string kind, std::string what) {
    findings_.push_back({std::move(kind), node_, chain_, head.number, head.number, std::move(what)});
  };
  if (head.chain != chain_) return found("signature", "a head of another chain");
  if (const auto checked = check_head(head, node_, key_); !checked) return found("signature", checked.error().message);
  const auto [at, added] = heads_.try_emplace(head.number, head);
  if (!added && at->second.hash != head.hash) found("twice", "the node has signed two hashes of one record");
}

Stretch Heads::stretch(std::optional<WallTime> since, std::optional<WallTime> until) const {
  Stretch out;
  if (since)
    for (const auto& [number, head] : heads_) {
      if (head.time > *since) break;
      out.after = number;
    }
  if (until) {
    // From the end. Between two heads of which the later one says an earlier time, the clock was set back: what came
    // in between may be of any time.
    std::optional<WallTime> behind;
    for (auto at = heads_.rbegin(); at != heads_.rend(); ++at) {
      if (at->second.time < *until || (behind && *behind < at->second.time)) break;
      out.until = at->first;
      behind = at->second.time;
    }
  }
  if (out.until && *out.until <= out.after) out.until = out.after;
  return out;
}

Verifier::Verifier(const Heads& heads, Stretch stretch, WallTime now) : heads_(heads), stretch_(stretch), now_(now) {
  last_ = signed_to_ = stretch.after;
  if (last_ == 0) {
    computed_ = chain_begin_hash(heads.chain());
  } else if (const auto head = heads.by_number().find(last_); head != heads.by_number().end()) {
    if (const auto hash = parse_hash(head->second.hash)) computed_ = *hash;
  }
}

void Verifier::find(std::string kind, std::uint64_t number, std::uint64_t to, std::string what) {
  findings_.push_back({std::move(kind), heads_.node(), heads_.chain(), number, to, std::move(what)});
}

void Verifier::missing_up_to(std::uint64_t number) {
  const auto signed_head = heads_.by_number().lower_bound(last_ + 1);
  const bool known = signed_head != heads_.by_number().end();
  find("missing", last_ + 1, number,
       fmt::format("{}{}", counted(number - last_, " is not there", " are not there"),
                   known ? fmt::format("; the node has signed that there were {} by {}", signed_head->first,
                                       to_rfc3339(signed_head->second.time))
                         : ""));
}

bool Verifier::add(const api::ChainedRecord& record) {
  if (stretch_.until && record.number > *stretch_.until) return false;
  ++records_;
  if (record.number <= last_) {
    find("twice", record.number, record.number, "more than one record has this number");
    return true;
  }
  if (record.number > last_ + 1) {
    missing_up_to(record.number - 1);
    computed_.reset();
    stored_.reset();
    const auto head = heads_.by_number().find(record.number - 1);
    const auto hash = head == heads_.by_number().end() ? Result<crypto::Sha256>(fail(Code::kNotFound, ""))
                                                       : parse_hash(head->second.hash);
    if (hash) computed_ = *hash;
  }
  check_hash(record);
  last_ = record.number;
  check_signed(record.number);
  const auto& heads = heads_.by_number();
  if (!unsigned_since_ && (heads.empty() || record.number > heads.rbegin()->first))
    unsigned_since_ = time_of(record).value_or(WallTime{});
  return true;
}

void Verifier::check_hash(const api::ChainedRecord& record) {
  const auto stored = parse_hash(record.hash);
  if (!computed_) {
    // Behind a gap nothing says what this one was hashed behind; the next ones and the next head hold its stored hash.
    computed_ = stored ? std::optional(*stored) : std::nullopt;
    stored_.reset();
    return;
  }
  const auto fits = [&](const crypto::Sha256& before) {
    return stored && chain_hash(before, record.number, record.record) == *stored;
  };
  // The one before was stored with another hash than was computed for it: this one tells which of them is wrong.
  if (stored_ && fits(*stored_)) computed_ = stored_;
  stored_.reset();
  const auto hash = chain_hash(*computed_, record.number, record.record);
  if (!stored) {
    find("altered", record.number, record.number, "its hash cannot be read");
  } else if (hash != *stored) {
    find("altered", record.number, record.number, "the record, or the hash kept with it, is not what the node made");
    stored_ = *stored;
  }
  computed_ = hash;
}

void Verifier::check_signed(std::uint64_t number) {
  const auto head = heads_.by_number().find(number);
  if (head == heads_.by_number().end()) return;
  const auto hash = parse_hash(head->second.hash);
  const bool right = hash && ((computed_ && *hash == *computed_) || (stored_ && *hash == *stored_));
  if (!right)
    find("head", signed_to_ + 1, number,
         fmt::format("the node signed another record at {}", to_rfc3339(head->second.time)));
  // It goes on from what the node signed, or from what was put in its place: the next record tells.
  stored_ = right ? std::nullopt : computed_;
  if (hash) computed_ = *hash;
  signed_to_ = number;
}

void Verifier::finish() {
  const auto& heads = heads_.by_number();
  const auto last_head = heads.empty() ? 0 : heads.rbegin()->first;
  const std::uint64_t end = stretch_.until ? *stretch_.until : last_head;
  if (end > last_) {
    missing_up_to(end);
  } else if (unsigned_since_ && *unsigned_since_ + kSignedWithin < now_) {
    find("unsigned", last_head + 1, last_,
         counted(last_ - last_head, fmt::format(" of {} is not signed by the node", to_rfc3339(*unsigned_since_)),
                 fmt::format(", the first of {}, are not signed by the node", to_rfc3339(*unsigned_since_))));
  }
}

}  // namespace portolan::audit
