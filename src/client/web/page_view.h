// What the home page shows, in the words that it shows: of the agent's status only this. All texts are fit for people
// (plain_words), and not yet for HTML. Pure.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe.hpp>

#include "api/local.h"
#include "base/clock.h"

namespace portolan::client::web {

// Something to know before all else.
struct HomeNotice {
  std::string text;
  std::optional<std::string> command = {};  // what to type
};
BOOST_DESCRIBE_STRUCT(HomeNotice, (), (text, command))

struct HomeResource {
  std::string name;
  std::optional<std::string> url = {};   // http or https; none: it cannot be opened
  std::string place;                     // the URL as people read it
  std::string mark;                      // "ok", "unknown", "warning", "bad", "off": how `state` looks
  std::string state;                     // "Ready"
  std::optional<std::string> note = {};  // why
  std::optional<std::string> command = {};
  std::string initial;     // of the name
  std::uint32_t tint = 0;  // 0…7, by the name
};
BOOST_DESCRIBE_STRUCT(HomeResource, (), (name, url, place, mark, state, note, command, initial, tint))

struct HomeView {
  bool signed_in = false;
  std::string who;
  std::string organization;
  std::optional<WallTime> sign_in_ends = {};
  std::string control_mark;   // as HomeResource::mark
  std::string control_state;  // "up", "down", "signed out"
  std::string version;
  std::vector<HomeNotice> notices;
  std::vector<HomeResource> resources;  // web resources only
};
BOOST_DESCRIBE_STRUCT(HomeView, (),
                      (signed_in, who, organization, sign_in_ends, control_mark, control_state, version, notices,
                       resources))

HomeView home_view(const api::AgentStatus& status);

}  // namespace portolan::client::web
