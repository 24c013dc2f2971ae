#include "client/web/page_view.h"

#include <algorithm>
#include <string_view>

#include "base/words.h"

namespace portolan::client::web {
namespace {

constexpr std::size_t kNameLimit = 100;
constexpr std::size_t kUrlLimit = 300;
constexpr std::size_t kReasonLimit = 400;
constexpr std::uint32_t kTints = 8;

std::string words(std::string_view text) { return plain_words(text, kReasonLimit); }

// A link leads to a web page and nowhere else, whatever the status says.
std::optional<std::string> link_of(std::string_view url) {
  const bool web = url.starts_with("http://") || url.starts_with("https://");
  if (!web || url.contains(' ') || plain_words(url, kUrlLimit) != url) return std::nullopt;
  return std::string(url);
}

std::string place_of(std::string_view url) {
  const auto scheme = url.find("://");
  if (url.starts_with("http://")) url.remove_prefix(scheme + 3);
  return plain_words(url, kUrlLimit);
}

// Only a name that a shell takes as it is belongs into a command that people copy.
std::optional<std::string> connect_command(std::string_view name) {
  const bool plain = !name.empty() && !name.starts_with('-') && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
  if (!plain) return std::nullopt;
  return "portolan connect " + std::string(name);
}

// The first character of UTF-8.
std::string initial_of(std::string_view name) {
  if (name.empty()) return "?";
  const auto lead = static_cast<unsigned char>(name.front());
  const std::size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  std::string out(name.substr(0, size));
  if (out[0] >= 'a' && out[0] <= 'z') out[0] = static_cast<char>(out[0] - 'a' + 'A');
  return out;
}

// The same for a name on every machine and in every release.
std::uint32_t tint_of(std::string_view name) {
  std::uint32_t hash = 2166136261U;  // FNV-1a
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return (hash ^ (hash >> 16U)) % kTints;
}

void judge(const api::LocalResource& resource, bool signed_in, HomeResource& shown) {
  const auto say = [&](std::string_view mark, std::string_view state) {
    shown.mark = mark;
    shown.state = state;
  };
  const auto note = [&](const std::optional<std::string>& why) {
    if (why && !why->empty()) shown.note = words(*why);
  };
  if (!signed_in) return say("off", "Signed out");
  if (resource.state == "disconnected") {
    say("off", "Disconnected");
    shown.command = connect_command(resource.name);
    return;
  }
  if (resource.health == "unreachable") {
    say("bad", "Unreachable");
    return note(resource.health_reason);
  }
  if (resource.state == "failed") {
    say("warning", "Needs attention");
    return note(resource.reason);
  }
  if (resource.health == "ok") return say("ok", "Ready");
  say("unknown", "Not checked");
}

HomeResource shown_as(const api::LocalResource& resource, bool signed_in) {
  HomeResource shown{.name = plain_words(resource.name, kNameLimit),
                     .place = place_of(*resource.url),
                     .mark = {},
                     .state = {},
                     .initial = {}};
  shown.url = link_of(*resource.url);
  shown.initial = initial_of(shown.name);
  shown.tint = tint_of(shown.name);
  judge(resource, signed_in, shown);
  return shown;
}

void judge_control(const api::AgentStatus& status, HomeView& view) {
  if (!status.signed_in) {
    view.control_mark = "off";
    view.control_state = "signed out";
    std::string why = status.control_reason ? words(*status.control_reason) : "you are signed out; run: portolan login";
    const auto remedy = why.find("; run: portolan login");
    const bool by_login = remedy != why.npos;  // not for who has been suspended
    if (by_login) why.resize(remedy);
    if (!why.empty() && why[0] >= 'a' && why[0] <= 'z') why[0] = static_cast<char>(why[0] - 'a' + 'A');
    view.notices.push_back({why + "."});
    if (!by_login) return;
    view.notices.back().text += " To sign in, type in a terminal:";
    view.notices.back().command = "portolan login";
    return;
  }
  const bool up = status.control_state == "up";
  view.control_mark = up ? "ok" : "bad";
  view.control_state = up ? "up" : "down";
  if (up) return;
  std::string text =
      "The control plane cannot be reached. What is open goes on for a while; the states below may be old.";
  if (status.control_reason) text += " (" + words(*status.control_reason) + ")";
  view.notices.push_back({std::move(text)});
}

}  // namespace

HomeView home_view(const api::AgentStatus& status) {
  HomeView view{.signed_in = status.signed_in,
                .who = plain_words(status.email, kNameLimit),
                .organization = plain_words(status.organization, kNameLimit),
                .control_mark = {},
                .control_state = {},
                .version = plain_words(status.version, kNameLimit),
                .notices = {},
                .resources = {}};
  if (status.signed_in) view.sign_in_ends = status.sign_in_ends;
  judge_control(status, view);
  for (const api::LocalResource& resource : status.resources)
    if (resource.url) view.resources.push_back(shown_as(resource, status.signed_in));
  return view;
}

}  // namespace portolan::client::web
