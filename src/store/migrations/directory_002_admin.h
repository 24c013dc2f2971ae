// Form 2 of the directory's tables: kinds of accounts, grants with a beginning and an end, tags, what API tokens may,
// and the revision of each object's last change.
#pragma once
#include <string_view>

namespace portolan::store::migrations {

inline constexpr std::string_view kDirectory002[] = {
    R"(ALTER TABLE accounts ADD COLUMN kind TEXT NOT NULL DEFAULT 'person')",
    R"(ALTER TABLE grants ADD COLUMN starts BIGINT)",
    R"(ALTER TABLE grants ADD COLUMN ends BIGINT)",
    R"(ALTER TABLE resources ADD COLUMN tags TEXT NOT NULL DEFAULT '{}')",
    R"(ALTER TABLE api_tokens ADD COLUMN permissions TEXT NOT NULL DEFAULT '["all"]')",
    R"(ALTER TABLE api_tokens ADD COLUMN public_key TEXT NOT NULL DEFAULT '')",
    R"(ALTER TABLE accounts ADD COLUMN revision BIGINT NOT NULL DEFAULT 0)",
    R"(ALTER TABLE devices ADD COLUMN revision BIGINT NOT NULL DEFAULT 0)",
    R"(ALTER TABLE api_tokens ADD COLUMN revision BIGINT NOT NULL DEFAULT 0)",
    R"(ALTER TABLE roles ADD COLUMN revision BIGINT NOT NULL DEFAULT 0)",
    R"(ALTER TABLE memberships ADD COLUMN revision BIGINT NOT NULL DEFAULT 0)",
    R"(ALTER TABLE grants ADD COLUMN revision BIGINT NOT NULL DEFAULT 0)",
    R"(ALTER TABLE resources ADD COLUMN revision BIGINT NOT NULL DEFAULT 0)",
    R"(ALTER TABLE nodes ADD COLUMN revision BIGINT NOT NULL DEFAULT 0)",
    R"(ALTER TABLE join_tokens ADD COLUMN revision BIGINT NOT NULL DEFAULT 0)",
};

}  // namespace portolan::store::migrations
