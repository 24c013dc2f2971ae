// Which version this program is. In one place of the program and behind a mark, so that a program of another platform
// can be asked, too, by looking into its file.
#pragma once
#include <string_view>

namespace portolan {

inline constexpr std::string_view kVersionMark = "portolan-version=";

// "0.1.0"
std::string_view program_version();

// What follows the mark in the bytes of a program, if it is there exactly once; else empty.
std::string_view version_in(std::string_view program);

}  // namespace portolan
