// The pages of /activate: plain HTML without scripts, light or dark as the person's browser is. Pure.
#pragma once
#include <string>

#include "base/clock.h"
#include "net/http/message.h"

namespace portolan::control {

// What the form shows and sends. All of it is foreign text.
struct ActivateForm {
  std::string user_code;
  std::string device;   // its name
  std::string address;  // where its request came from
  WallTime asked{};
  std::string csrf;
  std::string email = {};    // as typed before
  std::string problem = {};  // why it is shown again
};

// The question of the code, when none or a wrong one was given.
net::http::Response ask_for_code(int status, const std::string& problem);
net::http::Response ask_for_approval(int status, const ActivateForm& form);
// The end, one way or the other: "You are signed in".
net::http::Response activation_outcome(int status, const std::string& title, const std::string& text);

}  // namespace portolan::control
