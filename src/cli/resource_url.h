// A resource written as NAME=URL: postgres://user:password@host:port/database?setting=value. The scheme is a row of the
// protocol registry; the query holds the protocol's settings and where the password comes from (password_file,
// password_env). A setting whose value is a file's content is written SETTING_file=PATH. Everything may be
// percent-encoded (RFC 3986).
//
// Web resources are http://HOST or https://HOST, without a path: https:// is type http with TLS that is verified in
// full, unless tls= says else. A user name means basic authentication, unless auth= says else; a token is
// https://:TOKEN@HOST?auth=bearer, or better ?auth=bearer&password_file=PATH.
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/admin.h"
#include "base/result.h"

namespace portolan::cli {

struct ResourceDefinition {
  std::string name;
  std::string type;
  std::string host;
  std::optional<std::uint16_t> port;  // absent: the protocol's own
  std::string username;
  std::optional<Secret> password;  // literal in the URL
  std::optional<std::string> password_file;
  std::optional<std::string> password_env;
  std::optional<std::string> tls_key_file;
  std::map<std::string, std::string> settings;
  std::map<std::string, std::string> setting_files;  // setting → path of a file with its value
};

// Pure: nothing is read. Errors name the resource and never quote the URL, which may hold a password.
Result<ResourceDefinition> parse_resource_url(std::string name, std::string_view url);
// "NAME=URL".
Result<ResourceDefinition> parse_resource(std::string_view text);
// Lines NAME=URL; empty ones and those that begin with # do not count. Errors name the line.
Result<std::vector<ResourceDefinition>> parse_resource_lines(std::string_view text);

// Reads the files and the environment that the definition names.
Result<api::ResourceCreate> to_create(const ResourceDefinition& definition);

std::string known_schemes();
Result<std::string> percent_decode(std::string_view text);

}  // namespace portolan::cli
