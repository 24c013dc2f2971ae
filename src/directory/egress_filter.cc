#include "directory/egress_filter.h"

#include <algorithm>
#include <utility>

namespace portolan::directory {
namespace {

constexpr std::size_t kFilterLimit = 512;
constexpr std::size_t kTermsLimit = 16;
constexpr std::size_t kKeyLimit = 63;
constexpr std::string_view kTags = "tags.";

std::unexpected<Error> wrong(const std::string& what) { return fail(Code::kInvalid, "egress_filter: " + what); }

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// The part before the first `mark`, which is taken away with it.
std::string_view take(std::string_view& text, char mark) {
  const auto end = text.find(mark);
  const auto part = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  return part;
}

bool is_key(std::string_view key) {
  return !key.empty() && key.size() <= kKeyLimit && std::ranges::all_of(key, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_' || c == '/' || c == ':';
  });
}

// Each "*" takes as little as it can, and more when what follows does not fit: the last one alone has to be undone.
bool fits(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t taken = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++taken;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace

Result<EgressFilter::Term> EgressFilter::parse_term(std::string_view text) {
  const std::string shown = quoted(text);
  const auto equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0)
    return wrong("the term " + shown + " must be KEY=VALUE or KEY!=VALUE, such as env=prod");
  Term term;
  term.negated = text[equals - 1] == '!';
  auto key = trimmed(text.substr(0, term.negated ? equals - 1 : equals));
  term.is_tag = key != "name" && key != "kind";
  if (key.starts_with(kTags)) key.remove_prefix(kTags.size());
  if (!is_key(key))
    return wrong("the key of " + shown + " must have 1 to 63 of a-z, A-Z, 0-9, \".\", \"-\", \"_\", \"/\", \":\"");
  term.key = key;
  auto rest = text.substr(equals + 1);
  for (bool last = false; !last;) {
    last = rest.find('|') == std::string_view::npos;
    const auto value = trimmed(take(rest, '|'));
    if (value.empty()) return wrong("a value is missing in " + shown);
    if (value.find('=') != std::string_view::npos)
      return wrong("a comma is missing in " + shown + ": terms are apart by commas");
    term.values.emplace_back(value);
  }
  return term;
}

Result<EgressFilter> EgressFilter::parse(std::string_view text) {
  EgressFilter filter;
  if (text.size() > kFilterLimit) return wrong("at most " + std::to_string(kFilterLimit) + " bytes");
  if (std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
    return wrong("control characters are in it");
  if (trimmed(text).empty()) {
    if (!text.empty()) return wrong("has no term in it; \"\" takes it away");
    return filter;
  }
  for (bool last = false; !last;) {
    last = text.find(',') == std::string_view::npos;
    const auto term = trimmed(take(text, ','));
    if (term.empty()) return wrong("a term is missing beside a comma");
    PL_TRY(auto parsed, parse_term(term));
    filter.terms_.push_back(std::move(parsed));
    if (filter.terms_.size() > kTermsLimit) return wrong("at most " + std::to_string(kTermsLimit) + " terms");
  }
  return filter;
}

bool EgressFilter::admits(const Node& node) const {
  return std::ranges::all_of(terms_, [&](const Term& term) {
    const auto tag = node.tags.find(term.key);
    const bool has = !term.is_tag || tag != node.tags.end();
    if (!has) return term.negated;
    const std::string& is = !term.is_tag ? (term.key == "name" ? node.name : node.kind) : tag->second;
    return std::ranges::any_of(term.values, [&](const auto& value) { return fits(value, is); }) != term.negated;
  });
}

}  // namespace portolan::directory
