// Versions of releases and their order (semver.org, without build metadata): 1.2.0-rc.1 < 1.2.0 < 1.10.0.
#pragma once
#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace portolan::update {

class Version {
 public:
  // Three numbers below 1,000,000 without leading zeros, and perhaps "-" with identifiers of letters, digits and "-"
  // between dots; at most 40 characters. Code::kInvalid for anything else.
  static Result<Version> parse(std::string_view text);
  const std::string& text() const { return text_; }
  std::strong_ordering operator<=>(const Version& other) const;
  bool operator==(const Version& other) const { return text_ == other.text_; }

 private:
  Version() = default;
  std::array<std::uint32_t, 3> numbers_{};
  std::string_view prerelease() const;
  std::string text_;
};

}  // namespace portolan::update
