// Who listens on a local port, from /proc/net/tcp (the socket's inode and user) and /proc/PID/fd (who holds that
// inode).
#include <pwd.h>
#include <unistd.h>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "net/tcp.h"

namespace portolan::net {

namespace {

struct Holder {
  std::string inode;
  uid_t user = 0;
};

// Columns of /proc/net/tcp: sl, local address:port in hexadecimal, remote, state (0A: listening), queues, timer,
// retransmits, uid, timeout, inode.
std::optional<Holder> find_listener(const char* table, std::uint16_t port) {
  std::ifstream file(table);
  std::string line;
  std::getline(file, line);  // the heading
  while (std::getline(file, line)) {
    std::istringstream columns(line);
    std::string slot, local, remote, state, queues, timer, retransmits, timeout;
    Holder holder;
    columns >> slot >> local >> remote >> state >> queues >> timer >> retransmits >> holder.user >> timeout >>
        holder.inode;
    const auto colon = local.rfind(':');
    if (!columns || colon == local.npos || state != "0A") continue;
    unsigned found = 0;
    std::from_chars(local.data() + colon + 1, local.data() + local.size(), found, 16);
    if (found == port) return holder;
  }
  return std::nullopt;
}

std::string name_of_user(uid_t user) {
  passwd entry = {};
  passwd* found = nullptr;
  char memory[4096];
  if (getpwuid_r(user, &entry, memory, sizeof(memory), &found) != 0 || found == nullptr) return std::to_string(user);
  return found->pw_name;
}

bool holds(const std::filesystem::path& process, const std::string& link) {
  std::error_code error;
  for (std::filesystem::directory_iterator fd(process / "fd", error), end; !error && fd != end; fd.increment(error)) {
    std::error_code unreadable;
    if (std::filesystem::read_symlink(fd->path(), unreadable) == link) return true;
  }
  return false;
}

// "postgres (pid 123"; empty if no process that we may look into holds the socket.
std::string find_process(const std::string& inode) {
  const std::string link = "socket:[" + inode + "]";
  std::error_code error;
  for (std::filesystem::directory_iterator each("/proc", error), end; !error && each != end; each.increment(error)) {
    const auto pid = each->path().filename().string();
    if (pid.find_first_not_of("0123456789") != pid.npos || !holds(each->path(), link)) continue;
    std::ifstream file(each->path() / "comm");
    std::string name;
    std::getline(file, name);
    return name + " (pid " + pid;
  }
  return "";
}

}  // namespace

std::string describe_port_holder(std::uint16_t port) {
  auto holder = find_listener("/proc/net/tcp", port);
  if (!holder) holder = find_listener("/proc/net/tcp6", port);
  if (!holder) return "";
  const auto process = find_process(holder->inode);
  const auto user = name_of_user(holder->user);
  return process.empty() ? "a process of user " + user : process + ", user " + user + ")";
}

}  // namespace portolan::net
