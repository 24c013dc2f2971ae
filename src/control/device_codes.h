// Device codes: a program asks for one, shows the person a short code and waits; the person approves it in a browser
// (RFC 8628, device authorization grant). In memory, bounded, short-lived; a restart of the control plane forgets them,
// and the program is told to begin again.
//
// A user code has eight letters out of twenty: 34 bits. Guesses are counted, by address and in all, and a code lives
// for ten minutes: with at most a thousand codes out and a thousand guesses in that time, the chance to hit any is
// below 1 in 20,000. The device code, which is worth the sign-in, has 256 bits and is kept as its hash.
#pragma once
#include <map>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "control/sign_in.h"
#include "directory/model.h"

namespace portolan::control {

struct DeviceCodeLimits {
  std::chrono::milliseconds life = std::chrono::minutes(10);
  std::chrono::milliseconds interval = std::chrono::seconds(2);   // between two questions of a device
  std::chrono::milliseconds slow_down = std::chrono::seconds(5);  // more of it, after a question that came too soon
  std::size_t pending = 1000;
  std::size_t pending_per_address = 20;
  unsigned guesses = 1000;  // of user codes that are not known, in all, until nothing more is looked up for a while
  unsigned guesses_per_address = 10;
  std::chrono::milliseconds guess_lock = std::chrono::minutes(10);
};

// One loop.
class DeviceCodes {
 public:
  DeviceCodes(const Clock& clock, DeviceCodeLimits limits);

  // What a person is shown of a request.
  struct Pending {
    std::string user_code;
    SignIns::Installation installation;
    std::string address;  // where the request came from
    WallTime asked{};
  };
  struct Made {
    Secret device_code;
    std::string user_code;
  };
  // Code::kLimit when too many are out already.
  Result<Made> make(SignIns::Installation installation, std::string address);

  // For the page. `typed` in any case, with or without the dash. Code::kNotFound for one that is not known, has been
  // decided, or has ended; kLimit when `from` (or everybody together) has guessed too often.
  Result<Pending> find(const std::string& typed, const std::string& from);
  // Code::kNotFound if it has ended meanwhile.
  Result<> approve(const std::string& user_code, directory::Account by);
  void deny(const std::string& user_code);

  // For the device: what was approved, once. Else an error whose reason is one of RFC 8628, section 3.5.
  struct Approved {
    directory::Account account;
    SignIns::Installation installation;
  };
  Result<Approved> take(const Secret& device_code);

  const DeviceCodeLimits& limits() const { return limits_; }

 private:
  struct Entry {
    Pending what;
    BootTime ends{};
    BootTime asked_last{};
    std::chrono::milliseconds interval{0};
    bool denied = false;
    std::optional<directory::Account> approved_by = {};
  };
  void drop_ended();
  Entry* find_entry(const std::string& user_code);

  const Clock& clock_;
  const DeviceCodeLimits limits_;
  std::map<std::string, Entry> entries_;  // by the device code's hash
  Attempts guesses_;
  Attempts guesses_by_address_;
};

}  // namespace portolan::control
