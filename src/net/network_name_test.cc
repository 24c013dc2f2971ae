#include "net/network_name.h"

#include <gtest/gtest.h>

namespace portolan::net {
namespace {

constexpr std::string_view kTitles =
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
constexpr std::string_view kNeighbours =
    "IP address       HW type     Flags       HW address            Mask     Device\n"
    "192.168.1.1      0x1         0x2         aa:bb:cc:dd:ee:ff     *        wlan0\n"
    "10.0.0.1         0x1         0x0         00:00:00:00:00:00     *        eth0\n";

std::string name(std::string lines) { return network_name_from(std::string(kTitles) + lines, kNeighbours); }

TEST(NetworkName, IsThatOfTheRouter) {
  const std::string wifi = "wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n";
  const std::string cable = "eth0\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n";
  EXPECT_EQ(name(wifi), "192.168.1.1 aa:bb:cc:dd:ee:ff");
  EXPECT_EQ(name(wifi + cable), "10.0.0.1") << "the better route; its hardware address is not known";
  EXPECT_EQ(name("wlan0\t0001A8C0\t00000000\t0001\t0\t0\t600\t00FFFFFF\t0\t0\t0\n"), "none") << "no default route";
  EXPECT_EQ(name("wlan0\t00000000\t0101A8C0\t0002\t0\t0\t600\t00000000\t0\t0\t0\n"), "none") << "it is down";
  EXPECT_EQ(name("wlan0\t00000000\n\nwhat"), "none");
  EXPECT_EQ(network_name_from("", ""), "none");
}

}  // namespace
}  // namespace portolan::net
