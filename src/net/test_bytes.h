// For tests: random bytes sent in pieces of random sizes, and what arrived, compared by hash.
#pragma once
#include <random>

#include <gtest/gtest.h>

#include "crypto/hash.h"
#include "net/co_test.h"
#include "net/stream.h"

namespace portolan::net::testing {

struct Digest {
  crypto::Sha256 state = {};  // of all pieces: each is hashed with the hash before it
  std::size_t size = 0;
  Bytes block = {};

  // Pieces arrive cut otherwise than they were sent, so the hash is over blocks of a fixed size.
  void add(ByteView bytes) {
    size += bytes.size();
    block.insert(block.end(), bytes.begin(), bytes.end());
    if (block.size() >= 256 * 1024) fold(256 * 1024);
  }
  crypto::Sha256 hash() {
    while (!block.empty()) fold(std::min<std::size_t>(block.size(), 256 * 1024));
    return state;
  }

 private:
  void fold(std::size_t n) {
    Bytes joined(state.begin(), state.end());
    joined.insert(joined.end(), block.begin(), block.begin() + static_cast<std::ptrdiff_t>(n));
    state = crypto::sha256(joined);
    block.erase(block.begin(), block.begin() + static_cast<std::ptrdiff_t>(n));
  }
};

inline Bytes random_bytes(std::size_t n, std::mt19937_64& random) {
  Bytes bytes(n);
  for (auto& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

// Sends `size` bytes in pieces of 1 byte to 100 kB, then half-closes.
inline Task<> send_random(Stream& stream, std::size_t size, unsigned seed, Digest& sent) {
  std::mt19937_64 random(seed);
  const auto source = random_bytes(100'000, random);
  while (sent.size < size) {
    const auto limit = random() % 8 == 0 ? 100'000U : 3'000U;
    const auto n = std::min<std::size_t>(size - sent.size, 1 + random() % limit);
    const auto piece = ByteView(source).subspan(random() % (source.size() - n + 1), n);
    sent.add(piece);
    auto wrote = co_await write(stream, piece);
    CO_ASSERT_OK(wrote);
  }
  auto finished = co_await finish(stream, std::chrono::seconds(5));
  CO_ASSERT_OK(finished);
}

// Reads to the end.
inline Task<> receive_all(Stream& stream, Digest& received) {
  while (true) {
    auto got = co_await read(stream);
    CO_ASSERT_OK(got);
    if (got->empty()) co_return;
    received.add(got->data());
  }
}

// Sends back what arrives, to the end.
inline Task<> echo(std::unique_ptr<Stream> stream) {
  while (true) {
    auto got = co_await read(*stream);
    CO_ASSERT_OK(got);
    if (got->empty()) break;
    auto wrote = co_await write(*stream, got->data());
    CO_ASSERT_OK(wrote);
  }
  auto finished = co_await finish(*stream, std::chrono::seconds(5));
  CO_ASSERT_OK(finished);
}

}  // namespace portolan::net::testing
