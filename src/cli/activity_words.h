// What an activity says, in words: of whom or what, and what has changed.
#pragma once
#include <string>
#include <string_view>

#include "api/admin.h"

namespace portolan::cli {

// "resource updated" of "resource.updated".
std::string verb_in_words(std::string_view verb);
// The name that it had, or else the one in what is on record of it, or its id.
std::string object_in_words(const api::ActivityView& activity);
// `name: Ann → Ann Smith, suspended: false → true`; of what was made, what it was given; of what was removed, nothing.
std::string change_in_words(const api::ActivityView& activity);

}  // namespace portolan::cli
