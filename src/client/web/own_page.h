// What the web proxy answers under its own name, http://localhost:65230: the page of the person's applications (page.h)
// and the proxy auto-config file (pac.h). Pure.
#pragma once
#include <string>
#include <vector>

#include "api/agent.h"
#include "api/local.h"
#include "net/tcp.h"
#include "protocols/http/message.h"

namespace portolan::client::web {

// What the pages are made of.
struct OwnView {
  api::AgentStatus status = {};
  std::vector<api::AgentResource> resources = {};
  net::Endpoint proxy = {};  // where browsers reach it
};

// The whole answer to a request without a body, by whatever method; `last`: the connection closes behind it.
enum class OnConnection { kStays, kCloses };
std::string own_answer(const protocols::http::RequestHead& head, const OwnView& view, OnConnection then);

}  // namespace portolan::client::web
