#include "cli/browser.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace portolan::cli {
namespace {

bool is_set(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

// In the grandchild. Browsers write much to the terminal that nobody wants to read.
[[noreturn]] void become_browser(const char* program, const char* url) {
  setsid();
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) _exit(127);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(null, fd);
  execlp(program, program, url, static_cast<char*>(nullptr));
  _exit(127);
}

}  // namespace

bool has_browser() { return is_set("BROWSER") || is_set("DISPLAY") || is_set("WAYLAND_DISPLAY"); }

void open_in_browser(const std::string& url) {
  if (!has_browser()) return;
  const char* program = is_set("BROWSER") ? std::getenv("BROWSER") : "xdg-open";
  const pid_t child = fork();
  if (child < 0) return;
  if (child == 0) {
    if (fork() == 0) become_browser(program, url.c_str());
    _exit(0);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace portolan::cli
