// Which network this machine is in, as far as can be told without asking anybody: what was learnt of a network is
// remembered under its name.
#pragma once
#include <string>
#include <string_view>

namespace portolan::net {

// The router of the default route, by address and hardware address: "192.168.1.1 aa:bb:cc:dd:ee:ff". "none": there is
// none, or it cannot be told (IPv6 alone).
std::string network_name();
// The same from the texts of /proc/net/route and /proc/net/arp (proc_net(5)).
std::string network_name_from(std::string_view routes, std::string_view neighbours);

}  // namespace portolan::net
