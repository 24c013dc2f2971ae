#include "net/network_name.h"

#include <arpa/inet.h>
#include <net/route.h>
#include <array>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <limits>
#include <sstream>
#include <vector>

namespace portolan::net {
namespace {

constexpr std::size_t kMostLines = 4096;

std::string text_of(const char* path) {
  std::ifstream file(path);
  std::string text;
  std::string line;
  for (std::size_t i = 0; i < kMostLines && std::getline(file, line); ++i) text += line + "\n";
  return text;
}

std::vector<std::vector<std::string>> rows(std::string_view text) {
  std::vector<std::vector<std::string>> out;
  std::istringstream lines{std::string(text)};
  std::string line;
  std::getline(lines, line);  // the titles
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::vector<std::string> row;
    for (std::string word; words >> word;) row.push_back(std::move(word));
    out.push_back(std::move(row));
  }
  return out;
}

std::uint32_t number(const std::string& text, int base) {
  std::uint32_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out, base);
  return out;
}

}  // namespace

std::string network_name() { return network_name_from(text_of("/proc/net/route"), text_of("/proc/net/arp")); }

std::string network_name_from(std::string_view routes, std::string_view neighbours) {
  std::string router;
  std::uint32_t best = std::numeric_limits<std::uint32_t>::max();
  for (const auto& row : rows(routes)) {
    if (row.size() < 8 || number(row[1], 16) != 0 || number(row[7], 16) != 0) continue;
    const auto flags = number(row[3], 16);
    const auto metric = number(row[6], 10);
    if ((flags & RTF_UP) == 0 || (flags & RTF_GATEWAY) == 0 || metric >= best) continue;
    const in_addr address{number(row[2], 16)};  // as it lies in memory
    std::array<char, INET_ADDRSTRLEN> text{};
    inet_ntop(AF_INET, &address, text.data(), text.size());
    router = text.data();
    best = metric;
  }
  if (router.empty()) return "none";
  for (const auto& row : rows(neighbours))
    if (row.size() >= 4 && row[0] == router && row[3] != "00:00:00:00:00:00") return router + " " + row[3];
  return router;
}

}  // namespace portolan::net
