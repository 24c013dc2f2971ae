// What of a request becomes its audit record. Pure, with the clock passed in.
#pragma once
#include "audit/records.h"
#include "base/clock.h"
#include "protocols/http/settings.h"

namespace portolan::protocols::http {

// The query with the values of those names masked ("a=1&token=***"); names are compared decoded, without regard to
// case.
std::string masked_query(std::string_view query, const Options& options);

// The beginning of a body, kept up to a limit.
class KeptBody {
 public:
  explicit KeptBody(std::size_t limit) : limit_(limit) {}
  void add(std::string_view piece);
  std::optional<audit::HttpBody> take();  // none if nothing is to be kept, or nothing came

 private:
  std::size_t limit_;
  std::string kept_;
  std::uint64_t length_ = 0;
};

// One request, from its arrival to its outcome.
class Recorded {
 public:
  Recorded(const Options& options, const Clock& clock) : options_(options), clock_(clock) {}
  void begin(const RequestHead& head, std::string_view scheme, std::string_view real_host);
  void sent(std::string_view body) {
    bytes_in_ += body.size();
    request_body_.add(body);
  }
  void received(std::string_view body) {
    bytes_out_ += body.size();
    response_body_.add(body);
  }
  void answered(int status) { status_ = status; }
  void failed(const Error& why);
  void messages(std::uint64_t from_client, std::uint64_t from_application);
  void moved(std::uint64_t in, std::uint64_t out) {
    bytes_in_ += in;
    bytes_out_ += out;
  }

  bool open() const { return open_; }
  std::uint64_t bytes_in() const { return bytes_in_; }
  std::uint64_t bytes_out() const { return bytes_out_; }
  // As it stands; kOver ends it.
  audit::Query query(audit::Query::Stage stage);

 private:
  const Options& options_;
  const Clock& clock_;
  bool open_ = false;
  audit::HttpRequest request_;
  std::string text_;
  WallTime started_{};
  BootTime since_{};
  int status_ = 0;
  std::optional<Error> why_;
  std::uint64_t bytes_in_ = 0, bytes_out_ = 0;  // of bodies
  KeptBody request_body_{0};
  KeptBody response_body_{0};
};

}  // namespace portolan::protocols::http
