#include "protocols/http/links.h"

#include <algorithm>

#include "protocols/http/fields.h"

namespace portolan::protocols::http {
namespace {

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
         c == '_' || c == ':' || c == '@';
}

bool may_begin(char c) { return c == 'h' || c == 'H' || c == 'w' || c == 'W' || c == '/' || c == '\\'; }

std::string escaped(std::string_view origin) {
  std::string out;
  for (const char c : origin) {
    if (c == '/') out += '\\';
    out += c;
  }
  return out;
}

// "https://a" also as "wss://a".
std::string as_socket(std::string_view origin) {
  if (origin.starts_with("https:")) return "wss" + std::string(origin.substr(5));
  if (origin.starts_with("http:")) return "ws" + std::string(origin.substr(4));
  return std::string(origin);
}

std::string without_scheme(std::string_view origin) {
  const std::size_t slashes = origin.find("//");
  return std::string(slashes == std::string_view::npos ? origin : origin.substr(slashes));
}

}  // namespace

LinkReplacer::LinkReplacer(const std::vector<Pair>& pairs) {
  for (const Pair& pair : pairs) {
    const Pair kinds[] = {
        pair, {as_socket(pair.from), as_socket(pair.to)}, {without_scheme(pair.from), without_scheme(pair.to)}};
    for (const Pair& kind : kinds) {
      const bool known = std::ranges::any_of(pairs_, [&](const Pair& each) { return each.from == kind.from; });
      if (known) continue;
      pairs_.push_back(kind);
      pairs_.push_back({escaped(kind.from), escaped(kind.to)});
    }
  }
  for (const Pair& pair : pairs_) longest_ = std::max(longest_, pair.from.size());
}

// What stands at the beginning of `at`. Undecided: more text may make it one.
const LinkReplacer::Pair* LinkReplacer::match(std::string_view at, bool ended, bool& undecided) const {
  for (const Pair& pair : pairs_) {
    const std::size_t n = std::min(at.size(), pair.from.size());
    if (!same_name(at.substr(0, n), std::string_view(pair.from).substr(0, n))) continue;
    if (at.size() <= pair.from.size() && !ended) {
      undecided = true;
      continue;
    }
    if (at.size() < pair.from.size()) continue;
    // "https://wiki.example.org" is not "https://wiki.example".
    if (at.size() == pair.from.size() || !is_name_char(at[pair.from.size()])) return &pair;
  }
  return nullptr;
}

void LinkReplacer::run(bool ended, std::string& out) {
  std::size_t at = 0;
  std::size_t copied = 0;
  while (at < held_.size()) {
    const char c = held_[at];
    const char before = at > 0 ? held_[at - 1] : before_;
    // Within a name nothing begins, and "//" behind a colon belongs to a scheme that is not ours.
    const bool possible = may_begin(c) && !is_name_char(before) && before != '/' && before != '\\';
    if (!possible) {
      ++at;
      continue;
    }
    bool undecided = false;
    const Pair* found = match(std::string_view(held_).substr(at), ended, undecided);
    if (found == nullptr && undecided) break;
    if (found == nullptr) {
      ++at;
      continue;
    }
    out.append(held_, copied, at - copied);
    out += found->to;
    at += found->from.size();
    copied = at;
  }
  out.append(held_, copied, at - copied);
  if (at > 0) before_ = held_[at - 1];
  held_.erase(0, at);
}

void LinkReplacer::feed(std::string_view text, std::string& out) {
  held_ += text;
  run(false, out);
}

void LinkReplacer::end(std::string& out) { run(true, out); }

std::string replace_links(std::string_view text, const std::vector<LinkReplacer::Pair>& pairs) {
  LinkReplacer replacer(pairs);
  std::string out;
  replacer.feed(text, out);
  replacer.end(out);
  return out;
}

}  // namespace portolan::protocols::http
