// Object ids bear their kind (architecture §2): "a-", "r-", "rs-", "n-", "s-" … and 20 random characters of [0-9a-z].
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace portolan {

// Fills memory from the kernel's random generator; aborts if the kernel has none.
void fill_random(std::span<std::byte> memory);

// A new id: prefix, "-", 20 characters (103 random bits).
std::string make_id(std::string_view prefix);

// Whether `text` is `prefix`, "-" and 1 to 40 characters of [0-9a-z].
bool is_id(std::string_view text, std::string_view prefix);

// A random secret in base64url, of `bytes` random bytes.
std::string make_token(std::size_t bytes = 32);

}  // namespace portolan
