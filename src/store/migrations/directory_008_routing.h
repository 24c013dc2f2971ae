// Form 8 of the directory's tables: tags of nodes, egress filters and peering groups.
#pragma once
#include <string_view>

namespace portolan::store::migrations {

inline constexpr std::string_view kDirectory008[] = {
    R"(ALTER TABLE nodes ADD COLUMN tags TEXT NOT NULL DEFAULT '{}')",
    R"(ALTER TABLE resources ADD COLUMN egress_filter TEXT NOT NULL DEFAULT '')",
    R"(CREATE TABLE peering_groups (
         id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, nodes TEXT NOT NULL, resources TEXT NOT NULL, peers TEXT NOT NULL,
         created BIGINT NOT NULL, revision BIGINT NOT NULL))",
};

}  // namespace portolan::store::migrations
