// Which nodes may be the egress of a resource, by their tags: "env=prod,region=eu|us,name=relay-*". Terms apart by
// commas, all of which must hold:
//   KEY=VALUE    the node's tag KEY is VALUE; of VALUES apart by "|" one of them
//   KEY!=VALUE   it is none of them, or the node has no such tag
// "*" in a value stands for any text. `name` is the node's name and `kind` its kind ("gateway", "relay", "worker" …); a
// tag that is called so is `tags.name`, and tags.KEY is KEY for any other. Blanks around terms, keys and values count
// for nothing.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "directory/model.h"

namespace portolan::directory {

class EgressFilter {
 public:
  // Code::kInvalid says what is wrong with it. The empty filter admits every node.
  static Result<EgressFilter> parse(std::string_view text);
  bool admits(const Node& node) const;

 private:
  struct Term {
    std::string key;  // without "tags."
    bool is_tag = true;
    bool negated = false;
    std::vector<std::string> values;
  };
  static Result<Term> parse_term(std::string_view text);
  std::vector<Term> terms_;
};

}  // namespace portolan::directory
