// What is alike for tokens and cluster keys by which nodes join.
#pragma once
#include <string>

#include "cli/admin.h"

namespace portolan::cli {

struct JoiningKind {
  std::string noun;        // "join token"
  std::string key;         // what names one: "token"
  std::string collection;  // "/v1/join-tokens"
  std::string command;     // for the example
};

// `revoke ID [--with-nodes]`.
void add_revoke_joining(CLI::App& group, Context& context, JoiningKind kind);

}  // namespace portolan::cli
