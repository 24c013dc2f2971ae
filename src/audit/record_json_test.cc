#include "audit/record_json.h"

#include <boost/mp11/algorithm.hpp>

#include <gtest/gtest.h>

#include "base/json.h"

namespace portolan::audit {
namespace {

TEST(RecordJson, IsWhatTheCommonEncoderMakes) {
  api::AuditRecord record;
  EXPECT_EQ(record_json(record), json::encode(record));
  record.kind = "query";
  record.session = "s-1";
  record.sequence = ~std::uint64_t{0};
  record.time = WallTime(std::chrono::milliseconds(1'800'000'000'123));
  record.text = std::string();
  for (int c = 0; c < 0x80; ++c) *record.text += static_cast<char>(c);
  *record.text += "ü \xf0\x9f\x90\x98 \xff\x80";
  record.error = "\"\\";
  EXPECT_EQ(record_json(record), json::encode(record));
}

// Every member, one at a time and all together.
TEST(RecordJson, LeavesNoMemberOut) {
  using Members = boost::describe::describe_members<api::AuditRecord, boost::describe::mod_public>;
  api::AuditRecord all;
  std::uint64_t next = 1;
  const auto fill = [&next](auto& value) {
    using T = std::remove_cvref_t<decltype(value)>;
    const std::uint64_t number = next++;
    if constexpr (std::is_same_v<T, WallTime>) value = WallTime(std::chrono::milliseconds(number));
    if constexpr (std::is_constructible_v<T, std::string>) value = "text " + std::to_string(number);
    if constexpr (std::is_same_v<T, std::uint64_t> || std::is_same_v<T, std::optional<std::uint64_t>>) value = number;
  };
  boost::mp11::mp_for_each<Members>([&](auto member) {
    api::AuditRecord one;
    fill(one.*member.pointer);
    fill(all.*member.pointer);
    EXPECT_NE(json::encode(one), json::encode(api::AuditRecord{})) << member.name;
    EXPECT_EQ(record_json(one), json::encode(one)) << member.name;
  });
  EXPECT_EQ(record_json(all), json::encode(all));
}

}  // namespace
}  // namespace portolan::audit
