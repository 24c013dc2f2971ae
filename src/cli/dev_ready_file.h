// What `portolan dev` tells scripts when a first connection would work: one JSON object in a file of mode 0600.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe.hpp>

#include "base/bytes.h"
#include "base/result.h"

namespace portolan::cli {

struct DevResource {
  std::string name;
  std::string type;
  std::string address;  // "127.0.0.1:15432"; of a web resource "http://wiki.localhost:65230"
};
BOOST_DESCRIBE_STRUCT(DevResource, (), (name, type, address))

struct DevProcess {
  std::string part;  // "control-plane", "gateway", "relay", "agent"
  std::string name;
  std::int64_t pid = 0;
  std::string address;  // empty for a relay
};
BOOST_DESCRIBE_STRUCT(DevProcess, (), (part, name, pid, address))

struct DevReady {
  std::string admin_url;
  std::string email;
  Secret password;
  Secret token;  // an API token of the first account
  std::string ca_file;
  std::string home;  // for PORTOLAN_HOME
  std::vector<DevResource> resources;
  std::optional<std::vector<DevProcess>> processes;  // with --separate
};
BOOST_DESCRIBE_STRUCT(DevReady, (), (admin_url, email, password, token, ca_file, home, resources, processes))

// Whole or not at all.
Result<> write_ready_file(const std::filesystem::path& path, const DevReady& ready);

}  // namespace portolan::cli
