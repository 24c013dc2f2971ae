#include "base/bytes.h"

#include <array>
#include <cassert>
#include <cstring>

namespace portolan {
namespace {

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kBase64Url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string encode64(ByteView bytes, std::string_view alphabet, bool pad) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t n = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j)
      group = (group << 8) | (j < n ? std::to_integer<std::uint32_t>(bytes[i + j]) : 0);
    for (std::size_t j = 0; j < n + 1; ++j) out += alphabet[(group >> (18 - 6 * j)) & 63];
    if (pad) out.append(3 - n, '=');
  }
  return out;
}

Result<Bytes> decode64(std::string_view text, std::string_view alphabet) {
  std::array<std::int8_t, 256> value;
  value.fill(-1);
  for (std::size_t i = 0; i < alphabet.size(); ++i)
    value[static_cast<unsigned char>(alphabet[i])] = static_cast<std::int8_t>(i);
  if (text.size() % 4 == 1) return fail(Code::kInvalid, "base64 of an impossible length");
  Bytes out;
  out.reserve(text.size() * 3 / 4);
  std::uint32_t group = 0;
  int bits = 0;
  for (unsigned char c : text) {
    if (value[c] < 0) return fail(Code::kInvalid, "base64 with a foreign character");
    group = (group << 6) | static_cast<std::uint32_t>(value[c]);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out.push_back(static_cast<std::byte>((group >> bits) & 0xff));
    }
  }
  // Left-over bits must be zero, so that each value has one spelling only.
  if (bits > 0 && (group & ((1U << bits) - 1)) != 0) return fail(Code::kInvalid, "base64 with bits left over");
  return out;
}

}  // namespace

std::uint8_t ByteReader::u8() {
  const ByteView b = take(1);
  return b.empty() ? 0 : std::to_integer<std::uint8_t>(b[0]);
}
std::uint16_t ByteReader::u16() {
  const auto high = u8();
  return static_cast<std::uint16_t>((high << 8) | u8());
}
std::uint32_t ByteReader::u32() {
  const std::uint32_t high = u16();
  return (high << 16) | u16();
}
std::uint64_t ByteReader::u64() {
  const std::uint64_t high = u32();
  return (high << 32) | u32();
}

ByteView ByteReader::take(std::size_t n) {
  if (!ok_ || n > rest_.size()) {
    ok_ = false;
    rest_ = {};
    return {};
  }
  const ByteView out = rest_.first(n);
  rest_ = rest_.subspan(n);
  return out;
}

std::string_view ByteReader::zero_terminated() {
  const std::string_view text = as_text(rest_);
  const auto end = text.find('\0');
  if (!ok_ || end == std::string_view::npos) {
    ok_ = false;
    rest_ = {};
    return {};
  }
  rest_ = rest_.subspan(end + 1);
  return text.substr(0, end);
}

std::string_view ByteReader::text16() {
  const auto n = u16();
  return as_text(take(n));
}

void ByteWriter::u8(std::uint8_t value) { out_.push_back(static_cast<std::byte>(value)); }
void ByteWriter::u16(std::uint16_t value) {
  u8(static_cast<std::uint8_t>(value >> 8));
  u8(static_cast<std::uint8_t>(value & 0xff));
}
void ByteWriter::u32(std::uint32_t value) {
  u16(static_cast<std::uint16_t>(value >> 16));
  u16(static_cast<std::uint16_t>(value & 0xffff));
}
void ByteWriter::u64(std::uint64_t value) {
  u32(static_cast<std::uint32_t>(value >> 32));
  u32(static_cast<std::uint32_t>(value & 0xffffffff));
}
void ByteWriter::bytes(ByteView value) { out_.insert(out_.end(), value.begin(), value.end()); }
void ByteWriter::zero_terminated(std::string_view value) {
  text(value);
  u8(0);
}
void ByteWriter::text16(std::string_view value) {
  assert(value.size() <= 0xffff);
  u16(static_cast<std::uint16_t>(value.size()));
  text(value);
}
void ByteWriter::patch_u32(std::size_t offset, std::uint32_t value) {
  assert(offset + 4 <= out_.size());
  for (std::size_t i = 0; i < 4; ++i) out_[offset + i] = static_cast<std::byte>((value >> (24 - 8 * i)) & 0xff);
}

std::string hex(ByteView bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out(bytes.size() * 2, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    out[2 * i] = kDigits[std::to_integer<unsigned>(bytes[i]) >> 4];
    out[2 * i + 1] = kDigits[std::to_integer<unsigned>(bytes[i]) & 15];
  }
  return out;
}

Result<Bytes> from_hex(std::string_view text) {
  static constexpr auto kDigits = [] {
    std::array<signed char, 256> out{};
    out.fill(-1);
    for (int i = 0; i < 10; ++i) out[static_cast<std::size_t>('0' + i)] = static_cast<signed char>(i);
    for (int i = 0; i < 6; ++i)
      out[static_cast<std::size_t>('a' + i)] = out[static_cast<std::size_t>('A' + i)] =
          static_cast<signed char>(10 + i);
    return out;
  }();
  const auto digit = [](char c) -> int { return kDigits[static_cast<unsigned char>(c)]; };
  if (text.size() % 2 != 0) return fail(Code::kInvalid, "hexadecimal text of odd length");
  Bytes out(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = digit(text[i]);
    const int low = digit(text[i + 1]);
    if (high < 0 || low < 0) return fail(Code::kInvalid, "not a hexadecimal digit");
    out[i / 2] = static_cast<std::byte>(high * 16 + low);
  }
  return out;
}

std::string base64(ByteView bytes) { return encode64(bytes, kBase64, true); }
std::string base64url(ByteView bytes) { return encode64(bytes, kBase64Url, false); }
Result<Bytes> from_base64url(std::string_view text) { return decode64(text, kBase64Url); }

Result<Bytes> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return fail(Code::kInvalid, "base64 of an impossible length");
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  return decode64(text, kBase64);
}

void wipe(std::span<std::byte> memory) {
  if (memory.empty()) return;
  explicit_bzero(memory.data(), memory.size());
}

Secret::~Secret() { wipe(std::as_writable_bytes(std::span(text_.data(), text_.size()))); }

bool equal_in_constant_time(ByteView a, ByteView b) {
  if (a.size() != b.size()) return false;
  std::byte different{0};
  for (std::size_t i = 0; i < a.size(); ++i) different |= a[i] ^ b[i];
  return different == std::byte{0};
}

}  // namespace portolan
