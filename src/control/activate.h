// Signing in by a browser: /v1/device-codes for the device, /activate for the person.
#pragma once
#include "control/device_codes.h"
#include "control/routes.h"
#include "control/sign_in.h"

namespace portolan::control {

class Activation {
 public:
  Activation(Core& core, SignIns& sign_ins, DeviceCodeLimits limits = {});
  void add_to(Routes& routes);

 private:
  net::Task<Answer> create(Exchange exchange);
  net::Task<Answer> token(Exchange exchange);
  Answer show(const Exchange& exchange);
  net::Task<Answer> decide(Exchange exchange);

  // A form counts only if the page that it stood on was ours: it bears what was made from the cookie that we have set
  // with the page, and the browser says that the page was ours.
  std::string csrf_of(const std::string& cookie, const std::string& user_code) const;

  SignIns& sign_ins_;
  DeviceCodes codes_;
  const Bytes csrf_key_;
};

}  // namespace portolan::control
