// Verifies one chain: that the records there are, in their order, are what the node put on record, all of it and
// nothing else (docs/guide/audit.md says what that proves and what not).
//
// Each record is hashed anew behind the one before it; where the node has signed, the hash must be the signed one. So
// the stored hashes need not be believed: they only help to tell where it goes wrong.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe.hpp>

#include "api/audit.h"
#include "audit/chain.h"
#include "base/clock.h"
#include "crypto/key.h"

namespace portolan::audit {

// Something that is not as it should be. `kind`:
//   "altered"    a record, its hash or its place is not what was hashed
//   "missing"    records are not there
//   "twice"      more than one record, or more than one signed head, has this number
//   "signature"  a head that the node did not sign
//   "head"       the node has signed another hash than that of the records
//   "unsigned"   records that should have been signed by now and are not
struct Finding {
  std::string kind;
  std::string node;
  std::string chain;
  std::uint64_t number = 0;  // the first record that it is about
  std::uint64_t to = 0;      // the last one
  std::string what;
};
BOOST_DESCRIBE_STRUCT(Finding, (), (kind, node, chain, number, to, what))

// When a chained record says that it was; none if that cannot be read.
std::optional<WallTime> time_of(const api::ChainedRecord& record);

// The part of a chain that is verified.
struct Stretch {
  std::uint64_t after = 0;             // behind this record, whose head the node has signed; 0: from the beginning
  std::optional<std::uint64_t> until;  // up to this record, whose head the node has signed; none: to the end
};

// The signed heads of a chain, by number.
class Heads {
 public:
  Heads(std::string node, std::string chain, const crypto::PublicKey& key);
  // In any order.
  void add(const api::ChainHead& head);
  // The stretch in which all lies that the node had put on record from `since` on and before `until`: it may begin
  // earlier and end later, where the node has signed.
  Stretch stretch(std::optional<WallTime> since, std::optional<WallTime> until) const;

  const std::string& node() const { return node_; }
  const std::string& chain() const { return chain_; }
  const std::map<std::uint64_t, api::ChainHead>& by_number() const { return heads_; }
  const std::vector<Finding>& findings() const { return findings_; }

 private:
  std::string node_;
  std::string chain_;
  const crypto::PublicKey& key_;
  std::map<std::uint64_t, api::ChainHead> heads_;
  std::vector<Finding> findings_;
};

class Verifier {
 public:
  // `heads` outlives this. `now` tells what is too new to be signed yet.
  Verifier(const Heads& heads, Stretch stretch, WallTime now);
  // The records behind `stretch.after`, in order. False: no more is wanted.
  bool add(const api::ChainedRecord& record);
  void finish();

  const std::vector<Finding>& findings() const { return findings_; }
  std::uint64_t records() const { return records_; }      // that were looked at
  std::uint64_t last() const { return last_; }            // number of the last one
  std::uint64_t signed_to() const { return signed_to_; }  // number of the last one that the node has signed

 private:
  void find(std::string kind, std::uint64_t number, std::uint64_t to, std::string what);
  void check_hash(const api::ChainedRecord& record);
  void check_signed(std::uint64_t number);
  void missing_up_to(std::uint64_t number);

  const Heads& heads_;
  Stretch stretch_;
  WallTime now_;
  std::vector<Finding> findings_;
  std::uint64_t records_ = 0;
  std::uint64_t last_ = 0;  // number
  // What the hash of the last record is: the computed one, and the stored one where they differ, until the next record
  // tells which the chain goes on from. None behind a gap.
  std::optional<crypto::Sha256> computed_;
  std::optional<crypto::Sha256> stored_;
  std::uint64_t signed_to_ = 0;
  std::optional<WallTime> unsigned_since_;  // time of the first record behind the last head
};

}  // namespace portolan::audit
