#include "cli/complete.h"

#include <gtest/gtest.h>

#include "cli/command.h"

namespace portolan::cli {
namespace {

std::vector<Candidate> some_names(const std::string& command) {
  if (command == "connect") return {{"billing", "postgres"}, {"spare", "tcp"}};
  return {};
}

std::string completed(std::vector<std::string> words) {
  Context context;
  CLI::App root("", "portolan");
  add_connect(root, context);
  add_login(root, context);
  add_psql(root, context);
  add_completion(root, context);
  CLI::App& admin = add_group(root, "admin", "for admins");
  CLI::App& roles = add_group(admin, "roles", "roles");
  add_command(roles, context, "list", "all of them", "portolan admin roles list");
  root.add_subcommand("secret", "not for people")->group("");
  std::string out;
  for (const auto& candidate : complete(root, words, some_names)) out += candidate.value + " ";
  return out;
}

TEST(Complete, Commands) {
  EXPECT_EQ(completed({""}), "admin completion connect login psql ");
  EXPECT_EQ(completed({"co"}), "completion connect ");
  EXPECT_EQ(completed({"admin", ""}), "roles ");
  EXPECT_EQ(completed({"admin", "roles", "l"}), "list ");
  EXPECT_EQ(completed({"admin", "roles", "list", ""}), "");
  EXPECT_EQ(completed({"nothing", ""}), "");
  EXPECT_EQ(completed({}), "");
}

TEST(Complete, Options) {
  EXPECT_EQ(completed({"connect", "--"}), "--all --help --json --quiet --verbose ");
  EXPECT_EQ(completed({"connect", "--all", "--a"}), "");
  EXPECT_EQ(completed({"login", "--pass"}), "--password --password-file ");
}

TEST(Complete, ValuesOfOptions) {
  EXPECT_EQ(completed({"login", "--password-file", ""}), kFiles + " ");
  EXPECT_EQ(completed({"login", "--password-file", "=", ""}), kFiles + " ");
  EXPECT_EQ(completed({"login", "--email", ""}), "");
}

TEST(Complete, Names) {
  EXPECT_EQ(completed({"connect", ""}), "billing spare ");
  EXPECT_EQ(completed({"connect", "b"}), "billing ");
  EXPECT_EQ(completed({"connect", "billing", "s"}), "spare ");
  EXPECT_EQ(completed({"connect", "--quiet", "s"}), "spare ");
  EXPECT_EQ(completed({"completion", ""}), "bash fish zsh ");
  EXPECT_EQ(completed({"psql", "billing", "-"}), kFiles + " ");
}

}  // namespace
}  // namespace portolan::cli
