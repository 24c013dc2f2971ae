// The parts of the home page that never change (page.h).
#pragma once
#include <string_view>

namespace portolan::client::web {

extern const std::string_view kHomeStyle;   // CSS
extern const std::string_view kHomeScript;  // JavaScript
extern const std::string_view kHomeIcon;    // SVG

}  // namespace portolan::client::web
