// What the agent does for the one who is signed in: follows the control plane, keeps links, listens for connected
// resources. Made at sign-in, stopped at sign-out.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "api/client.h"
#include "client/agent.h"
#include "client/changes.h"
#include "client/endings.h"
#include "client/gateways.h"
#include "client/paths.h"
#include "client/ports.h"
#include "client/renewal.h"
#include "client/web/names.h"
#include "net/event.h"
#include "net/network_watch.h"

namespace portolan::client {

// One loop. stop() before destruction.
class SignedInAccount {
 public:
  // `web_proxy`: how the agent's is; asked again and again.
  static Result<std::unique_ptr<SignedInAccount>> make(const net::Executor& executor, const AgentOptions& options,
                                                       Credentials credentials, Changes& changes,
                                                       std::function<api::LocalPort()> web_proxy);

  std::vector<api::LocalResource> resources() const;
  // Until the control plane has said what there is, or has turned out to be away; at most `limit`.
  net::Task<> settled(std::chrono::milliseconds limit);
  // Why nothing can be used any more: the sign-in is over (Code::kUnauthenticated), or the account is suspended
  // (Code::kDenied).
  const std::optional<Error>& ended() const { return ended_; }
  // Looks at every link and at the watch of the control plane, and makes anew what does not answer.
  void network_changed(net::NetworkChange what);
  // Connects or disconnects by name; an unknown name is Code::kNotFound and nothing is done. Kept over restarts.
  net::Task<Result<std::vector<api::LocalResource>>> connect(api::ConnectRequest request);
  net::Task<Result<std::vector<api::LocalResource>>> disconnect(api::ConnectRequest request);
  void fill(api::AgentStatus& status) const;
  // For the web proxy, as web::Applications has it.
  std::shared_ptr<const web::Names> names() const { return names_; }
  Result<> usable(const std::string& web_resource) const;
  void carry_web(const std::string& web_resource, std::unique_ptr<net::Stream> requests, net::CallBack over);
  std::vector<api::AgentResource> web_resources() const;
  // Who else holds ports of ours; now and then, since nobody tells.
  void look_for_holders();
  // Sessions end, and are told `why`.
  net::Task<> stop(Error why);

 private:
  SignedInAccount(const net::Executor& executor, const AgentOptions& options, Credentials credentials,
                  std::unique_ptr<api::ControlClient> control, Changes& changes,
                  std::function<api::LocalPort()> web_proxy);
  net::Task<> follow(std::uint64_t generation);
  Result<> take_line(std::uint64_t generation, bool& first, std::string_view line);
  // The certificate or the authorities have changed.
  void renewed();
  void load_routes();
  // Brings listeners in line with the view and what is connected.
  void apply();
  void apply(const api::AgentResource& resource);
  void name_applications();
  ResourcePort* port_named(const std::string& name) const;
  api::LocalResource describe(const api::AgentResource& resource) const;
  Result<std::vector<std::string>> named(const api::ConnectRequest& request) const;
  std::vector<api::LocalResource> described(const std::vector<std::string>& names) const;
  Result<> save_connected() const;
  net::Task<> retry_failed();
  net::Task<> reconnect();
  void note_ending(const api::SessionEnding& ending);
  std::string egress_name(const std::string& id) const;
  void drop_replaced(const std::set<std::string>& usable);
  // Its sessions end, and are told `why`.
  using PortAt = std::map<std::string, std::unique_ptr<ResourcePort>>::iterator;
  PortAt drop(PortAt port, const Error& why);

  AgentOptions options_;
  PortOptions port_options_;
  Credentials credentials_;
  std::unique_ptr<api::ControlClient> control_;
  Changes& changes_;
  Endings endings_;
  Gateways gateways_;
  Paths paths_;
  std::unique_ptr<Renewal> renewal_;
  api::AgentView view_;
  bool has_view_ = false;
  std::uint64_t newest_watch_ = 0;   // generations; older watches end when a newer one has begun
  std::uint64_t talking_watch_ = 0;  // the newest of which a line has come
  std::optional<std::string> control_down_ = "not reached yet";
  std::optional<Error> ended_;                                  // the sign-in is over
  std::set<std::string> offered_;                               // names of resources that the account could use once
  std::set<std::string> connected_;                             // names
  std::set<std::string> seen_;                                  // resource ids, for connect_all
  std::map<std::string, std::unique_ptr<ResourcePort>> ports_;  // by resource id
  std::map<std::string, api::LocalHolder> holders_;             // by resource id
  std::shared_ptr<const web::Names> names_;                     // of the web resources of view_
  bool settled_ = false;
  bool reconnecting_ = false;
  bool reconnect_again_ = false;
  bool restarting_ = false;  // reconnect() waits for the watch to end
  BootTime followed_{};      // when reconnect() last began the watch
  net::Event settling_;
  net::TaskGroup following_;  // follow() alone, of one generation or two
  net::TaskGroup tasks_;
};

}  // namespace portolan::client
