// What of a session's traffic becomes audit records. Pure: bytes of both directions and a clock in, records out; no
// stream.
//
// The server answers requests in the order in which they were sent, so the requests that wait for an answer are a
// queue, and each answer belongs to its front. Statements and portals get their meaning when the server has confirmed
// them, not when the client asks: a Parse that fails must not change what a later Execute is recorded as. After an
// error the server skips all up to the next Sync, and so does the queue. A record is made when an outcome has been
// read, before the client sees it. An answer that nothing asked for is an error.
//
// One thing cannot be known from here: while it takes a copy the server ignores Sync, and where the copy breaks off by
// itself, which of the Syncs under way it had read by then. Those are doubtful: their ReadyForQuery may come or not.
//
// Names that SQL itself makes and drops (PREPARE, DEALLOCATE, DECLARE, CLOSE) are followed where the statement says so
// at its beginning; in doubt, names are forgotten and the record says that. Not seen: what functions do with names.
#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <utility>

#include "audit/records.h"
#include "base/clock.h"
#include "protocols/postgres/answers.h"
#include "protocols/postgres/names.h"
#include "protocols/postgres/requests.h"

namespace portolan::protocols::postgres {

// Lives as long as one session's copying phase.
class Inspect {
 public:
  using Sink = std::function<Result<>(audit::Query)>;
  // The clock outlives this. kValues: records have the values that statements are run with.
  Inspect(const Clock& clock, Sink sink, ValuesReader::Keep keep = ValuesReader::Keep::kNothing);

  // Each takes the next bytes, however cut. An error is the peer's (Code::kProtocol, kLimit) or the sink's.
  Result<> from_client(ByteView bytes);
  Result<> from_server(ByteView bytes);
  // Puts on record that the request which the server is answering is under way, once for each, if a part of its answer
  // has been read.
  Result<> note_under_way();
  // Puts on record what has no outcome yet. Once, at the end.
  Result<> connection_lost();

  // Whether the server has been asked for what it has not answered yet.
  bool waits_for_answers() const { return !pending_.empty(); }
  // Whether the client has said that it is done: what then breaks is an ordinary end.
  bool terminated() const { return terminated_; }
  // Whether the server has said why it ends the session (an error that is fatal).
  bool server_said_why() const { return server_said_why_; }
  // Whether a message of ours may follow what was read from the server so far.
  bool at_server_boundary() const { return server_framer_.at_boundary(); }
  // Else, how many bytes of the message in progress are certain to come.
  std::size_t server_bytes_wanted() const { return server_framer_.wanted(); }

 private:
  // A request's share of the memory of all that wait for an answer.
  class Held {
   public:
    Held() = default;
    Held(std::size_t& total, std::size_t bytes) : total_(&total), bytes_(bytes) { total += bytes; }
    Held(Held&& other) noexcept : total_(std::exchange(other.total_, nullptr)), bytes_(other.bytes_) {}
    Held& operator=(Held&& other) noexcept {
      std::swap(total_, other.total_);
      std::swap(bytes_, other.bytes_);
      return *this;
    }
    ~Held() {
      if (total_ != nullptr) *total_ -= bytes_;
    }

   private:
    std::size_t* total_ = nullptr;
    std::size_t bytes_ = 0;
  };
  struct Pending {
    Asked kind;
    bool of_portal = false;
    bool noted = false;     // to be under way
    bool settled = false;   // its error is on record; only ReadyForQuery is awaited
    bool doubtful = false;  // kSync: may have been ignored by a copy
    std::string name = {};
    std::string from = {};
    std::shared_ptr<const Text> text = {};
    std::shared_ptr<const audit::Parameters> parameters = {};
    std::uint64_t outcomes = 0;  // kQuery: statements of it that are on record
    std::uint64_t copied = 0;    // kCopyEnd: bytes sent before the server asked for them
    WallTime started{};
    BootTime since{};
    Held held = {};
  };
  struct Outcome {
    std::optional<std::uint64_t> rows = {};
    std::optional<std::string> tag = {};
    std::optional<std::string> error_code = {};
    std::optional<std::string> error = {};
  };
  enum class Copying : std::uint8_t { kNone, kIn, kOut, kBoth };
  struct ClientHandler {
    Inspect& owner;
    Result<> begin(Header header) { return owner.request_reader_.begin(header); }
    void body(ByteView part);
    Result<> end();
  };
  struct ServerHandler {
    Inspect& owner;
    Result<> begin(Header header) { return owner.answer_.begin(header); }
    void body(ByteView part);
    Result<> end();
  };

  // inspect.cc: requests
  Result<> on_request(Request request);
  Result<> enqueue(Pending pending);
  Result<> on_sync();
  Result<> on_copy_end();

  // inspect.cc: answers
  Result<> on_answer();
  bool belongs(char type);
  bool drop_to_doubtful_sync(char type);
  Result<> on_confirmed();
  Result<> on_complete(Outcome outcome);
  Result<> on_error(const ServerError& error);
  void on_ready(char transaction);
  void on_copy(Copying copying);
  void skip_to_sync();
  void drop_ignored_syncs();
  void forget_answer();
  // Of the answer so far, if there are any.
  std::optional<std::uint64_t> rows_seen() const { return rows_ > 0 ? std::optional(rows_) : std::nullopt; }
  Pending* front();

  // records.cc
  Result<> on_names(const Pending& of, std::string_view tag);
  Meaning meaning_of(const Pending& pending) const;
  audit::Query query_of(const Pending& pending) const;
  Result<> record(Pending& pending, Outcome outcome);

  const Clock& clock_;
  Sink sink_;
  Framer client_framer_;
  Framer server_framer_;
  RequestReader request_reader_;
  bool keeps_values_;
  AnswerReader answer_;

  std::size_t held_ = 0;  // texts, names and values of pending_
  std::deque<Pending> pending_;
  Names statements_;
  Names portals_;
  bool answered_ = false;                // a part of the front's answer has been read
  std::uint64_t rows_ = 0;               // DataRows of the front
  std::optional<std::uint64_t> copied_;  // bytes of the front's copy
  std::uint64_t sent_ahead_ = 0;         // CopyData that the server has not asked for yet
  Copying copying_ = Copying::kNone;
  bool client_copies_ = false;  // the server takes CopyData and ignores Sync until the client ends it
  bool terminated_ = false;
  bool server_said_why_ = false;
  bool skipping_ = false;  // an error was answered whose Sync has not been sent yet
};

}  // namespace portolan::protocols::postgres
