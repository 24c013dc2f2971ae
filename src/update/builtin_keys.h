// The release root keys that the build was given (cmake -DPORTOLAN_RELEASE_ROOT_KEYS=FILE, PEM). None by default: a key
// of which everybody has the private half would let everybody make releases for who builds the program himself.
#pragma once
#include <string_view>

namespace portolan::update {

std::string_view builtin_root_keys();  // empty: none

}  // namespace portolan::update
