// Form 3 of the directory's tables: authorities that can be rotated (before, each was a setting), and for nodes and
// sign-ins all certificates that were given to them.
#pragma once
#include <string_view>

namespace portolan::store::migrations {

inline constexpr std::string_view kDirectory003[] = {
    R"(CREATE TABLE authorities (
         id TEXT PRIMARY KEY, purpose TEXT NOT NULL, state TEXT NOT NULL, certificate TEXT NOT NULL, sealed_key TEXT NOT NULL,
         created BIGINT NOT NULL, signs_since BIGINT, activates BIGINT, retires BIGINT, overlap_ms BIGINT NOT NULL,
         revision BIGINT NOT NULL DEFAULT 0))",
    R"(ALTER TABLE nodes ADD COLUMN certificates TEXT NOT NULL DEFAULT '[]')",
    R"(ALTER TABLE sign_ins ADD COLUMN certificates TEXT NOT NULL DEFAULT '[]')",
};

}  // namespace portolan::store::migrations
