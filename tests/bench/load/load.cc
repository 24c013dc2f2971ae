// portolan_load serve [ADDRESS]                              prints {"port": N}; until standard input ends
// portolan_load up|down ADDRESS [CONNECTIONS [WARM_UP_MS [WINDOW_MS [STOPPED]]]]   prints an object with the figures
// portolan_load ping|connects ADDRESS [CONNECTIONS [WARM_UP_MS [WINDOW_MS]]]       prints an object with the figures
// portolan_load idle ADDRESS CONNECTIONS                     prints an object, keeps them until standard input ends
//
// ADDRESS is PORT, of 127.0.0.1, or A.B.C.D:PORT. The load and the server behind each path that tests/bench/paths
// compares.
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "clients.h"
#include "serve.h"

namespace portolan::load {
namespace {

void tell(const Bulk& bulk) {
  std::printf("{\"mib_per_second\": %.2f, \"fairness\": %.3f, \"failures\": %lu}\n", bulk.mib_per_second, bulk.fairness,
              bulk.failures);
}

void tell(const Rounds& rounds) {
  std::printf(
      "{\"count\": %lu, \"per_second\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"failures\": "
      "%lu}\n",
      rounds.count, rounds.per_second, rounds.p50_us, rounds.p99_us, rounds.p999_us, rounds.failures);
}

unsigned number(const char* text) { return static_cast<unsigned>(std::strtoul(text, nullptr, 10)); }

int run(std::string_view what, const Plan& plan) {
  if (what == "up") {
    tell(upload(plan));
  } else if (what == "down") {
    tell(download(plan));
  } else if (what == "ping") {
    tell(ping_pong(plan));
  } else if (what == "connects") {
    tell(connects(plan));
  } else if (what == "idle") {
    idle(plan);
  } else {
    return 2;
  }
  return 0;
}

constexpr const char* kUsage =
    "usage: portolan_load serve [ADDRESS] | up|down|ping|connects ADDRESS [CONNECTIONS [WARM_UP_MS [WINDOW_MS]]] |\n"
    "       idle ADDRESS CONNECTIONS, and up|down ADDRESS CONNECTIONS WARM_UP_MS WINDOW_MS STOPPED; ADDRESS: "
    "[A.B.C.D:]PORT\n";

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  const std::optional<Address> address = argc > 2 ? parse_address(argv[2]) : std::nullopt;
  if (what == "serve" && (argc == 2 || address)) return serve(address.value_or(Address())), 0;
  Plan plan;
  if (address) plan.to = *address;
  if (argc > 3) plan.connections = number(argv[3]);
  if (argc > 4) plan.warm_up = std::chrono::milliseconds(number(argv[4]));
  if (argc > 5) plan.window = std::chrono::milliseconds(number(argv[5]));
  if (argc > 6) plan.stopped = number(argv[6]);
  const int status = plan.to.port == 0 || plan.connections <= plan.stopped ? 2 : run(what, plan);
  if (status == 2) std::fputs(kUsage, what == "--help" ? stdout : stderr);
  return what == "--help" ? 0 : status;
}

}  // namespace
}  // namespace portolan::load

int main(int argc, char** argv) { return portolan::load::main(argc, argv); }
