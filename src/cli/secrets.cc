#include "cli/secrets.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "base/file.h"

namespace portolan::cli {
namespace {

constexpr std::size_t kSecretLimit = 64 * 1024;

// Holds back the signals that would end the process, so that a terminal without echo is never left behind. One that has
// come meanwhile takes effect when this ends.
class SignalsHeld {
 public:
  SignalsHeld() {
    sigset_t held;
    sigemptyset(&held);
    for (const int signal : {SIGINT, SIGTERM, SIGQUIT, SIGHUP}) sigaddset(&held, signal);
    pthread_sigmask(SIG_BLOCK, &held, &before_);
    fd_ = signalfd(-1, &held, SFD_CLOEXEC | SFD_NONBLOCK);
  }
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;
  ~SignalsHeld() {
    if (fd_ >= 0) close(fd_);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  // Readable when one has come; it is not taken.
  int descriptor() const { return fd_; }

 private:
  sigset_t before_{};
  int fd_ = -1;
};

// The terminal of this session, open for as long as a question is asked; echo is restored at the end.
class Terminal {
 public:
  enum class Echo { kOn, kOff };
  explicit Terminal(Echo echo) : fd_(open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)) {
    if (fd_ < 0 || echo == Echo::kOn || tcgetattr(fd_, &before_) != 0) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    silent.c_lflag |= ECHONL;
    changed_ = tcsetattr(fd_, TCSAFLUSH, &silent) == 0;
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal() {
    if (changed_) tcsetattr(fd_, TCSAFLUSH, &before_);
    if (fd_ >= 0) close(fd_);
  }
  bool is_there() const { return fd_ >= 0; }

  bool say(const std::string& text) {
    return write(fd_, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  }
  Result<std::string> read_line() {
    std::string line;
    char c = 0;
    while (line.size() < kSecretLimit) {
      pollfd waited[] = {{fd_, POLLIN, 0}, {signals_.descriptor(), POLLIN, 0}};
      if (poll(waited, 2, -1) < 0 && errno != EINTR) return fail(Code::kIo, "cannot read from the terminal");
      if (waited[1].revents != 0) return fail(Code::kCancelled, "interrupted");
      if (waited[0].revents == 0) continue;
      const ssize_t n = read(fd_, &c, 1);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return fail(Code::kEof, "the terminal has closed");
      if (c == '\n') return line;
      line += c;
    }
    return fail(Code::kLimit, "the answer is too long");
  }

 private:
  SignalsHeld signals_;  // the first to come and the last to go
  int fd_;
  termios before_{};
  bool changed_ = false;
};

Result<std::string> ask_with(const std::string& question, Terminal::Echo echo) {
  Terminal terminal(echo);
  if (!terminal.is_there()) return fail(Code::kNotFound, "there is no terminal to ask on");
  if (!terminal.say(question)) return fail(Code::kIo, "cannot write to the terminal");
  return terminal.read_line();
}

Result<std::string> read_standard_input() {
  std::string content;
  char block[4096];
  for (;;) {
    const ssize_t n = read(STDIN_FILENO, block, sizeof block);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(Code::kIo, "cannot read standard input");
    if (n == 0) return content;
    content.append(block, static_cast<std::size_t>(n));
    if (content.size() > kSecretLimit) return fail(Code::kLimit, "standard input: too long for a secret");
  }
}

}  // namespace

Result<Secret> secret_from_file(const std::filesystem::path& path) {
  auto content = path == "-" ? read_standard_input() : read_private_file(path, kSecretLimit);
  if (!content) {
    // A local file that cannot be read is no decision about access.
    Error why = std::move(content).error();
    if (why.code == Code::kDenied) why.code = Code::kInvalid;
    return std::unexpected(std::move(why));
  }
  return secret_of_content(std::move(*content), path);
}

Result<Secret> secret_of_content(std::string content, const std::filesystem::path& path) {
  if (content.ends_with('\n')) content.pop_back();
  if (content.ends_with('\r')) content.pop_back();
  if (content.empty()) return fail(Code::kInvalid, "the secret in " + path.string() + " is empty");
  return Secret(std::move(content));
}

Result<Secret> secret_from_environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr || *value == '\0')
    return fail(Code::kInvalid, "the environment variable " + quoted(name) + " is not set");
  return Secret(std::string(value));
}

Result<Secret> ask_secret(const std::string& question) {
  PL_TRY(auto answer, ask_with(question, Terminal::Echo::kOff));
  return Secret(std::move(answer));
}

Result<std::string> ask(const std::string& question) { return ask_with(question, Terminal::Echo::kOn); }

}  // namespace portolan::cli
