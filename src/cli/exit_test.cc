#include "cli/exit.h"

#include <gtest/gtest.h>

namespace portolan::cli {
namespace {

TEST(Exit, FromErrors) {
  const std::pair<Code, Exit> cases[] = {
      {Code::kInvalid, Exit::kFailed},      {Code::kUnauthenticated, Exit::kNotLoggedIn},
      {Code::kDenied, Exit::kDenied},       {Code::kNotFound, Exit::kFailed},
      {Code::kConflict, Exit::kFailed},     {Code::kUnavailable, Exit::kUnreachable},
      {Code::kTimeout, Exit::kUnreachable}, {Code::kProtocol, Exit::kFailed},
      {Code::kInternal, Exit::kFailed},
  };
  for (const auto& [code, exit] : cases) EXPECT_EQ(exit_for({code, ""}), exit) << name_of(code);
  EXPECT_EQ(exit_for(wrong_usage("no such option").error()), Exit::kUsage);
  EXPECT_EQ(exit_for(restart_due().error()), Exit::kRestart);
}

TEST(Exit, SaysWhatToDo) {
  const auto text = [](Code code, std::string message, Hop hop) {
    return with_remedy({code, std::move(message), "", hop}).message;
  };
  EXPECT_NE(text(Code::kUnavailable, "refused", Hop::kControlPlane).find("portolan login ADDRESS"), std::string::npos);
  EXPECT_EQ(text(Code::kUnavailable, "refused; do this", Hop::kControlPlane), "refused; do this");
  EXPECT_EQ(text(Code::kUnavailable, "refused", Hop::kGateway), "refused");
  EXPECT_EQ(text(Code::kDenied, "no", Hop::kControlPlane), "no");
}

TEST(Exit, OneLine) {
  EXPECT_EQ(one_line("a\nb\r\n\tc\x1b[0m\n"), "a b c [0m");
  const Error error{Code::kUnavailable, "connect\nfailed", "", Hop::kGateway};
  EXPECT_EQ(error_line(error, Detail::kShort), "connect failed");
  EXPECT_EQ(error_line(error, Detail::kVerbose),
            "connect failed [code unavailable, at gateway, trying again can help]");
}

}  // namespace
}  // namespace portolan::cli
