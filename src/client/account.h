// What the agent does for the one who is signed in: follows the control plane, keeps links, listens for connected
// resources. Made at sign-in, stopped at sign-out.
#pragma once
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "api/client.h"
#include "client/agent.h"
#include "client/gateways.h"
#include "client/paths.h"
#include "client/ports.h"

namespace portolan::client {

// One loop. stop() before destruction.
class SignedInAccount {
 public:
  static Result<std::unique_ptr<SignedInAccount>> make(const net::Executor& executor, const AgentOptions& options,
                                                       Credentials credentials);

  std::vector<api::LocalResource> resources() const;
  // Connects or disconnects by name; an unknown name is Code::kNotFound and nothing is done. Kept over restarts.
  net::Task<Result<std::vector<api::LocalResource>>> connect(api::ConnectRequest request);
  net::Task<Result<std::vector<api::LocalResource>>> disconnect(api::ConnectRequest request);
  void fill(api::AgentStatus& status) const;
  net::Task<> stop();

 private:
  SignedInAccount(const net::Executor& executor, const AgentOptions& options, Credentials credentials,
                  std::unique_ptr<api::ControlClient> control);
  net::Task<> follow();
  Result<> take_line(std::string_view line);
  void load_routes();
  // Brings listeners in line with the view and what is connected.
  void apply();
  api::LocalResource describe(const api::AgentResource& resource) const;
  Result<std::vector<std::string>> named(const api::ConnectRequest& request) const;
  std::vector<api::LocalResource> described(const std::vector<std::string>& names) const;
  Result<> save_connected() const;
  net::Task<> retry_failed();
  void drop_replaced(const std::set<std::string>& usable);
  net::Task<> drop(std::unique_ptr<ResourcePort> port);

  AgentOptions options_;
  Credentials credentials_;
  std::unique_ptr<api::ControlClient> control_;
  Gateways gateways_;
  Paths paths_;
  api::AgentView view_;
  bool has_view_ = false;
  bool fresh_ = true;
  std::optional<std::string> control_down_ = "not reached yet";
  std::optional<std::string> ended_;                            // the sign-in is over
  std::set<std::string> connected_;                             // names
  std::set<std::string> seen_;                                  // resource ids, for connect_all
  std::map<std::string, std::unique_ptr<ResourcePort>> ports_;  // by resource id
  net::TaskGroup tasks_;
};

}  // namespace portolan::client
