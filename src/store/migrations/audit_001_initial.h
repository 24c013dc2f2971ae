// Form 1 of the audit tables. `number` orders each list by commit; all numbers come from the one row of `state`. A
// record is kept as the JSON it travels in, beside the columns by which it is found. Keys begin with the proven node,
// so that no node can take another one's place.
#pragma once
#include <string_view>

namespace portolan::store::migrations {

inline constexpr std::string_view kAudit001[] = {
    R"(CREATE TABLE state (number BIGINT NOT NULL))",
    R"(INSERT INTO state (number) VALUES (0))",
    R"(CREATE TABLE sessions (
         number BIGINT NOT NULL UNIQUE, node TEXT NOT NULL, session TEXT NOT NULL, start_known BIGINT NOT NULL,
         account TEXT NOT NULL, email TEXT NOT NULL, device TEXT NOT NULL, resource TEXT NOT NULL, resource_name TEXT NOT NULL,
         type TEXT NOT NULL, client TEXT NOT NULL, trace TEXT NOT NULL, started BIGINT NOT NULL, ended BIGINT, reason TEXT,
         queries BIGINT NOT NULL, bytes_in BIGINT NOT NULL, bytes_out BIGINT NOT NULL, PRIMARY KEY (node, session)))",
    R"(CREATE INDEX sessions_session ON sessions (session))",
    R"(CREATE INDEX sessions_account ON sessions (account))",
    R"(CREATE INDEX sessions_email ON sessions (email))",
    R"(CREATE INDEX sessions_resource ON sessions (resource))",
    R"(CREATE INDEX sessions_resource_name ON sessions (resource_name))",
    R"(CREATE INDEX sessions_started ON sessions (started))",
    R"(CREATE TABLE records (
         number BIGINT NOT NULL UNIQUE, node TEXT NOT NULL, session TEXT NOT NULL, sequence BIGINT NOT NULL, kind TEXT NOT NULL,
         time BIGINT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (node, session, sequence)))",
    R"(CREATE INDEX records_session ON records (session))",
    R"(CREATE INDEX records_time ON records (time))",
};

}  // namespace portolan::store::migrations
