// One client's stream at the egress: requests one after another, each carried to the application and its answer back,
// until the stream ends, becomes a WebSocket, or is cut.
//
// A task does the carrying; whatever cuts it (the stop signal, a time-out, a client that has gone) cancels the task and
// says why, and only then, with nothing under way any more, run() tells the client, if an answer of ours can follow
// what it has been given.
#pragma once
#include <memory>
#include <optional>

#include "net/loop.h"
#include "protocols/http/application.h"
#include "protocols/http/body.h"
#include "protocols/http/inject.h"
#include "protocols/http/input.h"
#include "protocols/http/pages.h"
#include "protocols/http/record.h"
#include "protocols/session.h"

namespace portolan::protocols::http {

// The reason of an error that ends a session since its records cannot be kept.
inline constexpr const char* kNotOnRecord = "not_on_record";

class Serving {
 public:
  Serving(Session& session, Options options, Names names, std::unique_ptr<net::Stream> client);
  Serving(const Serving&) = delete;
  Serving& operator=(const Serving&) = delete;

  // Once. As Driver::serve().
  net::Task<Result<>> run();

 private:
  enum class Phase {
    kIdle,       // between requests
    kAsked,      // a request is under way, and nothing of its answer has gone
    kAnswering,  // a part of the answer has gone: nothing of ours can follow
    kSwitched,   // it is a WebSocket
  };
  // The request that is under way.
  struct Request {
    RequestHead head;
    Framing framing;
    bool websocket = false;
    bool expects_continue = false;
    bool wants_trailers = false;
    bool may_repeat = false;  // asking twice is asking once
    View view;
  };
  // How the answer goes to the client.
  struct Answer {
    bool bodiless = false;
    bool chunked = false;
    bool last_on_stream = false;  // the connection closes behind it
    std::optional<LinkReplacer> links;
  };

  // serving.cc: the life of the stream
  net::Task<> requests();
  net::Task<Result<bool>> one();  // whether another request may follow
  net::Task<Result<std::optional<RequestHead>>> read_head();
  net::Task<Result<>> end();
  net::Task<> farewell(std::string last, std::chrono::milliseconds limit);
  void cut(Error why);
  void allow(std::chrono::milliseconds limit);  // from now on until the next progress
  void progress();
  void on_time();
  Error too_late() const;

  // exchange.cc: a request on its way
  Result<Request> prepare(RequestHead head);
  Result<Outgoing> outgoing(const Request& request, Injection& injection) const;
  net::Task<Result<ResponseHead>> ask(const Request& request, const Outgoing& out);
  net::Task<Result<ResponseHead>> next_head(const Request& request);
  net::Task<Result<>> pass_interim(const Request& request, ResponseHead head);
  net::Task<> upload();
  net::Task<Result<>> send_rest();
  void watch_client();

  // answer.cc: its answer on the way back
  net::Task<Result<bool>> answer(const Request& request, const Injection& injection, ResponseHead head);
  Answer shape(const Request& request, const Injection& injection, ResponseHead& head) const;
  net::Task<Result<>> pass_body(Answer how, std::string head);
  net::Task<Result<>> put(std::string_view bytes);  // to the client, when the records allow
  net::Task<Result<>> switch_over(const Request& request, ResponseHead head);
  Result<> put_on_record(audit::Query::Stage stage);

  // switched.cc: a WebSocket
  net::Task<Result<>> carry();

  Session& session_;
  const Options options_;
  const Names names_;
  std::unique_ptr<net::Stream> client_;
  std::unique_ptr<Input> input_;
  std::unique_ptr<Application> application_;
  std::unique_ptr<Connection> connection_;  // of the request that is under way
  std::unique_ptr<net::Stream> switched_;   // the application's side of a WebSocket
  bool deflates_ = false;

  Phase phase_ = Phase::kIdle;
  Recorded recorded_;
  bool described_ = false;
  Asker asker_;                     // for pages
  std::optional<BodyReader> body_;  // of the request
  bool uploaded_ = true;            // all of it has gone to the application
  bool offering_ = false;           // a piece of it waits for the application to take it
  Result<> outcome_;
  std::optional<Error> cut_;

  net::Timer timer_;
  BootTime due_{};
  std::chrono::milliseconds limit_{0};
  net::TaskGroup uploads_;
  net::TaskGroup work_;
};

}  // namespace portolan::protocols::http
