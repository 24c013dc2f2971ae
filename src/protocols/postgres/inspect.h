// What of a session's traffic becomes audit records. Pure: bytes of both directions and a clock in, records out; no
// stream.
//
// The server answers requests in the order in which they were sent, so the requests that wait for an answer are a
// queue, and each answer belongs to its front. Statements and portals get their meaning when the server has confirmed
// them, not when the client asks: a Parse that fails must not change what a later Execute is recorded as. After an
// error the server skips all up to the next Sync, and so does the queue. A record is made when an outcome has been
// read, before the client sees it.
//
// Not seen here: what SQL itself does with names (PREPARE, DECLARE, DEALLOCATE); those statements are on record with
// their text.
#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <unordered_map>
#include <utility>

#include "audit/records.h"
#include "base/clock.h"
#include "protocols/postgres/requests.h"

namespace portolan::protocols::postgres {

// Names with their texts, bounded: too many names are an error, too much text is kept by its beginning and hash.
class NamedTexts {
 public:
  using Shared = std::shared_ptr<const Text>;
  Result<> put(const std::string& name, Shared text);
  Shared find(const std::string& name) const;  // null if there is none
  void erase(const std::string& name);
  void clear();

 private:
  std::unordered_map<std::string, Shared> texts_;
  std::size_t bytes_ = 0;
};

// Lives as long as one session's copying phase.
class Inspect {
 public:
  using Sink = std::function<Result<>(audit::Query)>;
  // The clock outlives this.
  Inspect(const Clock& clock, Sink sink);

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
    enum class Kind : std::uint8_t { kQuery, kParse, kBind, kDescribe, kExecute, kClose, kFunction, kSync, kCopyEnd };
    Kind kind;
    bool of_portal = false;
    bool noted = false;    // to be under way
    bool settled = false;  // its error is on record; only ReadyForQuery is awaited
    std::string name = {};
    std::string from = {};
    NamedTexts::Shared text = {};
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
  struct ClientHandler {
    Inspect& owner;
    RequestReader& reader;
    Result<> begin(Header header) { return reader.begin(header); }
    void body(ByteView part) { reader.body(part); }
    Result<> end();
  };
  struct ServerHandler {
    Inspect& owner;
    Result<> begin(Header header);
    void body(ByteView part);
    Result<> end();
  };

  Result<> on_request(Request request);
  Result<> enqueue(Pending pending);
  Result<> on_answer(char type);
  Result<> on_complete(Outcome outcome);
  Result<> on_error(const ServerError& error);
  Result<> on_ready(char transaction);
  Result<> on_confirmed(Pending::Kind kind);
  void on_copy_in();
  void skip_to_sync();
  Pending* front();
  NamedTexts::Shared text_of(const Pending& pending) const;
  Result<> record(const Pending& pending, Outcome outcome, audit::Query::Stage stage = audit::Query::Stage::kOver);

  const Clock& clock_;
  Sink sink_;
  Framer client_framer_;
  Framer server_framer_;
  RequestReader request_reader_;
  char answer_type_ = 0;
  std::size_t answer_keep_ = 0;  // how much of the body is needed
  std::string answer_;

  std::size_t held_ = 0;  // texts and names of pending_
  std::deque<Pending> pending_;
  NamedTexts statements_;
  NamedTexts portals_;
  std::uint64_t rows_ = 0;  // DataRows of the front
  bool answered_ = false;   // a part of the front's answer has been read
  bool terminated_ = false;
  bool skipping_ = false;    // an error was answered whose Sync has not been sent yet
  bool copying_in_ = false;  // the server takes CopyData and ignores Sync until the client ends it
};

}  // namespace portolan::protocols::postgres
