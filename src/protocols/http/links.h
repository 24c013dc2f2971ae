// Finds absolute links to the application's hosts in text that passes, and puts other names in their place: in HTML and
// JSON bodies, and in header values that hold links among other words. A stream cut anywhere gives the same; what is
// held back is never longer than the longest name. Pure.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace portolan::protocols::http {

class LinkReplacer {
 public:
  // Origins without a path: "https://wiki.example" becomes "http://wiki.localhost:65230".
  struct Pair {
    std::string from;
    std::string to;
  };
  // The pairs for http(s) count for ws(s) and for links without a scheme, and for JSON's spelling "https:\/\/".
  explicit LinkReplacer(const std::vector<Pair>& pairs);

  // Appends to `out` what is certain.
  void feed(std::string_view text, std::string& out);
  // The text has ended; appends the rest.
  void end(std::string& out);

 private:
  const Pair* match(std::string_view at, bool ended, bool& undecided) const;
  void run(bool ended, std::string& out);

  std::vector<Pair> pairs_;
  std::size_t longest_ = 0;
  std::string held_;
  char before_ = ' ';  // the character ahead of held_
};

// All of a text at once.
std::string replace_links(std::string_view text, const std::vector<LinkReplacer::Pair>& pairs);

}  // namespace portolan::protocols::http
