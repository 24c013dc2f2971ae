// Rows of the audit database. Internal to store/.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include <boost/describe.hpp>

#include "base/clock.h"

namespace portolan::store {

// A row of the table `sessions`.
struct SessionRow {
  std::uint64_t id = 0;  // for good
  std::uint64_t number = 0;
  std::string node;
  std::string session;
  bool start_known = false;
  std::string account;
  std::string email;
  std::string device;
  std::string resource;
  std::string resource_name;
  std::string type;
  std::string client;
  std::string trace;
  WallTime started{};  // of the first record, until the start is known
  std::optional<WallTime> ended;
  std::optional<std::string> reason;
  std::uint64_t queries = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
};
BOOST_DESCRIBE_STRUCT(SessionRow, (),
                      (id, number, node, session, start_known, account, email, device, resource, resource_name, type,
                       client, trace, started, ended, reason, queries, bytes_in, bytes_out))

// A row of the table `heads`.
struct HeadRow {
  std::string node;
  std::string chain;
  std::uint64_t place = 0;
  std::string hash;
  std::uint32_t version = 0;
  WallTime time{};
  std::string signature;
};
BOOST_DESCRIBE_STRUCT(HeadRow, (), (node, chain, place, hash, version, time, signature))

}  // namespace portolan::store
