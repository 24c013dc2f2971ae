// Blocks for the batches that TLS hands down: wide enough for four full records in one write. Pooled like Buffer's, and
// counted by blocks_in_use(). For net/ only.
#pragma once
#include <cstddef>

namespace portolan::net {

inline constexpr std::size_t kWideBlockSize = 72 * 1024;

std::byte* take_wide_block();
void return_wide_block(std::byte* block);

}  // namespace portolan::net
