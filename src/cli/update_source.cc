#include "cli/update_source.h"

#include <fmt/format.h>

#include "base/file.h"
#include "cli/exit.h"
#include "net/tcp.h"
#include "update/install.h"

namespace portolan::cli {
namespace {

constexpr std::size_t kPemLimit = 1024 * 1024;

Result<update::Url> url_beside(const UpdateSourceOptions& options, const ControlKnown& known) {
  constexpr std::string_view kApp = "app.";
  PL_TRY(const auto control, net::parse_endpoint(known.address, 443));
  if (!control.host.starts_with(kApp))
    return wrong_usage(fmt::format("where are the downloads? they are not beside {}; give {}from https://HOST",
                                   control.host, options.prefix));
  return update::parse_url("https://downloads." + control.host.substr(kApp.size()));
}

}  // namespace

void add_update_source_options(Settings& settings, UpdateSourceOptions& options) {
  const std::string& prefix = options.prefix;
  settings.add(prefix + "channel", options.channel, "the channel of releases to follow");
  settings.add(prefix + "from", options.from,
               "https://HOST[/PATH] of the downloads; else beside the control plane, downloads.REGION for app.REGION");
  settings.add(prefix + "ca-file", options.ca_file,
               "certificate authorities of that host beside the machine's own, PEM");
  settings.add(prefix + "root-key", options.root_key,
               "a file with the public root key of the releases to take, PEM; else what this program was built with");
}

Result<update::SourceOptions> update_source(const UpdateSourceOptions& options,
                                            const std::optional<ControlKnown>& control) {
  update::SourceOptions out;
  if (!options.from.empty()) {
    auto url = update::parse_url(options.from);
    if (!url) return wrong_usage(options.prefix + "from: " + std::move(url).error().message);
    out.url = std::move(*url);
  } else if (control) {
    PL_TRY(out.url, url_beside(options, *control));
    out.ca_pem = control->ca_pem;
  } else {
    return wrong_usage(fmt::format(
        "where are the downloads? give {}from https://HOST, or sign in: portolan login ADDRESS", options.prefix));
  }
  if (!options.ca_file.empty()) {
    PL_TRY(const auto pem, read_file(options.ca_file, kPemLimit));
    out.ca_pem += pem;
  }
  return out;
}

Result<update::KeySet> update_anchor(const UpdateSourceOptions& options) {
  if (options.root_key.empty()) {
    auto builtin = update::builtin_anchor();
    if (!builtin && builtin.error().code == Code::kNotFound)
      return wrong_usage(
          fmt::format("this program was built without a release root key; give {}root-key FILE", options.prefix));
    return builtin;
  }
  PL_TRY(const auto pem, read_file(options.root_key, kPemLimit));
  auto anchor = update::anchor_from(pem);
  if (!anchor) return std::unexpected(std::move(anchor).error().within(options.root_key));
  return anchor;
}

Error as_failure(Error error) {
  if (error.code == Code::kDenied || error.reason == update::kDoesNotStart) error.code = Code::kConflict;
  return error;
}

}  // namespace portolan::cli
