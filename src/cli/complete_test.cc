#include "cli/complete.h"

#include <gtest/gtest.h>

#include "cli/admin.h"

namespace portolan::cli {
namespace {

std::vector<Candidate> some_names(const NameWanted& wanted) {
  if (wanted.command == "open" && wanted.argument == "name") return {{"wiki", "http"}};
  if (wanted.command == "connect") return {{"billing", "postgres"}, {"spare", "tcp"}};
  if (wanted.argument == "resource" || wanted.argument == "--resource") return {{"billing", ""}, {"books", ""}};
  if (wanted.argument == "role" || wanted.argument == "--role") return {{"dba", ""}};
  return {};
}

std::string completed(std::vector<std::string> words) {
  Context context;
  CLI::App root("", "portolan");
  add_connect(root, context);
  add_login(root, context);
  add_psql(root, context);
  add_open(root, context);
  add_completion(root, context);
  CLI::App& admin = add_group(root, "admin", "for admins");
  add_admin_grants(admin, context);
  add_admin_apply(admin, context);
  CLI::App& roles = add_group(admin, "roles", "roles");
  add_command(roles, context, "list", "all of them", "portolan admin roles list");
  root.add_subcommand("secret", "not for people")->group("");
  std::string out;
  for (const auto& candidate : complete(root, words, some_names)) out += candidate.value + " ";
  return out;
}

TEST(Complete, Commands) {
  EXPECT_EQ(completed({""}), "admin completion connect login open psql ");
  EXPECT_EQ(completed({"co"}), "completion connect ");
  EXPECT_EQ(completed({"admin", ""}), "apply grants roles ");
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

TEST(Complete, WhatAnAdminNames) {
  EXPECT_EQ(completed({"admin", "grants", "create", ""}), "dba ");
  EXPECT_EQ(completed({"admin", "grants", "create", "dba", "b"}), "billing books ");
  EXPECT_EQ(completed({"admin", "grants", "create", "dba", "billing", ""}), "");
  EXPECT_EQ(completed({"admin", "grants", "list", "--resource", "bi"}), "billing ");
  EXPECT_EQ(completed({"admin", "grants", "list", "--state", ""}), "active ended scheduled ");
  EXPECT_EQ(completed({"admin", "grants", "list", "--state", "e"}), "ended ");
  EXPECT_EQ(completed({"admin", "apply", ""}), kFiles + " ");
  EXPECT_EQ(completed({"admin", "apply", "te"}), kFiles + " ");
}

TEST(Complete, Names) {
  EXPECT_EQ(completed({"connect", ""}), "billing spare ");
  EXPECT_EQ(completed({"connect", "b"}), "billing ");
  EXPECT_EQ(completed({"connect", "billing", "s"}), "spare ");
  EXPECT_EQ(completed({"connect", "--quiet", "s"}), "spare ");
  EXPECT_EQ(completed({"completion", ""}), "bash fish zsh ");
  EXPECT_EQ(completed({"psql", "billing", "-"}), kFiles + " ");
  EXPECT_EQ(completed({"open", "w"}), "wiki ");
  EXPECT_EQ(completed({"open", "--p"}), "--print ");
}

}  // namespace
}  // namespace portolan::cli
