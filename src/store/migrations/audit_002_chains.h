// Form 2 of the audit tables: the place of each record in its node's chain, and the heads that nodes have signed.
// `record` is, for those of a chain, the JSON byte for byte as it was hashed.
#pragma once
#include <string_view>

namespace portolan::store::migrations {

inline constexpr std::string_view kAudit002[] = {
    R"(ALTER TABLE records ADD COLUMN chain TEXT NOT NULL DEFAULT '')",
    R"(ALTER TABLE records ADD COLUMN place BIGINT NOT NULL DEFAULT 0)",
    R"(ALTER TABLE records ADD COLUMN hash TEXT NOT NULL DEFAULT '')",
    R"(CREATE INDEX records_chain ON records (node, chain, place))",
    R"(CREATE TABLE chains (number BIGINT NOT NULL UNIQUE, node TEXT NOT NULL, chain TEXT NOT NULL, PRIMARY KEY (node, chain)))",
    R"(CREATE TABLE heads (
         node TEXT NOT NULL, chain TEXT NOT NULL, place BIGINT NOT NULL, hash TEXT NOT NULL, version BIGINT NOT NULL,
         time BIGINT NOT NULL, signature TEXT NOT NULL, PRIMARY KEY (node, chain, place, hash)))",
};

}  // namespace portolan::store::migrations
