// Replacing a certificate authority while everything goes on. Three steps, each an activity:
//
//   announced  the new authority is trusted by all beside the one that signs. Nodes and agents are told by their
//              watches, take it, and say so.
//   signing    it signs from now on: by itself once everybody who is here has taken it, at the time set for it, or at
//   an
//              admin's word. Who has a certificate by the old one renews it at once. The old one is
//   retiring   still trusted, for those who were away, until its time has come or an admin finishes it; then it is
//              removed, and its leaves are worth nothing.
//
// Who is here and does not tell what they know is of an older release and never learns of the new authority: it holds
// up the second step, so that it goes on working.
//
// The key of identity tokens goes the same way. Who takes it are applications, which nobody sees: it stands in the JWKS
// for an hour before it signs, and the old one until its last tokens have ended.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/core.h"
#include "control/trust.h"
#include "net/loop.h"

namespace portolan::control {

// One loop. Begins with start(); stop() before destruction if the loop goes on.
class Rotation {
 public:
  Rotation(Core& core, const TrustReaders& readers);

  // Makes one change of the directory, as whoever asks for it.
  using MakeChange = std::function<net::Task<Result<>>(Core::Edit)>;

  struct Wish {
    std::optional<std::chrono::milliseconds> overlap;
    std::optional<std::chrono::milliseconds> activate_after;
    bool now = false;
  };
  // Code::kInvalid for an unknown purpose, kConflict while another rotation of it is under way.
  net::Task<Result<>> rotate(MakeChange change, std::string purpose, Wish wish);
  // Code::kConflict if none is announced.
  net::Task<Result<>> activate(MakeChange change, std::string purpose);
  // Code::kConflict if none is retiring, or if somebody still needs it and `force` is not set: they are named.
  enum class Force { kNo, kYes };
  net::Task<Result<>> finish(MakeChange change, std::string purpose, Force force);

  // Whose certificate is by a retiring authority of this purpose; for "server", who is here and does not know the new
  // one; for "identity", until when its tokens are good.
  std::vector<std::string> used_by(const directory::Snapshot& snapshot, std::string_view purpose) const;

  // Takes the steps whose time has come, as "system".
  net::Task<Result<>> step();
  // step() every second, once those who were connected before the start have had the time to come back.
  void start();
  net::Task<> stop();

 private:
  net::Task<> step_often();
  MakeChange as_system();
  std::chrono::milliseconds leaf_life(std::string_view purpose) const;
  std::vector<std::string> live_tokens(const directory::Snapshot& snapshot) const;

  Core& core_;
  const TrustReaders& readers_;
  net::TaskGroup tasks_;
};

}  // namespace portolan::control
