// Administration of resources: what is asked and what is shown. Secrets go in and never come out.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe.hpp>

#include "base/bytes.h"
#include "base/clock.h"

namespace portolan::api {

// `revision`: see admin.h.
struct ResourceView {
  std::string id;
  std::string name;
  std::string type;
  std::string host;
  std::uint16_t port = 0;
  std::uint16_t local_port = 0;
  std::map<std::string, std::string> settings = {};
  std::string username;
  bool has_password = false;
  std::vector<std::string> egress_nodes = {};
  WallTime created{};
  std::map<std::string, std::string> tags = {};
  bool has_tls_key = false;
  std::vector<std::string> warnings = {};
  std::uint64_t revision = 0;
  std::string egress_filter = {};
};
BOOST_DESCRIBE_STRUCT(ResourceView, (),
                      (id, name, type, host, port, local_port, settings, username, has_password, egress_nodes, created,
                       tags, has_tls_key, warnings, revision, egress_filter))
struct ResourceCreate {
  std::string name;
  std::string type;
  std::string host;
  std::optional<std::uint16_t> port = {};
  std::optional<std::uint16_t> local_port = {};
  std::optional<std::map<std::string, std::string>> settings = {};
  std::optional<std::string> username = {};
  std::optional<Secret> password = {};
  std::optional<Secret> tls_key = {};  // PEM, of the certificate in the settings
  std::optional<std::vector<std::string>> egress_nodes = {};
  std::optional<std::map<std::string, std::string>> tags = {};
  std::optional<std::string> egress_filter = {};  // "env=prod,region=eu": directory/egress_filter.h; "": none
};
BOOST_DESCRIBE_STRUCT(ResourceCreate, (),
                      (name, type, host, port, local_port, settings, username, password, tls_key, egress_nodes, tags,
                       egress_filter))
struct ResourceUpdate {
  std::optional<std::string> name = {};
  std::optional<std::string> host = {};
  std::optional<std::uint16_t> port = {};
  std::optional<std::uint16_t> local_port = {};
  std::optional<std::map<std::string, std::string>> settings = {};
  std::optional<std::string> username = {};
  std::optional<Secret> password = {};
  std::optional<Secret> tls_key = {};  // PEM, of the certificate in the settings
  std::optional<std::vector<std::string>> egress_nodes = {};
  std::optional<std::map<std::string, std::string>> tags = {};  // all of them, in the place of those before
  // The password that is kept goes to another host or port only if this is true, or it is given anew.
  std::optional<bool> keep_password = {};
  std::optional<std::string> egress_filter = {};  // "env=prod,region=eu": directory/egress_filter.h; "": none
};
BOOST_DESCRIBE_STRUCT(ResourceUpdate, (),
                      (name, host, port, local_port, settings, username, password, tls_key, egress_nodes, tags,
                       keep_password, egress_filter))

}  // namespace portolan::api
