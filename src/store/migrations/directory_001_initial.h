// Form 1 of the directory's tables. Column names are the members of directory/model.h; times are milliseconds since
// 1970; lists and maps are JSON. `state` has one row: the counters are taken from it inside the transaction, so that
// their order is the order of commits.
#pragma once
#include <string_view>

namespace portolan::store::migrations {

inline constexpr std::string_view kDirectory001[] = {
    R"(CREATE TABLE state (epoch TEXT NOT NULL, revision BIGINT NOT NULL, activities BIGINT NOT NULL))",
    R"(CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL))",
    R"(CREATE TABLE activities (
         number BIGINT PRIMARY KEY, id TEXT NOT NULL, revision BIGINT NOT NULL, time BIGINT NOT NULL, actor TEXT NOT NULL,
         verb TEXT NOT NULL, object TEXT NOT NULL, "before" TEXT NOT NULL, "after" TEXT NOT NULL))",
    R"(CREATE TABLE accounts (
         id TEXT PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT NOT NULL, admin BIGINT NOT NULL, suspended BIGINT NOT NULL,
         password_hash TEXT NOT NULL, created BIGINT NOT NULL))",
    R"(CREATE TABLE devices (
         id TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES accounts (id), name TEXT NOT NULL, public_key TEXT NOT NULL,
         created BIGINT NOT NULL))",
    R"(CREATE INDEX devices_account ON devices (account))",
    R"(CREATE TABLE sign_ins (
         id TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES accounts (id), device TEXT NOT NULL REFERENCES devices (id),
         token_hash TEXT NOT NULL, certificate_serial TEXT NOT NULL, created BIGINT NOT NULL, ends BIGINT NOT NULL,
         ended BIGINT NOT NULL))",
    R"(CREATE INDEX sign_ins_account ON sign_ins (account))",
    R"(CREATE INDEX sign_ins_device ON sign_ins (device))",
    R"(CREATE UNIQUE INDEX sign_ins_token_hash ON sign_ins (token_hash) WHERE token_hash <> '')",
    R"(CREATE TABLE api_tokens (
         id TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES accounts (id), name TEXT NOT NULL,
         token_hash TEXT NOT NULL UNIQUE, created BIGINT NOT NULL, ends BIGINT))",
    R"(CREATE INDEX api_tokens_account ON api_tokens (account))",
    R"(CREATE TABLE roles (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created BIGINT NOT NULL))",
    R"(CREATE TABLE memberships (
         id TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES accounts (id), role TEXT NOT NULL REFERENCES roles (id),
         created BIGINT NOT NULL, UNIQUE (account, role)))",
    R"(CREATE INDEX memberships_role ON memberships (role))",
    R"(CREATE TABLE resources (
         id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, type TEXT NOT NULL, host TEXT NOT NULL, port BIGINT NOT NULL,
         local_port BIGINT NOT NULL, settings TEXT NOT NULL, username TEXT NOT NULL, sealed_password TEXT NOT NULL,
         egress_nodes TEXT NOT NULL, created BIGINT NOT NULL))",
    R"(CREATE UNIQUE INDEX resources_local_port ON resources (local_port) WHERE local_port <> 0)",
    R"(CREATE TABLE grants (
         id TEXT PRIMARY KEY, role TEXT NOT NULL REFERENCES roles (id), resource TEXT NOT NULL REFERENCES resources (id),
         created BIGINT NOT NULL, UNIQUE (role, resource)))",
    R"(CREATE INDEX grants_resource ON grants (resource))",
    R"(CREATE TABLE nodes (
         id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, address TEXT NOT NULL, public_key TEXT NOT NULL,
         certificate_serial TEXT NOT NULL, revoked BIGINT NOT NULL, created BIGINT NOT NULL))",
    R"(CREATE TABLE join_tokens (
         id TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, token_hash TEXT NOT NULL UNIQUE, created BIGINT NOT NULL,
         ends BIGINT NOT NULL, used_by TEXT NOT NULL))",
};

}  // namespace portolan::store::migrations
