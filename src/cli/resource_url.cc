#include "cli/resource_url.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/file.h"
#include "cli/secrets.h"
#include "protocols/driver.h"

namespace portolan::cli {
namespace {

std::string within(const std::string& name) { return "resource " + quoted(name); }

constexpr std::string_view kWeb = "http";
constexpr std::string_view kSecureWeb = "https";

std::string in_lower_case(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return out;
}

// "postgresql" is what libpq takes too.
std::string type_of_scheme(std::string_view scheme) {
  if (scheme == "postgresql") return "postgres";
  return std::string(scheme == kSecureWeb ? kWeb : scheme);
}

Result<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0)
    return fail(Code::kInvalid, "the port must be a number from 1 to 65535");
  return port;
}

Result<> parse_authority(std::string_view authority, ResourceDefinition& into) {
  if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
    const std::string_view user = authority.substr(0, at);
    authority.remove_prefix(at + 1);
    const auto colon = user.find(':');
    PL_TRY(into.username, percent_decode(user.substr(0, colon)));
    if (colon != std::string_view::npos) {
      PL_TRY(auto password, percent_decode(user.substr(colon + 1)));
      if (!password.empty()) into.password = Secret(std::move(password));
    }
  }
  std::string_view host = authority;
  std::string_view port;
  if (authority.starts_with('[')) {
    const auto close = authority.find(']');
    if (close == std::string_view::npos) return fail(Code::kInvalid, "the address lacks its closing \"]\"");
    host = authority.substr(1, close - 1);
    port = authority.substr(close + 1);
    if (!port.empty() && !port.starts_with(':'))
      return fail(Code::kInvalid, "only a port may follow the address in brackets");
  } else if (const auto colon = authority.rfind(':'); colon != std::string_view::npos) {
    host = authority.substr(0, colon);
    port = authority.substr(colon);
  }
  if (port.size() > 1) {
    PL_TRY(into.port, parse_port(port.substr(1)));
  }
  PL_TRY(into.host, percent_decode(host));
  if (into.host.empty()) return fail(Code::kInvalid, "the host is missing");
  return {};
}

Result<> take_setting(const protocols::Protocol& protocol, std::string key, std::string value,
                      ResourceDefinition& into) {
  if (key == "password_file" || key == "password_env") {
    auto& where = key == "password_file" ? into.password_file : into.password_env;
    if (value.empty()) return fail(Code::kInvalid, key + " is empty");
    where = std::move(value);
    return {};
  }
  if (key == "tls_key_file") {
    if (value.empty()) return fail(Code::kInvalid, key + " is empty");
    into.tls_key_file = std::move(value);
    return {};
  }
  const auto names = protocols::all_setting_names(protocol);
  const auto is_known = [&](std::string_view name) { return std::ranges::find(names, name) != names.end(); };
  constexpr std::string_view kFile = "_file";
  if (!is_known(key) && key.ends_with(kFile) && is_known(key.substr(0, key.size() - kFile.size()))) {
    into.setting_files[key.substr(0, key.size() - kFile.size())] = std::move(value);
    return {};
  }
  if (!is_known(key)) {
    std::string known = "password_file, password_env, tls_key_file";
    for (const auto name : names) known += fmt::format(", {}", name);
    return fail(Code::kInvalid, fmt::format("unknown setting {}; known are: {}", quoted(key), known));
  }
  if (!into.settings.emplace(key, std::move(value)).second)
    return fail(Code::kInvalid, fmt::format("setting {} is given twice", quoted(key)));
  return {};
}

Result<> parse_query(const protocols::Protocol& protocol, std::string_view query, ResourceDefinition& into) {
  while (!query.empty()) {
    const auto end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos) return fail(Code::kInvalid, "settings are written name=value");
    PL_TRY(auto key, percent_decode(pair.substr(0, equals)));
    PL_TRY(auto value, percent_decode(pair.substr(equals + 1)));
    PL_CHECK(take_setting(protocol, std::move(key), std::move(value), into));
  }
  return {};
}

Result<> parse_path(const protocols::Protocol& protocol, std::string_view path, ResourceDefinition& into) {
  if (path.empty() || path == "/") return {};
  if (protocol.name == kWeb)
    return fail(Code::kInvalid,
                "a web resource is a whole host and has no path; the setting paths says which may be asked for "
                "(paths=/wiki/*)");
  PL_TRY(auto database, percent_decode(path.substr(1)));
  if (std::ranges::find(protocol.setting_names, "database") == protocol.setting_names.end())
    return fail(Code::kInvalid, fmt::format("a {} resource has no path", protocol.name));
  return take_setting(protocol, "database", std::move(database), into);
}

// What a URL means that does not say it in its query.
Result<> complete_web(bool secure, ResourceDefinition& into) {
  auto& settings = into.settings;
  const auto tls = settings.find("tls");
  if (secure && tls != settings.end() && tls->second == "disable")
    return fail(Code::kInvalid, "https:// and tls=disable do not agree; write http://, or another tls=");
  if (secure) {
    if (!into.port) into.port = 443;
    settings.emplace("tls", "verify-full");
  }
  if (settings.contains("auth")) return {};
  if (!into.username.empty()) {
    settings.emplace("auth", "basic");
    return {};
  }
  if (!into.password && !into.password_file && !into.password_env) return {};
  return fail(Code::kInvalid,
              "a password without a user name: is it a token (auth=bearer), or lines \"Name: value\" of secret "
              "headers (auth=headers)?");
}

Result<> parse_url(std::string_view url, ResourceDefinition& into) {
  const auto colon = url.find("://");
  if (colon == std::string_view::npos || colon == 0)
    return fail(Code::kInvalid,
                "not a URL like postgres://user@host:5432/database; known schemes are: " + known_schemes());
  const std::string scheme = in_lower_case(url.substr(0, colon));
  into.type = type_of_scheme(scheme);
  const protocols::Protocol* protocol = protocols::find_protocol(into.type);
  if (!protocol)
    return fail(Code::kInvalid, fmt::format("unknown scheme {}; known are: {}", quoted(scheme), known_schemes()));
  std::string_view rest = url.substr(colon + 3);
  if (rest.find('#') != std::string_view::npos) return fail(Code::kInvalid, "\"#\" is written %23 in a URL");
  const auto question = rest.find('?');
  const std::string_view query = question == std::string_view::npos ? std::string_view() : rest.substr(question + 1);
  rest = rest.substr(0, question);
  const auto slash = rest.find('/');
  PL_CHECK(parse_authority(rest.substr(0, slash), into));
  PL_CHECK(parse_path(*protocol, slash == std::string_view::npos ? std::string_view() : rest.substr(slash), into));
  PL_CHECK(parse_query(*protocol, query, into));
  if (into.type == kWeb) PL_CHECK(complete_web(scheme == kSecureWeb, into));
  if (!into.port && protocol->default_port == 0)
    return fail(Code::kInvalid,
                fmt::format("a {} resource needs a port: {}://{}:PORT", into.type, into.type, into.host));
  if ((into.password ? 1 : 0) + (into.password_file ? 1 : 0) + (into.password_env ? 1 : 0) > 1)
    return fail(Code::kInvalid,
                "the password is given more than once; use one of the URL itself, password_file and password_env");
  return {};
}

std::string_view trimmed(std::string_view line) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!line.empty() && is_space(line.front())) line.remove_prefix(1);
  while (!line.empty() && is_space(line.back())) line.remove_suffix(1);
  return line;
}

}  // namespace

Result<std::string> percent_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const auto byte = i + 2 < text.size() ? from_hex(text.substr(i + 1, 2)) : Result<Bytes>(fail(Code::kInvalid, ""));
    if (!byte || byte->front() == std::byte{0})
      return fail(Code::kInvalid, "\"%\" must be followed by two hexadecimal digits; write %25 for \"%\" itself");
    out += static_cast<char>(byte->front());
    i += 2;
  }
  return out;
}

std::string known_schemes() {
  std::string known;
  for (const auto& protocol : protocols::registry()) known += (known.empty() ? "" : ", ") + std::string(protocol.name);
  return known + ", " + std::string(kSecureWeb);
}

Result<ResourceDefinition> parse_resource_url(std::string name, std::string_view url) {
  ResourceDefinition definition;
  definition.name = std::move(name);
  auto parsed = parse_url(url, definition);
  if (!parsed) return std::unexpected(std::move(parsed).error().within(within(definition.name)));
  return definition;
}

Result<ResourceDefinition> parse_resource(std::string_view text) {
  const auto equals = text.find('=');
  const auto scheme = text.find("://");
  if (equals == std::string_view::npos || equals == 0 || (scheme != std::string_view::npos && scheme < equals))
    return fail(Code::kInvalid,
                "a resource is written NAME=URL, as in billing=postgres://user@db.example:5432/billing");
  return parse_resource_url(std::string(trimmed(text.substr(0, equals))), trimmed(text.substr(equals + 1)));
}

Result<std::vector<ResourceDefinition>> parse_resource_lines(std::string_view text) {
  std::vector<ResourceDefinition> out;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto end = text.find('\n');
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty() || line.starts_with('#')) continue;
    auto parsed = parse_resource(line);
    if (!parsed) return std::unexpected(std::move(parsed).error().within("line " + std::to_string(number)));
    out.push_back(std::move(*parsed));
  }
  return out;
}

Result<api::ResourceCreate> to_create(const ResourceDefinition& definition) {
  api::ResourceCreate create;
  create.name = definition.name;
  create.type = definition.type;
  create.host = definition.host;
  create.port = definition.port;
  if (!definition.username.empty()) create.username = definition.username;
  auto settings = definition.settings;
  for (const auto& [name, path] : definition.setting_files) {
    auto content = read_file(path, 256 * 1024);
    if (!content)
      return std::unexpected(
          std::move(content).error().within(fmt::format("{}: setting {}", within(definition.name), name)));
    settings[name] = std::move(*content);
  }
  if (!settings.empty()) create.settings = std::move(settings);
  Result<Secret> password = definition.password        ? Result<Secret>(*definition.password)
                            : definition.password_file ? secret_from_file(*definition.password_file)
                            : definition.password_env  ? secret_from_environment(*definition.password_env)
                                                       : Result<Secret>(Secret());
  if (!password) return std::unexpected(std::move(password).error().within(within(definition.name) + ": password"));
  if (!password->empty()) create.password = std::move(*password);
  if (definition.tls_key_file) {
    auto key = secret_from_file(*definition.tls_key_file);
    if (!key) return std::unexpected(std::move(key).error().within(within(definition.name) + ": tls_key"));
    create.tls_key = std::move(*key);
  }
  return create;
}

}  // namespace portolan::cli
