// Where a file lies is asked of the kernel once the file is open, not of its name: links, ".." and a name that becomes
// a link a moment later make no difference. It is opened as a place only (O_PATH), which neither waits for a pipe's
// other end nor wakes a device, and read after it was found to be a file that may be read.
#include "cli/apply_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "cli/secrets.h"

namespace portolan::cli {
namespace {

constexpr std::size_t kSettingLimit = 256 * 1024;
constexpr std::size_t kPasswordLimit = 64 * 1024;
constexpr std::size_t kPathShown = 256;
constexpr std::string_view kVariables = "PORTOLAN_PASSWORD_";
constexpr std::string_view kOrTrust = "or give --trust if you have written or read all of this file yourself";

std::unexpected<Error> refused(std::string_view what, std::string_view remedy) {
  return fail(Code::kInvalid, std::string(what) + "; " + std::string(remedy) + ", " + std::string(kOrTrust));
}

std::string shown(const std::filesystem::path& path) { return quoted(path.string(), kPathShown); }

// An open file or folder, as a place.
class Place {
 public:
  Place(int within, const std::filesystem::path& path) : fd_(openat(within, path.c_str(), O_PATH | O_CLOEXEC)) {}
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() {
    if (fd_ >= 0) close(fd_);
  }
  int descriptor() const { return fd_; }
  // Opened anew, it can be read.
  std::filesystem::path link() const { return "/proc/self/fd/" + std::to_string(fd_); }
  // Without links in it; empty if that cannot be found out.
  std::filesystem::path path() const {
    std::error_code error;
    return std::filesystem::read_symlink(link(), error);
  }

 private:
  int fd_;
};

// The folder of an apply file is often a home or a clone, where tools keep keys of their own: ".ssh", ".git".
// Kubernetes keeps the files of a mounted secret in "..data", which is for such use.
bool is_hidden(const std::filesystem::path& below) {
  return std::ranges::any_of(below, [](const std::filesystem::path& part) {
    return part.native().starts_with('.') && !part.native().starts_with("..");
  });
}

bool is_base64(std::string_view line) {
  return line.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") == line.npos;
}

// PEM readers pass over what is between blocks, and blocks of other kinds: a private key would go along unseen.
bool holds_certificates_only(std::string_view text) {
  bool inside = false;
  bool any = false;
  while (!text.empty()) {
    const auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
    if (line == (inside ? "-----END CERTIFICATE-----" : "-----BEGIN CERTIFICATE-----")) {
      inside = !inside;
      any = true;
    } else if (inside ? !is_base64(line) : !line.empty()) {
      return false;
    }
  }
  return any && !inside;
}

}  // namespace

ApplyReader::ApplyReader(std::filesystem::path folder, Trust trust)
    : folder_(folder.empty() ? "." : std::move(folder)), trust_(trust) {}

Result<std::string> ApplyReader::read_beside(const std::string& file, std::size_t limit, Privacy privacy) const {
  const Place folder(AT_FDCWD, folder_);
  if (folder.descriptor() < 0) return fail(Code::kInvalid, "open " + shown(folder_) + ": " + std::strerror(errno));
  const Place place(folder.descriptor(), file);
  if (place.descriptor() < 0) return fail(Code::kInvalid, "open " + shown(file) + ": " + std::strerror(errno));
  const auto root = folder.path();
  const auto real = place.path();
  if (root.empty() || real.empty()) return refused("cannot find out where " + shown(file) + " lies", "mount /proc");
  const auto below = real.lexically_relative(root);
  if (below.empty() || *below.begin() == "..")
    return refused(shown(file) + " is " + shown(real) + ", outside of the folder " + shown(root), "move it there");
  struct stat info{};
  if (fstat(place.descriptor(), &info) != 0 || !S_ISREG(info.st_mode))
    return refused(shown(file) + " is no ordinary file", "write a file instead");
  if (is_hidden(below)) return refused(shown(file) + " is hidden, or in a hidden folder", "give it another name");
  if (privacy == Privacy::kPrivate && (info.st_mode & 077) != 0)
    return fail(Code::kInvalid, "open " + shown(file) + ": others can read this file; run chmod 600 on it");
  auto content = read_file(place.link(), limit);
  if (content) return content;
  // The reader of files knows it by its descriptor only.
  const bool large = content.error().code == Code::kLimit;
  return fail(Code::kInvalid, "read " + shown(file) + ": " +
                                  (large ? "larger than " + std::to_string(limit) + " bytes" : "cannot be read"));
}

Result<std::string> ApplyReader::setting(const std::string& file) const {
  if (trust_ == Trust::kAll) return read_file(folder_ / file, kSettingLimit);
  PL_TRY(auto content, read_beside(file, kSettingLimit, Privacy::kPublic));
  if (!holds_certificates_only(content))
    return refused(shown(file) + " holds something other than certificates in PEM", "leave only those in it");
  return content;
}

Result<Secret> ApplyReader::password_file(const std::string& file) const {
  if (trust_ == Trust::kAll) return secret_from_file(folder_ / file);
  PL_TRY(auto content, read_beside(file, kPasswordLimit, Privacy::kPrivate));
  return secret_of_content(std::move(content), file);
}

Result<Secret> ApplyReader::password_variable(const std::string& name) const {
  if (trust_ == Trust::kBeside && !name.starts_with(kVariables))
    return refused("the variable " + quoted(name) + " is not named for this",
                   "let its name begin with " + std::string(kVariables));
  return secret_from_environment(name);
}

}  // namespace portolan::cli
