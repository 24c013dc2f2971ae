#include "net/tls_greeting.h"

#include <gtest/gtest.h>

namespace portolan::net {
namespace {

TEST(TlsGreeting, Alpn) {
  struct Case {
    std::string hex;
    bool good;
    std::vector<std::string_view> names;
  };
  const Case cases[] = {
      {"", true, {}},
      {"0003026832", true, {"h2"}},
      {"000602683202683a", true, {"h2", "h:"}},
      {"0000", false, {}},          // an empty list
      {"000100", false, {}},        // an empty name
      {"0003036832", false, {}},    // a name beyond the list
      {"0004026832", false, {}},    // a list beyond the extension
      {"000302683200", false, {}},  // something behind the list
      {"00", false, {}},
  };
  for (const auto& each : cases) {
    const auto bytes = from_hex(each.hex).value_or(Bytes());
    TlsGreeting greeting;
    EXPECT_EQ(read_alpn(bytes, greeting), each.good) << each.hex;
    if (each.good) EXPECT_EQ(greeting.alpn, each.names) << each.hex;
  }
}

TEST(TlsGreeting, ServerName) {
  struct Case {
    std::string hex;
    bool good;
    std::string name;
  };
  const Case cases[] = {
      {"", true, ""},
      {"00060000036162"
       "63",
       true, "abc"},
      {"0003000000", false, ""},                    // an empty name
      {"0006010003616263", false, ""},              // of another type
      {"0006000003610063", false, ""},              // with a zero byte
      {"0006000003612063", false, ""},              // with a space
      {"0006000004616263", false, ""},              // longer than the list
      {"000600000361626300", false, ""},            // something behind it
      {"000c000003616263000003646566", false, ""},  // two names
  };
  for (const auto& each : cases) {
    const auto bytes = from_hex(each.hex).value_or(Bytes());
    TlsGreeting greeting;
    EXPECT_EQ(read_server_name(bytes, greeting), each.good) << each.hex;
    if (each.good) EXPECT_EQ(greeting.name, each.name) << each.hex;
  }
  Bytes long_one{std::byte{1}, std::byte{1}, std::byte{0}, std::byte{0}, std::byte{254}};
  long_one.resize(5 + 254, std::byte{'a'});
  TlsGreeting greeting;
  EXPECT_FALSE(read_server_name(long_one, greeting));
}

TEST(TlsGreeting, Authorities) {
  const auto wanted = from_hex("300a").value_or(Bytes());
  const std::pair<const char*, bool> cases[] = {
      {"", false},
      {"00040002300a", true},
      {"00080002300b0002300a", true},
      {"00040002300b", false},
      {"00040003300a", false},            // longer than the list
      {"00040002300a00", false},          // something behind it
      {"00090002300a0002300bff", false},  // half a length
      {"0000", false},
  };
  for (const auto& [hex_text, found] : cases)
    EXPECT_EQ(names_authority(from_hex(hex_text).value_or(Bytes()), wanted), found) << hex_text;
}

}  // namespace
}  // namespace portolan::net
