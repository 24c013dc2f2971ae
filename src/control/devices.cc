#include "control/devices.h"

#include <utility>

#include "api/device.h"
#include "control/collection.h"
#include "control/objects.h"

namespace portolan::control {
namespace {

api::DeviceView view_of(const Exchange& exchange, const directory::Device& device) {
  api::DeviceView view;
  view.id = device.id;
  view.account = device.account;
  const auto& accounts = exchange.lookup->snapshot().accounts;
  if (const auto account = accounts.find(device.account); account != accounts.end()) view.email = account->second.email;
  view.name = device.name;
  view.created = device.created;
  if (const auto* sign_in = exchange.lookup->lasting_sign_in(device.account, device.id, exchange.now)) {
    view.signed_in = true;
    view.sign_in_ends = sign_in->ends;
  }
  view.revision = device.revision;
  return view;
}

}  // namespace

void add_devices(Routes& routes, Core& core) {
  add_collection<api::DeviceView, directory::Device>(routes, core, "GET /v1/devices",
                                                     {.view = view_of,
                                                      .order = "created",
                                                      .exact = {{"account", "account", account_id}, {"name", "name"}},
                                                      .lively = true});
  routes.add_at_once("GET /v1/devices/{device}", [](const Exchange& exchange) -> Answer {
    const auto& all = exchange.lookup->snapshot().devices;
    const auto found = all.find(exchange.argument());
    PL_TRY(const auto device, existing(found == all.end() ? nullptr : &found->second, "device", exchange.argument()));
    return ok(view_of(exchange, device));
  });
  routes.add("DELETE /v1/devices/{device}", [&core](Exchange exchange) {
    std::string id = exchange.argument();
    return remove_object<directory::Device>(core, std::move(exchange), std::move(id));
  });
}

}  // namespace portolan::control
