#include "protocols/postgres/names.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "protocols/postgres/values.h"

namespace portolan::protocols::postgres {
namespace {

constexpr std::size_t kNamesLimit = 32'768;
constexpr std::size_t kTextsBytes = 16 * 1024 * 1024;
constexpr std::size_t kShortText = 1024;
constexpr std::size_t kCountedBytes = 63;  // of a name: NAMEDATALEN - 1

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool begins_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}
bool goes_on_word(char c) { return begins_word(c) || (c >= '0' && c <= '9') || c == '$'; }

// Reads words from the front of a statement. After PostgreSQL's scan.l: comments nest; what is not quoted is folded to
// lower case; names are cut.
class Words {
 public:
  explicit Words(std::string_view sql) : rest_(sql) {}

  void skip_semicolons() {
    for (skip_space(); rest_.starts_with(';'); skip_space()) rest_.remove_prefix(1);
  }
  // A word that is not quoted, in lower case; empty if there is none.
  std::string word() {
    skip_space();
    if (rest_.empty() || !begins_word(rest_.front())) return {};
    const auto end = std::ranges::find_if_not(rest_, goes_on_word);
    const auto size = static_cast<std::size_t>(end - rest_.begin());
    std::string out(rest_.substr(0, size));
    for (char& c : out)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    rest_.remove_prefix(size);
    return out;
  }
  // The same, or a quoted name. `quoted` tells which.
  std::string name(bool& quoted) {
    skip_space();
    quoted = rest_.starts_with('"');
    if (!quoted) {
      std::string out = word();
      // U&"…" and the like are names in a spelling of their own.
      return rest_.starts_with('&') || rest_.starts_with('"') || rest_.starts_with('\'') ? std::string() : out;
    }
    std::string out;
    for (rest_.remove_prefix(1); !rest_.empty(); rest_.remove_prefix(1)) {
      if (rest_.starts_with("\"\"")) {
        rest_.remove_prefix(1);
      } else if (rest_.front() == '"') {
        rest_.remove_prefix(1);
        return out;
      }
      out += rest_.front();
    }
    return {};
  }

 private:
  void skip_space() {
    while (!rest_.empty()) {
      if (is_space(rest_.front())) {
        rest_.remove_prefix(1);
      } else if (rest_.starts_with("--")) {
        rest_.remove_prefix(std::min(rest_.find_first_of("\r\n"), rest_.size()));
      } else if (rest_.starts_with("/*")) {
        skip_comment();
      } else {
        return;
      }
    }
  }
  void skip_comment() {
    std::size_t depth = 0;
    do {
      if (rest_.starts_with("/*")) {
        ++depth;
        rest_.remove_prefix(2);
      } else if (rest_.starts_with("*/")) {
        --depth;
        rest_.remove_prefix(2);
      } else if (!rest_.empty()) {
        rest_.remove_prefix(1);
      }
    } while (depth > 0 && !rest_.empty());
  }

  std::string_view rest_;
};

// DECLARE name … CURSOR [{WITH | WITHOUT} HOLD] FOR
std::optional<bool> is_held(Words& words) {
  std::string before;
  for (int i = 0; i < 12; ++i) {
    std::string word = words.word();
    if (word == "for") return false;
    if (word == "hold") return before == "with";
    if (word.empty()) return std::nullopt;
    before = std::move(word);
  }
  return std::nullopt;
}

}  // namespace

std::size_t Meaning::bytes() const { return text->kept.size() + (parameters ? bytes_of(*parameters) : 0); }

// ---- names ----

Result<> Names::put(const std::string& name, Meaning meaning) {
  if (const auto same = meanings_.find(name); same != meanings_.end()) erase(same);
  if (meanings_.size() >= kNamesLimit)
    return fail(Code::kLimit, fmt::format("more than {} named statements or portals at a time", kNamesLimit),
                "sqlstate_54000");
  if (bytes_ + meaning.bytes() > kTextsBytes)
    meaning.text = std::make_shared<const Text>(meaning.text->shortened(kShortText));
  if (bytes_ + meaning.bytes() > kTextsBytes && meaning.parameters)
    meaning.parameters = std::make_shared<const audit::Parameters>(audit::Parameters{{}, meaning.parameters->count});
  bytes_ += meaning.bytes();
  meanings_.emplace(name, std::move(meaning));
  return {};
}

Names::Map::const_iterator Names::at(std::string_view name) const {
  const auto it = meanings_.find(std::string(name));
  if (it != meanings_.end() || name.size() < kCountedBytes) return it;
  return std::ranges::find_if(meanings_, [cut = name.substr(0, kCountedBytes)](const auto& known) {
    return std::string_view(known.first).substr(0, kCountedBytes) == cut;
  });
}

const Meaning* Names::find(std::string_view name) const {
  const auto it = at(name);
  return it == meanings_.end() ? nullptr : &it->second;
}

void Names::erase(std::string_view name) {
  if (const auto it = at(name); it != meanings_.end()) erase(it);
}

void Names::erase(Map::const_iterator it) {
  bytes_ -= it->second.bytes();
  meanings_.erase(it);
}

void Names::end_of_transaction() {
  for (auto it = meanings_.cbegin(); it != meanings_.cend();) {
    const auto gone = it++;
    if (!gone->second.held) erase(gone);
  }
}

void Names::clear_named() {
  const auto unnamed = meanings_.find("");
  std::optional<Meaning> kept;
  if (unnamed != meanings_.end()) kept = std::move(unnamed->second);
  clear();
  if (!kept) return;
  bytes_ = kept->bytes();
  meanings_.emplace("", std::move(*kept));
}

void Names::clear() {
  meanings_.clear();
  bytes_ = 0;
}

// ---- names made by SQL ----

std::optional<NamingStatement> parse_naming_statement(std::string_view sql) {
  using Verb = NamingStatement::Verb;
  Words words(sql);
  words.skip_semicolons();
  const std::string verb = words.word();
  NamingStatement out{};
  if (verb == "prepare") {
    out.verb = Verb::kPrepare;
  } else if (verb == "deallocate") {
    out.verb = Verb::kDeallocate;
  } else if (verb == "declare") {
    out.verb = Verb::kDeclare;
  } else if (verb == "close") {
    out.verb = Verb::kClose;
  } else {
    return std::nullopt;
  }
  bool quoted = false;
  out.name = words.name(quoted);
  // DEALLOCATE [PREPARE] name: the word alone may be the name.
  if (out.verb == Verb::kDeallocate && !quoted && out.name == "prepare") {
    std::string second = words.name(quoted);
    if (!second.empty()) out.name = std::move(second);
  }
  if (out.name.empty()) return std::nullopt;
  if (out.verb == Verb::kDeclare) {
    const auto held = is_held(words);
    if (!held) return std::nullopt;
    out.with_hold = *held;
  }
  out.name.resize(std::min(out.name.size(), kCountedBytes));
  return out;
}

}  // namespace portolan::protocols::postgres
