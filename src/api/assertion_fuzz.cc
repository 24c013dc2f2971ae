// Assertions come from strangers: whatever parses must be what signing the parsed value would send again.
#include <cstdlib>

#include "api/assertion.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace portolan;
  static const crypto::PrivateKey key = crypto::PrivateKey::generate();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto parsed = api::parse_assertion(text);
  if (api::verify_assertion(text, key.public_key())) std::abort();  // nobody signed it
  if (!parsed) return 0;
  const std::string again = api::sign_assertion(*parsed, key);
  if (again.substr(0, again.find('.')) != text.substr(0, text.find('.'))) std::abort();
  (void)api::check_time(*parsed, WallTime(std::chrono::milliseconds(1'800'000'000'000)));
  return 0;
}
