// portolan_load serve                                        prints {"port": N}; until standard input ends
// portolan_load up|down|ping|connects PORT [CONNECTIONS [WARM_UP_MS [WINDOW_MS]]]   prints an object with the figures
// portolan_load idle PORT CONNECTIONS                        prints an object, keeps them until standard input ends
//
// The load and the server behind each path that tests/bench/paths compares.
#include <cstdio>
#include <cstdlib>
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
  std::printf("{\"count\": %lu, \"per_second\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"failures\": %lu}\n",
              rounds.count, rounds.per_second, rounds.p50_us, rounds.p99_us, rounds.failures);
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

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  if (what == "serve") {
    serve();
    return 0;
  }
  Plan plan;
  if (argc > 2) plan.port = static_cast<std::uint16_t>(number(argv[2]));
  if (argc > 3) plan.connections = number(argv[3]);
  if (argc > 4) plan.warm_up = std::chrono::milliseconds(number(argv[4]));
  if (argc > 5) plan.window = std::chrono::milliseconds(number(argv[5]));
  const int status = plan.port == 0 || plan.connections == 0 ? 2 : run(what, plan);
  if (status == 2) std::fprintf(stderr, "usage: portolan_load serve | up|down|ping|connects|idle PORT [CONNECTIONS]\n");
  return status;
}

}  // namespace
}  // namespace portolan::load

int main(int argc, char** argv) { return portolan::load::main(argc, argv); }
