// What a browser sends from an HTML form (application/x-www-form-urlencoded), read strictly.
#pragma once
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace portolan::control {

using Form = std::map<std::string, std::string>;

// At most 16 fields; a repeated name, a bad escape and what is not UTF-8 are refused.
Result<Form> parse_form(std::string_view body);

// Foreign text fit for HTML, also within a quoted attribute: markup escaped, control characters left out.
std::string html(std::string_view text);

}  // namespace portolan::control
