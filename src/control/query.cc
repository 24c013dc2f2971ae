#include "control/query.h"

#include <algorithm>
#include <charconv>

namespace portolan::control {
namespace {

constexpr std::size_t kFilterLimit = 1024;
constexpr std::size_t kTermLimit = 16;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool in_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

std::string known(const std::vector<Member>& members) {
  std::string all;
  for (const auto& member : members) all += (all.empty() ? "" : ", ") + std::string(member.name);
  return all;
}

Result<Member> find_member(std::string_view name, const std::vector<Member>& members) {
  const auto found = std::ranges::find(members, name, &Member::name);
  if (found != members.end()) return *found;
  return fail(Code::kInvalid, "there is no member " + quoted(name) + "; known are: " + known(members));
}

// The parts of a term as they are written.
struct Written {
  std::string name;  // with ".KEY"; empty: a word alone
  Op op = Op::kContains;
  std::string value;
};

class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool at_end() {
    while (!rest_.empty() && rest_.front() == ' ') rest_.remove_prefix(1);
    return rest_.empty();
  }

  Result<Written> term() {
    Written out;
    const std::string_view name = take_name();
    if (const auto op = take_op(); !name.empty() && op) {
      out.name = name;
      out.op = *op;
      PL_TRY(out.value, take_value());
      return out;
    }
    rest_ = {name.data(), name.size() + rest_.size()};
    PL_TRY(out.value, take_value());
    if (out.value.empty()) return fail(Code::kInvalid, "a word is needed at " + quoted(rest_));
    return out;
  }

 private:
  // MEMBER or MAP.KEY; the key may have what tags may.
  std::string_view take_name() {
    std::size_t size = 0;
    while (size < rest_.size() && in_name(rest_[size])) ++size;
    if (size > 0 && size < rest_.size() && rest_[size] == '.') {
      constexpr std::string_view kOps = "=!~<> \"";
      while (size < rest_.size() && kOps.find(rest_[size]) == std::string_view::npos) ++size;
    }
    const auto name = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return name;
  }

  std::optional<Op> take_op() {
    constexpr std::pair<std::string_view, Op> kOps[] = {
        {"!=", Op::kUnequal}, {"!~", Op::kLacks},   {"<=", Op::kLessEqual}, {">=", Op::kGreaterEqual},
        {"=", Op::kEqual},    {"~", Op::kContains}, {"<", Op::kLess},       {">", Op::kGreater}};
    for (const auto& [text, op] : kOps)
      if (rest_.starts_with(text)) {
        rest_.remove_prefix(text.size());
        return op;
      }
    return std::nullopt;
  }

  Result<std::string> take_value() {
    if (!rest_.starts_with('"')) {
      const auto end = std::min(rest_.find(' '), rest_.size());
      std::string out(rest_.substr(0, end));
      rest_.remove_prefix(end);
      if (out.find('"') != std::string::npos) return fail(Code::kInvalid, "a quote in the middle of " + quoted(out));
      return out;
    }
    std::string out;
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == '"') {
        rest_.remove_prefix(i + 1);
        if (!rest_.empty() && rest_.front() != ' ')
          return fail(Code::kInvalid, "a space is needed after " + quoted(out));
        return out;
      }
      if (rest_[i] == '\\' && i + 1 < rest_.size()) ++i;
      out += rest_[i];
    }
    return fail(Code::kInvalid, "the quotes around " + quoted(out) + " are not closed");
  }

  std::string_view rest_;
};

bool is_ordering(Op op) { return op >= Op::kLess; }
bool is_substring(Op op) { return op == Op::kContains || op == Op::kLacks; }

Result<> read_value(Term& term, const Member& member) {
  const auto wrong = [&](std::string_view what) {
    return fail(Code::kInvalid, std::string(member.name) + ": " + quoted(term.text) + " must be " + std::string(what));
  };
  const bool text =
      member.kind == FieldKind::kText || member.kind == FieldKind::kList || member.kind == FieldKind::kMap;
  if (is_substring(term.op) && !text) return fail(Code::kInvalid, std::string(member.name) + ": ~ is for texts");
  if (is_ordering(term.op) && member.kind != FieldKind::kNumber && member.kind != FieldKind::kTime)
    return fail(Code::kInvalid, std::string(member.name) + ": < and > are for numbers and times");
  switch (member.kind) {
    case FieldKind::kBool:
      if (term.text != "true" && term.text != "false") return wrong("true or false");
      term.number = term.text == "true";
      return {};
    case FieldKind::kNumber: {
      const char* end = term.text.data() + term.text.size();
      const auto [read, error] = std::from_chars(term.text.data(), end, term.number);
      return error == std::errc() && read == end ? Result<>() : wrong("a number");
    }
    case FieldKind::kTime: {
      constexpr std::string_view kDay = "2026-01-31";  // midnight in UTC
      const auto time = from_rfc3339(term.text.size() == kDay.size() ? term.text + "T00:00:00Z" : term.text);
      if (!time) return wrong("a time such as 2026-01-31T12:00:00Z, or a day");
      term.number = time->time_since_epoch().count();
      return {};
    }
    default: return {};
  }
}

Result<Term> checked(Written written, const std::vector<Member>& members) {
  Term term{.member = written.name, .entry = {}, .op = written.op, .text = std::move(written.value), .number = 0};
  if (term.member.empty()) return term;
  if (const auto dot = term.member.find('.'); dot != std::string::npos) {
    term.entry = term.member.substr(dot + 1);
    term.member.resize(dot);
  }
  PL_TRY(const auto member, find_member(term.member, members));
  if (!term.entry.empty() && member.kind != FieldKind::kMap)
    return fail(Code::kInvalid, term.member + " has no entries");
  if (term.entry.empty() && member.kind == FieldKind::kMap)
    return fail(Code::kInvalid, term.member + ": say which entry: " + term.member + ".KEY=VALUE");
  PL_CHECK(read_value(term, member));
  return term;
}

bool compare(Op op, std::int64_t found, std::int64_t wanted) {
  switch (op) {
    case Op::kEqual: return found == wanted;
    case Op::kUnequal: return found != wanted;
    case Op::kLess: return found < wanted;
    case Op::kLessEqual: return found <= wanted;
    case Op::kGreater: return found > wanted;
    case Op::kGreaterEqual: return found >= wanted;
    default: return false;
  }
}

bool compare(Op op, std::string_view found, std::string_view wanted) {
  switch (op) {
    case Op::kEqual: return found == wanted;
    case Op::kUnequal: return found != wanted;
    case Op::kContains: return contains(found, wanted);
    case Op::kLacks: return !contains(found, wanted);
    default: return false;
  }
}

bool is_negative(Op op) { return op == Op::kUnequal || op == Op::kLacks; }

// Sixteen hexadecimal digits that sort as the number does.
std::string ordered(std::int64_t number) {
  auto bits = static_cast<std::uint64_t>(number) ^ (std::uint64_t{1} << 63);
  std::string out(16, '0');
  for (std::size_t i = 16; i-- > 0; bits >>= 4) out[i] = "0123456789abcdef"[bits & 0xf];
  return out;
}

}  // namespace

bool contains(std::string_view text, std::string_view word) {
  return !std::ranges::search(text, word, {}, lower, lower).empty() || word.empty();
}

Result<std::vector<Term>> parse_filter(std::string_view text, const std::vector<Member>& members) {
  if (text.size() > kFilterLimit) return fail(Code::kInvalid, "filter: at most 1024 bytes");
  std::vector<Term> terms;
  Reader reader(text);
  while (!reader.at_end()) {
    if (terms.size() == kTermLimit) return fail(Code::kInvalid, "filter: at most 16 terms");
    auto written = reader.term();
    if (!written) return std::unexpected(std::move(written).error().within("filter"));
    auto term = checked(std::move(*written), members);
    if (!term) return std::unexpected(std::move(term).error().within("filter"));
    terms.push_back(std::move(*term));
  }
  return terms;
}

Result<Term> exact_term(std::string_view member, std::string_view value, const std::vector<Member>& members) {
  return checked({std::string(member), Op::kEqual, std::string(value)}, members);
}

Result<Order> parse_order(std::string_view text, const std::vector<Member>& members) {
  constexpr std::string_view kDescending = " desc";
  Order order;
  if (text.ends_with(kDescending)) {
    order.descending = true;
    text.remove_suffix(kDescending.size());
  }
  auto member = find_member(text, members);
  if (!member) return std::unexpected(std::move(member).error().within("order_by"));
  if (member->kind == FieldKind::kList || member->kind == FieldKind::kMap)
    return fail(Code::kInvalid, "order_by: " + std::string(member->name) + " has no order");
  order.member = member->name;
  return order;
}

bool holds(const Term& term, const Field& field) {
  if (std::holds_alternative<std::monostate>(field)) return is_negative(term.op);
  if (const auto* value = std::get_if<bool>(&field)) return compare(term.op, std::int64_t{*value}, term.number);
  if (const auto* value = std::get_if<std::int64_t>(&field)) return compare(term.op, *value, term.number);
  if (const auto* value = std::get_if<WallTime>(&field))
    return compare(term.op, std::int64_t{value->time_since_epoch().count()}, term.number);
  if (const auto* value = std::get_if<std::string_view>(&field)) return compare(term.op, *value, term.text);
  if (const auto* list = std::get_if<const TextList*>(&field)) {
    const Op positive = term.op == Op::kUnequal ? Op::kEqual : term.op == Op::kLacks ? Op::kContains : term.op;
    const bool any = std::ranges::any_of(**list, [&](const auto& each) { return compare(positive, each, term.text); });
    return any != is_negative(term.op);
  }
  const auto& map = **std::get_if<const TextMap*>(&field);
  const auto entry = map.find(term.entry);
  return entry == map.end() ? is_negative(term.op) : compare(term.op, entry->second, term.text);
}

std::string sort_key(const Field& field) {
  if (const auto* value = std::get_if<bool>(&field)) return *value ? "1" : "0";
  if (const auto* value = std::get_if<std::int64_t>(&field)) return ordered(*value);
  if (const auto* value = std::get_if<WallTime>(&field)) return ordered(value->time_since_epoch().count());
  if (const auto* value = std::get_if<std::string_view>(&field)) return std::string(*value);
  return {};
}

}  // namespace portolan::control
