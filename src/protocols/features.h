// What a node must understand of a resource to serve it as it is meant. A node of an older release does not know a
// newer setting and would serve without it: whoever pins a database or asks for a host list would believe in what is
// not there. So each setting that came after the first release is a feature of its own, "postgres.hosts", without
// anybody having to think of it, and so is each newer protocol, by its name. Where an older node would misread a new
// value of a setting that it knows, the value gets a feature with a name of its own ("strict-audit").
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "protocols/driver.h"

namespace portolan::protocols {

// What it takes to serve a resource of this type with these settings. Empty: every node can.
std::vector<std::string> features_needed(std::string_view type, const Settings& settings);
// All that this build understands, and that a resource can need.
std::vector<std::string> features_understood();
// Those of `needed` that are not understood.
std::vector<std::string> features_missing(const std::vector<std::string>& needed,
                                          const std::vector<std::string>& understood);
// For the wire: separated by commas.
std::string join_features(const std::vector<std::string>& features);
std::vector<std::string> split_features(std::string_view text);
// For people: "postgres.hosts", "postgres.hosts and postgres.client_tls", "postgres.hosts and 4 more".
std::string features_in_words(const std::vector<std::string>& features);

}  // namespace portolan::protocols
