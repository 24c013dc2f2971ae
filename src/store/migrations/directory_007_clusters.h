// Form 7 of the directory's tables: proxy clusters, their keys, and tokens that make more than one node.
#pragma once
#include <string_view>

namespace portolan::store::migrations {

inline constexpr std::string_view kDirectory007[] = {
    R"(CREATE TABLE clusters (
         id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, address TEXT NOT NULL, bridged BIGINT NOT NULL, created BIGINT NOT NULL,
         tags TEXT NOT NULL, revision BIGINT NOT NULL))",
    R"(ALTER TABLE nodes ADD COLUMN cluster TEXT NOT NULL DEFAULT '')",
    R"(ALTER TABLE nodes ADD COLUMN joined_by TEXT NOT NULL DEFAULT '')",
    R"(ALTER TABLE join_tokens ADD COLUMN cluster TEXT NOT NULL DEFAULT '')",
    R"(ALTER TABLE join_tokens ADD COLUMN uses_limit BIGINT NOT NULL DEFAULT 1)",
    R"(ALTER TABLE join_tokens ADD COLUMN uses BIGINT NOT NULL DEFAULT 0)",
    R"(ALTER TABLE join_tokens ADD COLUMN last_used BIGINT)",
    R"(ALTER TABLE join_tokens ADD COLUMN networks TEXT NOT NULL DEFAULT '[]')",
    R"(ALTER TABLE join_tokens ADD COLUMN revoked BIGINT NOT NULL DEFAULT 0)",
    R"(UPDATE join_tokens SET uses = 1 WHERE used_by <> '')",
};

}  // namespace portolan::store::migrations
