// Devices, from which people have signed in.
#include "api/device.h"
#include "cli/admin.h"

namespace portolan::cli {
namespace {

Kind<api::DeviceView> kind() {
  return {
      "admin devices",
      "device",
      "/v1/devices",
      "device",
      {{"NAME"}, {"ACCOUNT"}, {"SIGNED IN"}, {"UNTIL"}, {"CREATED"}, {"ID"}},
      [](const api::DeviceView& d) -> std::vector<std::string> {
        return {
            d.name, name_or(d.email, d.account), yes(d.signed_in), local_time(d.sign_in_ends), local_time(d.created),
            d.id};
      },
      {"account", "name"},
      {},
      nullptr,
      kById};
}

}  // namespace

void add_admin_devices(CLI::App& admin, Context& context) {
  CLI::App& group = add_group(admin, "devices", "from which people have signed in");
  add_list(group, context, kind());
  add_show(group, context, kind());
  add_delete(group, context, kind(), "a lost device: its sign-ins and sessions end");
}

}  // namespace portolan::cli
