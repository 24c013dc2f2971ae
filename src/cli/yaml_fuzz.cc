// Files come from people and their generators: whatever is taken must be JSON that reads back as the same.
#include <cstdlib>

#include "cli/yaml.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace portolan;
  const auto document =
      cli::parse_yaml({reinterpret_cast<const char*>(data), size}, {.bytes = 65536, .depth = 16, .values = 1000});
  if (!document) return 0;
  const auto again = json::parse(json::print(document->value));
  if (!again || *again != document->value) std::abort();
  return 0;
}
