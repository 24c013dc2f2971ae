// Form 3 of the audit tables: a record refers to its session and its chain by number, and its own number is the place
// where it stands (INTEGER PRIMARY KEY), so that a record that is added touches three small indexes instead of six, two
// of which repeated the names of node, session and chain. `id` of a session never changes; its `number` does when it is
// listed again. Chain 0: the record came without one.
#pragma once
#include <string_view>

namespace portolan::store::migrations {

inline constexpr std::string_view kAudit003[] = {
    R"(ALTER TABLE sessions RENAME TO sessions_2)",
    R"(ALTER TABLE records RENAME TO records_2)",
    R"(CREATE TABLE sessions (
         id INTEGER PRIMARY KEY, number BIGINT NOT NULL UNIQUE, node TEXT NOT NULL, session TEXT NOT NULL, start_known BIGINT NOT NULL,
         account TEXT NOT NULL, email TEXT NOT NULL, device TEXT NOT NULL, resource TEXT NOT NULL, resource_name TEXT NOT NULL,
         type TEXT NOT NULL, client TEXT NOT NULL, trace TEXT NOT NULL, started BIGINT NOT NULL, ended BIGINT, reason TEXT,
         queries BIGINT NOT NULL, bytes_in BIGINT NOT NULL, bytes_out BIGINT NOT NULL, UNIQUE (node, session)))",
    R"(INSERT INTO sessions (id, number, node, session, start_known, account, email, device, resource, resource_name, type,
         client, trace, started, ended, reason, queries, bytes_in, bytes_out)
         SELECT number, number, node, session, start_known, account, email, device, resource, resource_name, type,
         client, trace, started, ended, reason, queries, bytes_in, bytes_out FROM sessions_2)",
    R"(CREATE TABLE records (
         number INTEGER PRIMARY KEY, owner BIGINT NOT NULL, sequence BIGINT NOT NULL, kind TEXT NOT NULL, time BIGINT NOT NULL,
         record TEXT NOT NULL, chain BIGINT NOT NULL, place BIGINT NOT NULL, hash TEXT NOT NULL, UNIQUE (owner, sequence)))",
    R"(INSERT INTO records (number, owner, sequence, kind, time, record, chain, place, hash)
         SELECT r.number, s.number, r.sequence, r.kind, r.time, r.record, COALESCE(c.number, 0), r.place, r.hash
         FROM records_2 r JOIN sessions_2 s ON s.node = r.node AND s.session = r.session
         LEFT JOIN chains c ON c.node = r.node AND c.chain = r.chain ORDER BY r.number)",
    R"(DROP TABLE records_2)",
    R"(DROP TABLE sessions_2)",
    R"(CREATE INDEX sessions_session ON sessions (session))",
    R"(CREATE INDEX sessions_account ON sessions (account))",
    R"(CREATE INDEX sessions_email ON sessions (email))",
    R"(CREATE INDEX sessions_resource ON sessions (resource))",
    R"(CREATE INDEX sessions_resource_name ON sessions (resource_name))",
    R"(CREATE INDEX sessions_started ON sessions (started))",
    R"(CREATE INDEX records_chain ON records (chain, place))",
    R"(CREATE INDEX records_time ON records (time))",
};

}  // namespace portolan::store::migrations
