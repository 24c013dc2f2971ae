// What nodes and agents are told of the authorities, and which of those who listen have taken it: a new authority signs
// only when everybody who is here knows it.
#pragma once
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/keys.h"
#include "control/authorities.h"
#include "net/http/message.h"

namespace portolan::control {

api::TrustedAuthorities trust_of(const Authorities& authorities);
// What the control plane may show to somebody who says nothing of what they know, first; then the others.
std::string server_bundle_for_strangers(const Authorities& authorities);

// Those whose watches run. One loop.
class TrustReaders {
 public:
  enum class Kind { kNode, kAgent };
  struct Reader {
    Kind kind;
    std::string id;                      // of the node or device
    std::string name;                    // for people
    std::optional<std::string> version;  // that it has; none: of a release that does not tell
  };

  // A watch, for as long as this lives.
  class Seat {
   public:
    // The version is the request's `trust`.
    Seat(TrustReaders& readers, Kind kind, std::string id, std::string name, const net::http::Request& request);
    Seat(const Seat&) = delete;
    Seat& operator=(const Seat&) = delete;
    ~Seat();
    bool tells() const { return at_->version.has_value(); }
    // Whether it has to be told, which it then is.
    bool must_hear(const std::string& version);

   private:
    TrustReaders& readers_;
    std::list<Reader>::iterator at_;
    std::string told_;
  };

  // Who is here and has not got the present authorities of this purpose, each once. A process that watches anew before
  // its old watch has ended counts as what the new one says.
  std::vector<std::string> waiting_for(const Authorities& authorities, std::string_view purpose) const;
  // Whether every node that is here is of a release that renews certificates and lets links go on with them.
  bool all_nodes_renew() const;

 private:
  std::list<Reader> readers_;
};

}  // namespace portolan::control
