#include "cli/apply_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>

#include "base/file.h"
#include "cli/control_api.h"
#include "cli/resource_url.h"
#include "protocols/driver.h"

namespace portolan::cli {
namespace {

using boost::json::object;

constexpr std::string_view kDay = "2026-11-23";
constexpr std::size_t kFileLimit = 32 * 1024 * 1024;

std::unexpected<Error> wrong(const std::string& path, const std::string& what) {
  return fail(Code::kInvalid, path + ": " + what);
}

// The member's text, taken out of the entry; none if there is none.
Result<std::optional<std::string>> take_text(object& entry, std::string_view member, const std::string& path) {
  const auto* found = entry.if_contains(member);
  if (!found) return std::optional<std::string>();
  if (!found->is_string() || found->get_string().empty())
    return wrong(path + "." + std::string(member), "must be text");
  std::string text(found->get_string());
  entry.erase(member);
  return std::optional(std::move(text));
}

// What is text to the API may look like a number or a truth value to YAML: `tier: 1`.
void make_text(object& entry, std::string_view member) {
  auto* map = entry.if_contains(member);
  if (!map || !map->is_object()) return;
  for (auto& each : map->get_object()) {
    auto& value = each.value();
    if (value.is_bool()) value = boost::json::string(value.get_bool() ? "true" : "false");
    if (value.is_int64()) value = boost::json::string(std::to_string(value.get_int64()));
  }
}

// A file or a variable that the entry names, and where it does so.
struct Named {
  std::string what;
  std::string path;
};

// What is wrong with a file: up to twenty errors, as the control plane names them.
class Errors {
 public:
  // False if it is one.
  bool note(Result<> result) {
    if (result) return true;
    if (all_.size() < kMost) all_.push_back(std::move(result).error());
    return false;
  }
  const std::vector<Error>& all() const { return all_; }

 private:
  static constexpr std::size_t kMost = 20;
  std::vector<Error> all_;
};

class Resources {
 public:
  Resources(const ApplyReader& reader, Literals literals) : reader_(reader), literals_(literals) {}

  // All that is wrong with what it names, not only the first: each may be another file.
  void translate(object& entry, const std::string& path, Errors& errors) {
    make_text(entry, "settings");
    make_text(entry, "tags");
    if (!errors.note(take_url(entry, path))) return;
    take_setting_files(entry, path, errors);
    errors.note(take_tls_key(entry, path));
    errors.note(take_password(entry, path));
  }

 private:
  // A URL says type, host, port, user and all settings, also those that it leaves out.
  Result<> take_url(object& entry, const std::string& path) {
    url_ = {};
    PL_TRY(const auto url, take_text(entry, "url", path));
    if (!url) return {};
    for (const char* member : {"type", "host", "port", "username"})
      if (entry.contains(member)) return wrong(path + "." + member, "the url says it already");
    const auto* name = entry.if_contains("name");
    auto parsed = parse_resource_url(name && name->is_string() ? std::string(name->get_string()) : "", *url);
    if (!parsed) return std::unexpected(std::move(parsed).error().within(path + ".url"));
    url_ = std::move(*parsed);
    entry["type"] = url_.type;
    entry["host"] = url_.host;
    entry["port"] = std::int64_t{url_.port.value_or(protocols::find_protocol(url_.type)->default_port)};
    entry["username"] = url_.username;
    object settings;
    for (const auto& [key, value] : url_.settings) settings[key] = value;
    if (auto* more = entry.if_contains("settings"); more && more->is_object())
      for (const auto& each : more->get_object()) {
        if (settings.contains(each.key()))
          return wrong(path + ".settings." + std::string(each.key()), "the url says it already");
        settings[each.key()] = each.value();
      }
    if (!entry.contains("settings") || entry["settings"].is_object()) entry["settings"] = std::move(settings);
    return {};
  }

  void take_setting_files(object& entry, const std::string& path, Errors& errors) {
    std::map<std::string, Named> files;
    for (const auto& [name, file] : url_.setting_files) files[name] = {file, path + ".url." + name + "_file"};
    if (const auto* listed = entry.if_contains("setting_files")) {
      if (!listed->is_object()) {
        errors.note(wrong(path + ".setting_files", "must be names with files"));
        return;
      }
      for (const auto& each : listed->get_object()) {
        const std::string at = path + ".setting_files." + std::string(each.key());
        if (each.value().is_string()) {
          files[std::string(each.key())] = {std::string(each.value().get_string()), at};
        } else {
          errors.note(wrong(at, "must be text"));
        }
      }
      entry.erase("setting_files");
    }
    if (files.empty()) return;
    if (!entry.contains("settings")) entry["settings"] = object();
    if (!entry["settings"].is_object()) return;  // refused when it is decoded
    for (const auto& [name, file] : files) {
      auto content = reader_.setting(file.what);
      if (content) {
        entry["settings"].get_object()[name] = *content;
      } else {
        errors.note(std::unexpected(std::move(content).error().within(file.path)));
      }
    }
  }

  // Of the entry itself, or else of its URL.
  Result<std::optional<Named>> take_named(object& entry, const std::string& member, const std::string& path,
                                          const std::optional<std::string>& of_url) {
    PL_TRY(auto text, take_text(entry, member, path));
    if (text) return Named{std::move(*text), path + "." + member};
    if (of_url) return Named{*of_url, path + ".url." + member};
    return std::nullopt;
  }

  Result<> take_tls_key(object& entry, const std::string& path) {
    PL_TRY(const auto file, take_named(entry, "tls_key_file", path, url_.tls_key_file));
    const bool literal = entry.contains("tls_key");
    if (file && literal) return wrong(path, "the tls_key is given more than once; use tls_key_file");
    if (literal && literals_ == Literals::kRefused)
      return wrong(path + ".tls_key",
                   "others can read this file; use tls_key_file, or make the file yours alone: chmod 600");
    if (!file) return {};
    auto key = reader_.password_file(file->what);
    if (!key) return std::unexpected(std::move(key).error().within(file->path));
    entry["tls_key"] = key->reveal();
    return {};
  }

  Result<> take_password(object& entry, const std::string& path) {
    PL_TRY(const auto file, take_named(entry, "password_file", path, url_.password_file));
    PL_TRY(const auto variable, take_named(entry, "password_env", path, url_.password_env));
    const bool literal = url_.password || entry.contains("password");
    if ((file ? 1 : 0) + (variable ? 1 : 0) + (literal ? 1 : 0) > 1)
      return wrong(path, "the password is given more than once; use one of password_file and password_env");
    if (literal && literals_ == Literals::kRefused)
      return wrong(path + ".password",
                   "others can read this file; use password_file or password_env, or make the file yours alone: "
                   "chmod 600");
    if (url_.password) entry["password"] = url_.password->reveal();
    if (!file && !variable) return {};
    auto secret = file ? reader_.password_file(file->what) : reader_.password_variable(variable->what);
    if (!secret) return std::unexpected(std::move(secret).error().within(file ? file->path : variable->path));
    entry["password"] = secret->reveal();
    return {};
  }

  const ApplyReader& reader_;
  const Literals literals_;
  ResourceDefinition url_;  // of the entry at hand
};

// A day is midnight in UTC, unlike on the command line: the same file means the same wherever it is applied.
Result<> translate_time(object& grant, const char* member, const std::string& path) {
  auto* text = grant.if_contains(member);
  if (!text || !text->is_string() || text->get_string() == "none") return {};
  std::string written(text->get_string());
  if (written.size() == kDay.size()) written += "T00:00:00Z";
  const auto time = from_rfc3339(written);
  if (!time)
    return wrong(path + "." + member, "not a time: " + quoted(std::string_view(text->get_string())) +
                                          "; give one like 2026-11-23T20:24:01Z or 2026-11-23");
  *text = to_rfc3339(*time);
  return {};
}

Result<> translate_grants(object& role, const std::string& path) {
  auto* grants = role.if_contains("grants");
  if (!grants || !grants->is_array()) return {};
  for (std::size_t i = 0; i < grants->get_array().size(); ++i) {
    auto& grant = grants->get_array()[i];
    const std::string inner = path + ".grants[" + std::to_string(i) + "]";
    // A name alone is a grant for good, or as it is.
    if (grant.is_string()) grant = object{{"resource", grant.get_string()}};
    if (!grant.is_object()) continue;
    for (const char* member : {"from", "until"}) PL_CHECK(translate_time(grant.get_object(), member, inner));
  }
  return {};
}

template <class Translate>
void for_each_entry(object& file, std::string_view list, Translate translate) {
  auto* entries = file.if_contains(list);
  if (!entries || !entries->is_array()) return;
  for (std::size_t i = 0; i < entries->get_array().size(); ++i)
    if (auto& entry = entries->get_array()[i]; entry.is_object())
      translate(entry.get_object(), std::string(list) + "[" + std::to_string(i) + "]");
}

// Nothing if there are errors.
std::optional<api::ApplyRequest> request_of(json::Value value, const ApplyReader& reader, Literals literals,
                                            Errors& errors) {
  if (!value.is_object()) {
    errors.note(fail(
        Code::kInvalid,
        "must have members accounts, roles, clusters, resources or peering_groups; see portolan admin apply --help"));
    return std::nullopt;
  }
  auto& file = value.get_object();
  for (const char* option : {"dry_run", "prune", "plan"})
    if (file.contains(option)) errors.note(wrong(option, "is for the command line, not for the file"));
  Resources resources(reader, literals);
  for_each_entry(file, "resources",
                 [&](object& entry, const std::string& path) { resources.translate(entry, path, errors); });
  for_each_entry(file, "clusters", [](object& entry, const std::string&) { make_text(entry, "tags"); });
  for_each_entry(file, "roles",
                 [&](object& entry, const std::string& path) { errors.note(translate_grants(entry, path)); });
  if (!errors.all().empty()) return std::nullopt;
  auto request = json::from_value<api::ApplyRequest>(value, json::Unknown::kRefuse);
  if (request) return std::move(*request);
  errors.note(std::unexpected(std::move(request).error()));
  return std::nullopt;
}

// JSON proper has escapes that YAML has not; the places of its values are as YAML sees them.
Result<YamlDocument> parse(std::string_view text) {
  auto yaml = parse_yaml(text);
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos || text[begin] != '{') return yaml;
  auto value = json::parse(text);
  if (!value) return yaml;
  YamlDocument document{std::move(*value)};
  if (yaml) document.lines = std::move(yaml->lines);
  return document;
}

Result<std::string> read_standard_input() {
  std::string text;
  std::array<char, 65536> piece{};
  for (;;) {
    const ssize_t n = read(STDIN_FILENO, piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(Code::kIo, "standard input: cannot be read");
    if (n == 0) return text;
    text.append(piece.data(), static_cast<std::size_t>(n));
    if (text.size() > kFileLimit) return fail(Code::kLimit, "standard input: longer than 32 MiB");
  }
}

// The member that a message speaks of behind its entry: `resources[3] "billing": host "a b": …`.
std::string member_in(std::string_view message) {
  const auto colon = message.find(": ");
  if (colon == std::string_view::npos) return {};
  message.remove_prefix(colon + 2);
  constexpr std::string_view kUnknown = "unknown member \"";
  if (message.starts_with(kUnknown)) {
    message.remove_prefix(kUnknown.size());
    return std::string(message.substr(0, message.find('"')));
  }
  return std::string(message.substr(0, message.find_first_not_of("abcdefghijklmnopqrstuvwxyz_.")));
}

}  // namespace

std::string ApplyFile::placed(std::string_view message) const {
  const auto path = message.substr(0, message.find_first_of(" :"));
  const std::size_t line = source.lines.of(std::string(path) + "." + member_in(message));
  return name + (line > 0 ? ":" + std::to_string(line) : "") + ": " + std::string(message);
}

Result<ApplyFile> parse_apply_file(std::string name, std::string_view text, const ApplyReader& reader,
                                   Literals literals) {
  ApplyFile file{std::move(name), {}, {}};
  auto document = parse(text);
  if (!document) return std::unexpected(std::move(document).error().within(file.name));
  file.source = std::move(*document);
  Errors errors;
  auto request = request_of(std::exchange(file.source.value, nullptr), reader, literals, errors);
  if (!request) {
    Error error = errors.all().front();
    error.message = file.placed(error.message);
    if (errors.all().size() == 1) return std::unexpected(std::move(error));
    error.message = file.name + ": " + std::to_string(errors.all().size()) + " errors in it";
    for (const auto& each : errors.all()) error.message += std::string(kErrorMark) + file.placed(each.message);
    return std::unexpected(std::move(error));
  }
  file.request = std::move(*request);
  return file;
}

Result<ApplyFile> read_apply_file(const std::string& path, Trust trust) {
  if (path == "-") {
    PL_TRY(const auto text, read_standard_input());
    return parse_apply_file("standard input", text, ApplyReader(".", trust), Literals::kTaken);
  }
  PL_TRY(const auto text, read_file(path, kFileLimit));
  struct stat found{};
  const bool mine = stat(path.c_str(), &found) == 0 && (found.st_mode & 077) == 0;
  return parse_apply_file(path, text, ApplyReader(std::filesystem::path(path).parent_path(), trust),
                          mine ? Literals::kTaken : Literals::kRefused);
}

}  // namespace portolan::cli
