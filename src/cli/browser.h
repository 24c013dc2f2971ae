// The person's web browser.
#pragma once
#include <string>

namespace portolan::cli {

// Opens the page if this is a desktop session ($BROWSER, or xdg-open); else, and if it cannot, does nothing: whoever
// calls has printed the address. Does not wait.
void open_in_browser(const std::string& url);

}  // namespace portolan::cli
