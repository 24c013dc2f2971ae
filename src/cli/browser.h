// The person's web browser.
#pragma once
#include <string>

namespace portolan::cli {

// Whether this is a desktop session: $BROWSER is set, or there is a display.
bool has_browser();
// Opens the page if has_browser(), by $BROWSER or xdg-open; else, and if it cannot, does nothing: whoever calls has
// printed the address. Does not wait.
void open_in_browser(const std::string& url);

}  // namespace portolan::cli
