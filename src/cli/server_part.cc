#include "cli/server_part.h"

#include "base/file.h"
#include "control/server.h"

namespace portolan::cli {

ServerPart::ServerPart(std::unique_ptr<control::Server> server, std::vector<services::Hosted> beside)
    : beside_(std::move(beside)), server_(std::move(server)) {}
ServerPart::~ServerPart() = default;

net::Task<> ServerPart::stop() {
  co_await server_->stop();
  for (const auto& hosted : beside_) co_await hosted.service->stop();
}

namespace {

net::Task<Result<bool>> finish_start(control::Server& server, const ServerPartOptions& options) {
  bool made = false;
  if (options.admin) {
    CO_TRY(const auto ensured, co_await server.ensure_admin(options.admin->email, options.admin->password));
    made = ensured == control::Server::Ensured::kMade;
  }
  // Last: who finds the file there may sign in.
  if (options.ca_out) {
    CO_CHECK(write_file(*options.ca_out, server.server_ca(), Privacy::kPublic));
  }
  co_return made;
}

}  // namespace

net::Task<Result<std::unique_ptr<Part>>> ServerPart::start(net::Loop& loop, ServerPartOptions options) {
  options.server.ca_out = options.ca_out;
  CO_TRY(auto beside, services::make_services(loop.executor(), options.beside));
  options.server.beside = services::sites_of(beside);
  CO_TRY(auto server, co_await control::Server::start(loop, options.server));
  auto part = std::make_unique<ServerPart>(std::move(server), std::move(beside));
  auto finished = co_await finish_start(*part->server_, options);
  if (!finished) {
    co_await part->stop();
    co_return std::unexpected(std::move(finished).error());
  }
  part->made_admin_ = *finished;
  co_return part;
}

}  // namespace portolan::cli
