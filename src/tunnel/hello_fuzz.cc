// A hello from anyone: what is taken must survive being written and read again.
#include <cstdlib>

#include "tunnel/hello.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace portolan;
  const auto hello = tunnel::decode_hello({reinterpret_cast<const std::byte*>(data), size});
  if (!hello) return 0;
  const auto again = tunnel::decode_hello(tunnel::encode(*hello));
  if (!again || *again != *hello) std::abort();
  (void)tunnel::agree(tunnel::Hello{}, *hello);
  return 0;
}
