// Foreign text as words in a sentence of ours, for people's terminals and pages.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace portolan {

// Valid UTF-8 on one line, at most `limit` bytes and "…" if something was cut: control characters, line ends and marks
// that turn the direction of writing become spaces, runs of spaces shrink to one, and bytes that are no UTF-8 become
// "?".
std::string plain_words(std::string_view text, std::size_t limit);

}  // namespace portolan
