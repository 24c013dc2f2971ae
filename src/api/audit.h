// What is on record. The same structs travel from nodes to the control plane and from there to readers.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe.hpp>

#include "base/bytes.h"
#include "base/clock.h"

namespace portolan::api {

// A value that a statement was run with; an empty object is NULL.
struct AuditParameter {
  std::optional<std::string> text;      // cut at 1 KiB
  std::optional<std::string> hex;       // of a binary one, cut at 1 KiB of it
  std::optional<std::uint64_t> length;  // in bytes: of every binary one, and where `text` is not all
};
BOOST_DESCRIBE_STRUCT(AuditParameter, (), (text, hex, length))

// A body of a web request or of its answer: its beginning, as text or, where it is none, in base64.
struct AuditHttpBody {
  std::optional<std::string> text;
  std::optional<std::string> base64;
  std::uint64_t length = 0;  // of all of it
};
BOOST_DESCRIBE_STRUCT(AuditHttpBody, (), (text, base64, length))
// A request to a web resource.
struct AuditHttp {
  std::string method;
  std::string host;
  std::string path;
  std::optional<std::string> query;
  std::optional<std::uint64_t> status;  // none: the application has not answered
  std::uint64_t bytes_in = 0;           // of bodies, or of a WebSocket's frames
  std::uint64_t bytes_out = 0;
  std::optional<std::uint64_t> messages_in;  // of a WebSocket
  std::optional<std::uint64_t> messages_out;
  std::optional<AuditHttpBody> request_body;  // where the resource records them
  std::optional<AuditHttpBody> response_body;
};
BOOST_DESCRIBE_STRUCT(AuditHttp, (),
                      (method, host, path, query, status, bytes_in, bytes_out, messages_in, messages_out, request_body,
                       response_body))

// ---- audit: POST /v1/node/audit (node certificate); GET /v1/audit/sessions|queries|activities (admins) ----
// One record. `kind`: "session.started", "session.ended", "query"; "query.begun" where a part of the answer went on
// before the outcome was known (strict audit). Members that do not apply are absent.
struct AuditRecord {
  std::string kind;
  std::string session;
  std::uint64_t sequence = 0;  // within the session, from 1
  WallTime time{};             // start, for a query
  std::string trace;
  std::optional<std::string> account;
  std::optional<std::string> email;
  std::optional<std::string> device;
  std::optional<std::string> resource;
  std::optional<std::string> resource_name;
  std::optional<std::string> type;
  std::optional<std::string> node;
  std::optional<std::string> client;  // application_name and the like, as the client says
  std::optional<std::string> database;
  std::optional<std::string> text;         // a query's text, up to the limit
  std::optional<std::string> text_sha256;  // of all of it, when `text` is cut
  std::optional<std::uint64_t> text_length;
  std::optional<std::uint64_t> duration_us;
  std::optional<std::uint64_t> rows;
  std::optional<std::string> tag;         // "SELECT 1"
  std::optional<std::string> error_code;  // SQLSTATE
  std::optional<std::string> error;
  std::optional<std::uint64_t> bytes_in;
  std::optional<std::uint64_t> bytes_out;
  std::optional<std::string> reason;          // why a session ended
  std::optional<std::uint64_t> begun;         // of a query: the sequence of its "query.begun", if it has one
  std::optional<std::uint64_t> statement;     // which of several in `text`, from 2; the first has none
  std::optional<std::uint64_t> copied_bytes;  // what a COPY has carried
  std::optional<std::vector<AuditParameter>> parameters;  // values bound to $1, $2 …, where the resource records them
  std::optional<std::uint64_t> parameter_count;           // when `parameters` does not hold all
  std::optional<AuditHttp> http;                          // a web request, of which `text` is the short form
};
BOOST_DESCRIBE_STRUCT(AuditRecord, (),
                      (kind, session, sequence, time, trace, account, email, device, resource, resource_name, type,
                       node, client, database, text, text_sha256, text_length, duration_us, rows, tag, error_code,
                       error, bytes_in, bytes_out, reason, begun, statement, copied_bytes, parameters, parameter_count,
                       http))

struct AuditBatch {
  std::vector<AuditRecord> records;
};
BOOST_DESCRIBE_STRUCT(AuditBatch, (), (records))
// The store has made every record of the batch durable.
struct AuditAcknowledged {
  std::uint64_t stored = 0;  // new ones
  std::uint64_t known = 0;   // (session, sequence) that were there
};
BOOST_DESCRIBE_STRUCT(AuditAcknowledged, (), (stored, known))

// ---- the chain: POST /v1/node/audit/chain|heads (node certificate), GET /v1/audit/chains|chain|heads (admins) ----
// docs/wire-audit.md: how a node's records hang together, and how their hashes and signatures are made.
struct ChainedRecord {
  std::uint64_t number = 0;  // within the chain, from 1
  std::string hash;          // hex, of this record and of all before it
  std::string record;        // the AuditRecord as JSON, byte for byte as it was hashed
};
BOOST_DESCRIBE_STRUCT(ChainedRecord, (), (number, hash, record))
// By this a node says, for good, what it has put on record so far.
struct ChainHead {
  std::uint32_t version = 1;
  std::string chain;  // c-…
  std::uint64_t number = 0;
  std::string hash;
  WallTime time{};        // by the node's clock
  std::string signature;  // base64url
};
BOOST_DESCRIBE_STRUCT(ChainHead, (), (version, chain, number, hash, time, signature))
struct ChainHeads {
  std::vector<ChainHead> heads;
};
BOOST_DESCRIBE_STRUCT(ChainHeads, (), (heads))
// How a node hands a record over: one line each, in which these members stand first, in this order and without spaces
// (audit/spool_line.h), and the members of the AuditRecord after them.
struct ChainLine : AuditRecord {
  std::uint32_t form = 2;
  std::string chain;
  std::uint64_t number = 0;
  std::string hash;
};
BOOST_DESCRIBE_STRUCT(ChainLine, (AuditRecord), (form, chain, number, hash))
// What is kept of one chain; with an empty `chain`, of a node's records that came without one.
struct ChainView {
  std::string node;
  std::string name;  // the node's
  std::string chain;
  std::string public_key;   // the node's, as PEM: what its heads are signed with
  std::uint64_t first = 0;  // numbers of the first and the last record that is kept
  std::uint64_t last = 0;
  std::uint64_t records = 0;
};
BOOST_DESCRIBE_STRUCT(ChainView, (), (node, name, chain, public_key, first, last, records))

// Audit lists as the API gives them: newest last; a watch goes on with what comes.
struct SessionEntry {
  std::string session;
  std::string account;
  std::string email;
  std::string resource;
  std::string resource_name;
  std::string type;
  std::string node;
  std::string client;
  std::string trace;
  WallTime started{};
  std::optional<WallTime> ended;
  std::optional<std::string> reason;
  std::uint64_t queries = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::optional<std::string> node_name = {};  // while there is the node
};
BOOST_DESCRIBE_STRUCT(SessionEntry, (),
                      (session, account, email, resource, resource_name, type, node, client, trace, started, ended,
                       reason, queries, bytes_in, bytes_out, node_name))

}  // namespace portolan::api
