#include "cli/output.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>

#include "cli/exit.h"

namespace portolan::cli {
namespace {

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EPIPE && fd == STDOUT_FILENO) {
      std::signal(SIGPIPE, SIG_DFL);
      std::raise(SIGPIPE);
    }
    if (n < 0) return;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

}  // namespace

void Output::text(std::string_view text) const { write_all(STDOUT_FILENO, text); }
void Output::line(std::string_view text) const { write_all(STDOUT_FILENO, std::string(text) + "\n"); }

std::string Output::rendered(const Table& table) const {
  return quiet ? table.print_rows(columns()) : table.print(columns(), paint());
}
void Output::table(const Table& table) const { text(rendered(table)); }

void Output::note(std::string_view text) const {
  if (!quiet && !json) write_all(STDERR_FILENO, std::string(text) + "\n");
}

void Output::warn(std::string_view text) const {
  if (!quiet) write_all(STDERR_FILENO, fmt::format("portolan: warning: {}\n", one_line(text)));
}

void Output::error(const Error& error) const {
  write_all(STDERR_FILENO,
            fmt::format("portolan: {}\n", error_line(error, verbose ? Detail::kVerbose : Detail::kShort)));
}

bool Output::on_terminal() const { return isatty(STDOUT_FILENO) == 1; }

bool Output::paint_can_move() const {
  const char* terminal = std::getenv("TERM");
  return on_terminal() && terminal != nullptr && std::string_view(terminal) != "dumb";
}

Paint Output::paint() const {
  const char* refused = std::getenv("NO_COLOR");
  return paint_can_move() && (refused == nullptr || *refused == '\0') ? Paint::kColors : Paint::kPlain;
}

std::size_t Output::columns() const {
  winsize size{};
  if (!on_terminal() || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

}  // namespace portolan::cli
