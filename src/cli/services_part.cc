#include "cli/services_part.h"

#include "cli/exit.h"

namespace portolan::cli {

void add_serve_options(Settings& settings, ServeOptions& options) {
  settings.add("--serve", options.serve,
               "the services to give: app (the control plane), login, downloads, checkip; several with commas");
  settings.add("--downloads-dir", options.downloads_folder,
               "the tree of releases that downloads gives out, as portolan release publish makes it");
  settings.add("--downloads-host", options.downloads_hosts,
               "the host name of downloads; needed where the process gives other services, too");
}

Result<Served> served(const ServeOptions& options) {
  auto kinds = services::parse_services(options.serve);
  if (!kinds) return wrong_usage("--serve: " + std::move(kinds).error().message);
  Served out;
  out.app = kinds->erase(services::Kind::kApp) > 0;
  for (const auto missing : {services::Kind::kLogin, services::Kind::kCheckip})
    if (kinds->contains(missing))
      return wrong_usage("--serve " + std::string(services::name_of(missing)) + ": this release does not have it");
  const bool downloads = kinds->contains(services::Kind::kDownloads);
  if (downloads && options.downloads_folder.empty()) return wrong_usage("--serve downloads: give --downloads-dir DIR");
  if (!downloads && !(options.downloads_folder.empty() && options.downloads_hosts.empty()))
    return wrong_usage("--downloads-dir and --downloads-host are for --serve downloads");
  out.services = {std::move(*kinds), options.downloads_hosts, {options.downloads_folder}};
  auto checked = services::check_hosts(out.services, out.app ? services::Beside::kApp : services::Beside::kNothing);
  if (!checked) return wrong_usage(std::move(checked).error().message);
  return out;
}

ServicesPart::ServicesPart(std::unique_ptr<services::Server> server) : server_(std::move(server)) {}
ServicesPart::~ServicesPart() = default;

net::Task<> ServicesPart::stop() { return server_->stop(); }

net::Task<Result<std::unique_ptr<Part>>> ServicesPart::start(net::Loop& loop, ServicesPartOptions options) {
  CO_TRY(auto made, services::make_services(loop.executor(), options.services));
  CO_TRY(auto server, services::Server::start(loop, std::move(options.server), std::move(made)));
  co_return std::make_unique<ServicesPart>(std::move(server));
}

}  // namespace portolan::cli
