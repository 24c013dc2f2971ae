// Who listens on a local port, from /proc/net/tcp (the socket's inode and user) and /proc/PID/fd (who holds that
// inode).
#include <pwd.h>
#include <unistd.h>
#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "net/socket_address.h"
#include "net/tcp.h"

namespace portolan::net {

namespace {

struct Listening {
  std::string inode;
  uid_t user = 0;
};

// Whether both cannot be listened at together. `hex`: "0100007F" or four such words, each a number in this machine's
// order.
bool collide(std::string_view hex, const PlainAddress& wanted) {
  unsigned char bytes[16] = {};
  if (hex.size() != 8 && hex.size() != 32) return false;
  unsigned char* to = hex.size() == 8 ? bytes + 12 : bytes;
  for (std::size_t i = 0; i < hex.size(); i += 8, to += 4) {
    std::uint32_t word = 0;
    std::from_chars(hex.data() + i, hex.data() + i + 8, word, 16);
    std::memcpy(to, &word, sizeof word);
  }
  if (hex.size() == 8) bytes[10] = bytes[11] = 0xff;
  const auto is_any = [](const unsigned char(&address)[16]) {
    return std::all_of(std::begin(address) + 12, std::end(address), [](unsigned char byte) { return byte == 0; });
  };
  return is_any(bytes) || is_any(wanted.bytes) ||
         std::equal(std::begin(bytes), std::end(bytes), std::begin(wanted.bytes));
}

// Columns of /proc/net/tcp: sl, local address:port in hexadecimal, remote, state (0A: listening), queues, timer,
// retransmits, uid, timeout, inode.
std::optional<Listening> find_listener(const char* table, const PlainAddress& wanted) {
  std::ifstream file(table);
  std::string line;
  std::getline(file, line);  // the heading
  while (std::getline(file, line)) {
    std::istringstream columns(line);
    std::string slot, local, remote, state, queues, timer, retransmits, timeout;
    Listening found;
    columns >> slot >> local >> remote >> state >> queues >> timer >> retransmits >> found.user >> timeout >>
        found.inode;
    const auto colon = local.rfind(':');
    if (!columns || colon == local.npos || state != "0A") continue;
    unsigned port = 0;
    std::from_chars(local.data() + colon + 1, local.data() + local.size(), port, 16);
    if (port == wanted.port && collide(std::string_view(local).substr(0, colon), wanted)) return found;
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

// Fills in the process; leaves it empty if none that we may look into holds the socket.
void find_process(const std::string& inode, PortHolder& holder) {
  const std::string link = "socket:[" + inode + "]";
  std::error_code error;
  for (std::filesystem::directory_iterator each("/proc", error), end; !error && each != end; each.increment(error)) {
    const auto pid = each->path().filename().string();
    if (pid.find_first_not_of("0123456789") != pid.npos || !holds(each->path(), link)) continue;
    std::ifstream file(each->path() / "comm");
    std::getline(file, holder.process);
    std::from_chars(pid.data(), pid.data() + pid.size(), holder.pid);
    return;
  }
}

}  // namespace

std::optional<PortHolder> find_port_holder(const Endpoint& at) {
  const auto address = numeric_address(at.host.empty() ? Endpoint{"0.0.0.0", at.port} : at);
  if (!address) return std::nullopt;
  auto found = find_listener("/proc/net/tcp", plain(*address));
  if (!found) found = find_listener("/proc/net/tcp6", plain(*address));
  if (!found) return std::nullopt;
  PortHolder holder{found->user, name_of_user(found->user), {}, 0};
  find_process(found->inode, holder);
  return holder;
}

std::string to_text(const PortHolder& holder) {
  if (holder.process.empty()) return "a process of user " + holder.user_name;
  return holder.process + " (pid " + std::to_string(holder.pid) + ", user " + holder.user_name + ")";
}

}  // namespace portolan::net
